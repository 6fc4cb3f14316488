//! Whether what is stored is whole: the database, the sums, the directories, and that no secret is in it.

use crate::content::FILES;
use crate::paper::CANNOT;
use crate::payload;
use crate::redact::Secrets;
use anyhow::{Context, Result};
use ar_core::exit::one_line;
use ar_core::state::{State, host};
use ar_core::{Failure, Stamp, exit, paths};
use rusqlite::{Connection, ErrorCode, OptionalExtension, params};
use rustix::fs::{FlockOperation, flock};
use std::fmt::Arguments;
use std::fs::{self, File, Permissions};
use std::io::{BufRead, BufReader, Read, Write, stdout};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// A directory without a row that is younger than this may be that of a run which is about to be stored.
const YOUNG_MS: i64 = 60 * 60 * 1000;
/// Files that are no text are read in pieces of so many bytes, of which so many are read again with the next.
const PIECE_BYTES: u64 = 1 << 20;
const LONGEST_SECRET: usize = 4096;
/// The sums as they would be were they made anew.
const TALLY: &str = "SELECT picked_at / 86400000, coalesce(model, ''), coalesce(provider, ''), coalesce(account, ''), \
    coalesce(verdict, status), coalesce(class, ''), count(*), count(CASE WHEN attempt > 1 THEN 1 END), \
    coalesce(sum(input_tokens), 0), coalesce(sum(output_tokens), 0), coalesce(sum(cache_read_tokens), 0), \
    coalesce(sum(cache_write_tokens), 0), coalesce(sum(cost_micros), 0), \
    coalesce(sum(CASE WHEN files = 'elsewhere' THEN 0 ELSE payload_bytes END), 0), count(cost_micros) \
    FROM run WHERE status <> 'picked' GROUP BY 1, 2, 3, 4, 5, 6";

/// Prints what is wrong, a line each, and counts it.
struct Findings {
    wrong: usize,
    repaired: usize,
}

impl Findings {
    fn tell(&mut self, line: &str, repaired: bool) -> Result<()> {
        self.wrong += 1;
        self.repaired += usize::from(repaired);
        let end = if repaired { ": repaired" } else { "" };
        say(format_args!("{line}{end}"))
    }
}

fn say(line: Arguments) -> Result<()> {
    writeln!(stdout().lock(), "{line}").context(CANNOT)
}

/// `ar log check`; with secrets to keep out of what is found, `--repair`. True where nothing is wrong, or nothing is any more.
pub fn check(state_file: &Path, repair: Option<&Secrets>, now: Stamp) -> Result<bool> {
    let mut state =
        if repair.is_some() { State::open(state_file)? } else { State::open_to_read(state_file)? };
    let mut findings = Findings { wrong: 0, repaired: 0 };
    if !is_whole(state.db(), &mut findings)? {
        if repair.is_none() {
            let message = format!("the state database '{}' is damaged", state_file.display());
            let hint = "'ar log check --repair' makes it anew from what can be read, and keeps a copy of it as it is";
            return Err(Failure::new(exit::NO, message).hint(hint).into());
        }
        drop(state);
        state = made_anew(state_file, &mut findings)?;
    }
    if state.db().is_readonly(rusqlite::MAIN_DB)? {
        index_by_size(state.db(), &mut findings)?;
        sums(state.db(), false, &mut findings)?;
    } else {
        state.write(|db| {
            index(db, repair.is_some(), &mut findings)?;
            sums(db, repair.is_some(), &mut findings)
        })?;
    }
    missing(state.db(), state_file, &mut findings)?;
    if let Some(secrets) = repair {
        for run in payload::mask_all_lost(&mut state, state_file, secrets)? {
            findings.tell(&format!("run {run}: it was lost with secrets in its output"), true)?;
        }
    }
    orphans(&mut state, state_file, repair, now, &mut findings)?;
    let Findings { wrong, repaired } = findings;
    let runs: i64 = state.db().query_row("SELECT count(*) FROM run", [], |row| row.get(0))?;
    let verdict = match (wrong, repaired) {
        (0, _) => "nothing is wrong".to_owned(),
        (_, 0) => format!("problems: {wrong}"),
        _ => format!("problems: {wrong}, repaired: {repaired}"),
    };
    say(format_args!("{runs} runs, {verdict}"))?;
    state.close()?;
    Ok(wrong == repaired)
}

/// Makes the database anew, so that whatever was found in it is repaired.
fn made_anew(state_file: &Path, findings: &mut Findings) -> Result<State> {
    let copy = State::rescue(state_file)?;
    let state = State::open(state_file)?;
    findings.repaired = findings.wrong;
    let runs: i64 = state.db().query_row("SELECT count(*) FROM run", [], |row| row.get(0))?;
    say(format_args!(
        "the database: made anew with {runs} runs that could be read; as it was it is '{}'",
        copy.display()
    ))?;
    Ok(state)
}

/// Whether every page of the database can be read. Where not, nothing else that it says can be trusted.
fn is_whole(db: &Connection, findings: &mut Findings) -> Result<bool> {
    let mut pragma = db.prepare("PRAGMA integrity_check")?;
    let mut rows = pragma.query([])?;
    loop {
        match rows.next() {
            Ok(None) => return Ok(findings.wrong == 0),
            Ok(Some(row)) => {
                let line: String = row.get(0)?;
                if line != "ok" {
                    findings.tell(&format!("the database: {}", one_line(&line)), false)?;
                }
            }
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                findings.tell("the database: pages cannot be read", false)?;
                return Ok(false);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The search index against the text that it is made of.
fn index(db: &Connection, repair: bool, findings: &mut Findings) -> Result<()> {
    let command =
        |word: &str| db.execute("INSERT INTO content_words (content_words, rank) VALUES ($1, 1)", [word]);
    if command("integrity-check").is_err() {
        if repair {
            db.execute("INSERT INTO content_words (content_words) VALUES ('rebuild')", [])?;
        }
        findings.tell("the search index does not fit the text", repair)?;
    }
    let lost = "FROM content WHERE run NOT IN (SELECT id FROM run)";
    let count: i64 = db.query_row(&format!("SELECT count(*) {lost}"), [], |row| row.get(0))?;
    if count > 0 {
        if repair {
            db.execute(&format!("DELETE {lost}"), [])?;
        }
        findings.tell(&format!("{count} texts belong to no run"), repair)?;
    }
    Ok(())
}

/// The same as far as a database that cannot be written tells: the index compares itself by a command that writes.
fn index_by_size(db: &Connection, findings: &mut Findings) -> Result<()> {
    let differ = "SELECT 1 FROM content WHERE doc NOT IN (SELECT id FROM content_words_docsize) UNION ALL \
                  SELECT 1 FROM content_words_docsize WHERE id NOT IN (SELECT doc FROM content) LIMIT 1";
    if db.query_row(differ, [], |_| Ok(())).optional()?.is_some() {
        findings.tell("the search index does not fit the text", false)?;
    }
    Ok(())
}

fn sums(db: &Connection, repair: bool, findings: &mut Findings) -> Result<()> {
    let kept = "SELECT * FROM tally WHERE runs <> 0";
    let differ = format!(
        "SELECT 1 FROM (SELECT * FROM ({TALLY}) EXCEPT {kept}) UNION ALL \
         SELECT 1 FROM (SELECT * FROM ({kept}) EXCEPT {TALLY}) LIMIT 1"
    );
    if db.query_row(&differ, [], |_| Ok(())).optional()?.is_some() {
        if repair {
            db.execute("DELETE FROM tally", [])?;
            db.execute(&format!("INSERT INTO tally {TALLY}"), [])?;
        }
        findings.tell("the sums by day do not fit the runs", repair)?;
    }
    Ok(())
}

/// Runs of this machine whose files are gone. That cannot be repaired.
fn missing(db: &Connection, state_file: &Path, findings: &mut Findings) -> Result<()> {
    let sql = "SELECT id FROM run WHERE status = 'done' AND payload_bytes > 0 AND host = $1 \
               AND coalesce(files, '') <> 'elsewhere' ORDER BY id";
    let mut select = db.prepare(sql)?;
    let mut rows = select.query([host()])?;
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        if !paths::run_dir(state_file, &id).is_dir() {
            findings.tell(&format!("run {id}: its files are gone"), false)?;
        }
    }
    Ok(())
}

/// Directories without a row, and those that others can read.
fn orphans(
    state: &mut State,
    state_file: &Path,
    repair: Option<&Secrets>,
    now: Stamp,
    findings: &mut Findings,
) -> Result<()> {
    for dir in run_dirs(state_file)? {
        let Some(id) = dir.file_name().and_then(|name| name.to_str()).map(str::to_owned) else { continue };
        let mode = fs::metadata(&dir).with_context(|| format!("cannot look at '{}'", dir.display()))?;
        if mode.permissions().mode() & 0o077 != 0 {
            if repair.is_some() {
                fs::set_permissions(&dir, Permissions::from_mode(0o700))
                    .with_context(|| format!("cannot change '{}'", dir.display()))?;
            }
            findings.tell(&format!("run {id}: others can read its files"), repair.is_some())?;
        }
        let query = state.db().query_row("SELECT 1 FROM run WHERE id = $1", [&id], |_| Ok(()));
        let Some(picked_at) = began(&id).filter(|_| query.optional().is_ok_and(|row| row.is_none())) else {
            continue;
        };
        if now.0 - picked_at.0 < YOUNG_MS || is_alive(&dir) {
            continue;
        }
        if let Some(secrets) = repair {
            payload::mask(&dir, secrets)?;
            reclaim(state, &dir, &id, picked_at)?;
        }
        findings.tell(&format!("run {id}: it has files and no row"), repair.is_some())?;
    }
    Ok(())
}

/// A directory that holds something gets a row, so that it can be shown and removed; an empty one goes.
fn reclaim(state: &mut State, dir: &Path, id: &str, picked_at: Stamp) -> Result<()> {
    let bytes = crate::content::payload_bytes(dir)?;
    if bytes == 0 {
        return fs::remove_dir_all(dir).with_context(|| format!("cannot remove '{}'", dir.display()));
    }
    state.write(|db| {
        db.execute(
            "INSERT INTO run (id, call_id, attempt, status, host, picked_at, payload_bytes) \
             VALUES ($1, $1, 1, 'lost', $2, $3, $4)",
            params![id, host(), picked_at.0, i64::try_from(bytes).ok()],
        )?;
        Ok(())
    })
}

/// The time in an id (ULID): its first ten letters in base 32 after Crockford.
fn began(id: &str) -> Option<Stamp> {
    const LETTERS: &str = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
    if id.len() != 26 {
        return None;
    }
    let digits = id.chars().map(|letter| LETTERS.find(letter)).collect::<Option<Vec<_>>>()?;
    digits
        .iter()
        .take(10)
        .try_fold(0_i64, |time, digit| Some(time * 32 + i64::try_from(*digit).ok()?))
        .map(Stamp)
}

fn is_alive(dir: &Path) -> bool {
    File::open(dir.join("lock"))
        .is_ok_and(|lock| flock(&lock, FlockOperation::NonBlockingLockShared).is_err())
}

fn run_dirs(state_file: &Path) -> Result<Vec<PathBuf>> {
    let runs = state_file.with_file_name("runs");
    if !runs.exists() {
        return Ok(Vec::new());
    }
    let cannot = || format!("cannot read '{}'", runs.display());
    let entries = fs::read_dir(&runs).with_context(cannot)?;
    let mut dirs =
        entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>().with_context(cannot)?;
    dirs.retain(|dir| dir.is_dir());
    dirs.sort();
    Ok(dirs)
}

/// `ar log check --secrets`: says where secrets are, and never what they are. True where there is none in the database;
/// in the files of a run they stay as the agent was told them.
pub fn secrets(state_file: &Path, secrets: &Secrets) -> Result<bool> {
    let state = State::open_to_read(state_file)?;
    let mut clean = true;
    for (table, key, columns) in [
        ("run", "id", &["prompt", "record", "tags", "detail", "why", "session"][..]),
        ("content", "run", &["prompt", "answer"]),
        ("health", "run", &["detail"]),
        ("session", "model", &["name", "id"]),
        ("quota", "account", &["windows", "problem"]),
    ] {
        for column in columns {
            let sql = format!("SELECT {key}, {column} FROM {table} WHERE {column} IS NOT NULL");
            let mut select = state.db().prepare(&sql)?;
            let mut rows = select.query([])?;
            while let Some(row) = rows.next()? {
                if !secrets.find(&String::from_utf8_lossy(row.get_ref(1)?.as_bytes()?)).is_empty() {
                    clean = false;
                    let key_is = if key == "id" { "run" } else { key };
                    let key: String = row.get(0)?;
                    say(format_args!("database: table {table}, column {column}, {key_is} {key}"))?;
                }
            }
        }
    }
    if clean && left_behind(state_file, secrets)? {
        clean = false;
    }
    for path in beside(state_file)? {
        if in_bytes(&path, secrets)? {
            clean = false;
            say(format_args!("file: {}", path.display()))?;
        }
    }
    for dir in run_dirs(state_file)? {
        for name in FILES {
            in_file(&dir, name, secrets)?;
        }
    }
    if clean {
        say(format_args!("no secret of a known shape is in the database"))?;
    }
    Ok(clean)
}

/// Whether there are secrets in no row of the database, but in pages that are free or in its write-ahead log.
fn left_behind(state_file: &Path, secrets: &Secrets) -> Result<bool> {
    let mut log = state_file.as_os_str().to_owned();
    log.push("-wal");
    let mut found = false;
    for path in [state_file, Path::new(&log)] {
        if path.exists() && in_bytes(path, secrets)? {
            found = true;
            say(format_args!("database: what is left of removed rows in '{}'", path.display()))?;
        }
    }
    Ok(found)
}

/// What lies beside the database and may hold what it held: copies of it, and what is told of hooks.
fn beside(state_file: &Path) -> Result<Vec<PathBuf>> {
    let dir = state_file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let cannot = || format!("cannot read '{}'", dir.display());
    let own = state_file.file_name().unwrap_or_default().to_string_lossy().into_owned() + ".";
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(cannot)? {
        let entry = entry.with_context(cannot)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_ours = name.starts_with(&own) || name.starts_with("hooks.log");
        if is_ours && entry.file_type().with_context(cannot)?.is_file() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

/// Whether the bytes of a file that is no text hold a secret.
fn in_bytes(path: &Path, secrets: &Secrets) -> Result<bool> {
    let cannot = || format!("cannot read '{}'", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    let mut bytes = Vec::new();
    loop {
        // What lies across two pieces is seen in the second.
        bytes.drain(..bytes.len().saturating_sub(LONGEST_SECRET));
        let read = Read::take(&mut file, PIECE_BYTES).read_to_end(&mut bytes).with_context(cannot)?;
        if read == 0 {
            return Ok(false);
        }
        if !secrets.find(&String::from_utf8_lossy(&bytes)).is_empty() {
            return Ok(true);
        }
    }
}

/// Line by line, so that a file of any size takes the memory of its longest line.
fn in_file(dir: &Path, name: &str, secrets: &Secrets) -> Result<()> {
    let Some(file) = payload::find(dir, name)? else { return Ok(()) };
    let path = dir.join(name);
    for (index, line) in BufReader::new(file).split(b'\n').enumerate() {
        let line = line.with_context(|| format!("cannot read '{}'", path.display()))?;
        if !secrets.find(&String::from_utf8_lossy(&line)).is_empty() {
            say(format_args!("file: {}:{}", path.display(), index + 1))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_when_its_run_began() {
        assert_eq!(
            began("01KAG1B0000000000000000001"),
            Some(Stamp::parse("2025-11-20T07:05:54.944Z").unwrap())
        );
        for id in ["", "x", "01KAG1B000000000000000000U", "prompt"] {
            assert_eq!(began(id), None, "{id}");
        }
    }
}
