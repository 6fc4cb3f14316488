//! What is wrong with the state: the database, and where it lies.

use super::Finding;
use ar_core::config::Model;
use ar_core::state::State;
use ar_core::{Failure, Stamp};
use rusqlite::Connection;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Below this much free space runs are about to fail, in bytes.
const LITTLE: u64 = 512 << 20;
/// Below this much they fail, in bytes.
const NOTHING: u64 = 16 << 20;
/// How far ahead of us another clock may be.
const SKEW: Duration = Duration::from_mins(5);
/// A write-ahead log above this size is one that nobody moves into the database, in bytes.
const WAL: u64 = 16 << 20;

/// What sets the clock by others.
const SET_CLOCK: &str = if cfg!(target_os = "macos") {
    "sudo systemsetup -setusingnetworktime on"
} else {
    "timedatectl set-ntp true"
};

/// Everything about the state. A database that does not exist yet is none to worry about.
pub fn findings(file: &Path, models: &[Model], now: Stamp) -> Vec<Finding> {
    let mut findings: Vec<Finding> = place(file).into_iter().collect();
    findings.extend(file_system(file));
    let Ok(found) = file.symlink_metadata() else {
        if beside(file, "-wal").is_file() {
            let what = format!("'{}' lies there without its database", beside(file, "-wal").display());
            let fix = format!("rm '{}'", beside(file, "-wal").display());
            findings.push(Finding::warning("state", what, "a new database would take it for its own", fix));
        }
        return findings;
    };
    if found.is_symlink() && !file.exists() {
        let what = format!("the state database '{}' is a symbolic link that leads nowhere", file.display());
        findings.push(Finding::error(
            "state",
            what,
            "no run can be picked or stored",
            format!("rm '{}'", file.display()),
        ));
        return findings;
    }
    if file.is_dir() {
        let what = format!("the state database '{}' is a directory", file.display());
        let fix = format!("name a file with AGENT_RUNNER_STATE, or rmdir '{}'", file.display());
        findings.push(Finding::error("state", what, "no run can be picked or stored", fix));
        return findings;
    }
    if found.len() == 0 && found.is_file() {
        let what = format!("the state database '{}' is empty", file.display());
        let why = "its history is gone; the next run makes a new one";
        let fix = format!("put a copy that 'ar log backup' made in its place, or rm '{}'", file.display());
        findings.push(Finding::warning("state", what, why, fix));
        return findings;
    }
    match database(file, models, now) {
        Ok(found) => findings.extend(found),
        Err(error) => {
            let failure = Failure::of(&error);
            let fix = failure.hint.unwrap_or_else(|| format!("mv '{0}' '{0}.damaged'", file.display()));
            findings.push(Finding::error("state", failure.message, "no run can be picked or stored", fix));
        }
    }
    findings
}

/// Whether a database could be made there, or its log be written.
fn place(file: &Path) -> Option<Finding> {
    let dir = file.ancestors().skip(1).find(|dir| dir.symlink_metadata().is_ok())?;
    let dir = if dir.as_os_str().is_empty() { Path::new(".") } else { dir };
    let shown = dir.display();
    let error =
        |what, fix| Some(Finding::error("state_not_writable", what, "no run can be picked or stored", fix));
    if !dir.is_dir() {
        return error(format!("'{shown}' is no directory"), format!("mv '{shown}' '{shown}.old'"));
    }
    // root may do everything, and only a trial tells what a file system allows.
    tempfile::tempfile_in(dir).err().map(|why| {
        let what = format!("no file can be made in '{shown}': {why}");
        let fix = format!("chmod u+rwx '{shown}', or name another place with AGENT_RUNNER_STATE");
        Finding::error("state_not_writable", what, "no run can be picked or stored", fix)
    })
}

fn beside(file: &Path, end: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

fn database(file: &Path, models: &[Model], now: Stamp) -> anyhow::Result<Vec<Finding>> {
    let log = beside(file, "-wal").metadata().map_or(0, |found| found.len());
    let state = State::open(file)?;
    let db = state.db();
    let mut findings = Vec::new();
    if log > WAL {
        let what = format!("'{}' has grown to {} MiB", beside(file, "-wal").display(), log >> 20);
        let why = "a program that holds the database open keeps it from being moved there";
        findings.push(Finding::warning(
            "state",
            what,
            why,
            format!("end what this names: fuser '{}'", file.display()),
        ));
    }
    let sound: String = db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound != "ok" {
        findings.push(Finding::error(
            "state",
            format!("the state database '{}' is damaged: {sound}", file.display()),
            "counts and history may be wrong",
            format!("mv '{0}' '{0}.damaged'", file.display()),
        ));
    }
    let limit = now.plus(SKEW);
    let ahead: i64 =
        db.query_row("SELECT count(*) FROM run WHERE picked_at > $1", [limit.0], |row| row.get(0))?;
    let rests: i64 =
        db.query_row("SELECT count(*) FROM health WHERE opened_at > $1", [limit.0], |row| row.get(0))?;
    for (count, what) in [
        (rests, format!("{rests} cooldowns began in the future")),
        (ahead, format!("the log holds {ahead} runs of the future")),
    ] {
        if count > 0 {
            let why = "this clock is behind, or another that wrote there was ahead; cooldowns end at the wrong time";
            findings.push(Finding::warning("clock_skew", what, why, SET_CLOCK));
        }
    }
    findings.extend(incomplete(db, file)?);
    findings.extend(stopped(&state, models, now)?);
    findings.extend(quotas(db)?);
    state.close()?;
    Ok(findings)
}

/// Tables, indices and triggers that a new database has and this one has not.
fn incomplete(db: &Connection, file: &Path) -> anyhow::Result<Option<Finding>> {
    let scratch = tempfile::tempdir()?;
    let whole = State::open(&scratch.path().join("state.db"))?;
    let (wanted, found) = (names(whole.db())?, names(db)?);
    let missing: Vec<&str> = wanted.difference(&found).map(String::as_str).collect();
    Ok((!missing.is_empty()).then(|| {
        let what = format!("the state database '{}' lacks {}", file.display(), missing.join(", "));
        let fix = format!("mv '{0}' '{0}.damaged'", file.display());
        Finding::error("state", what, "picks are slow or fail, and sums are wrong", fix)
    }))
}

fn names(db: &Connection) -> anyhow::Result<BTreeSet<String>> {
    let mut select =
        db.prepare("SELECT type || ' ' || name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")?;
    let names = select.query_map([], |row| row.get(0))?;
    Ok(names.collect::<Result<_, _>>()?)
}

/// Accounts whose `quota_command` failed when it was asked last.
fn quotas(db: &Connection) -> anyhow::Result<Vec<Finding>> {
    let mut select =
        db.prepare("SELECT account, problem FROM quota WHERE problem IS NOT NULL ORDER BY account")?;
    let rows = select.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut findings = Vec::new();
    for row in rows {
        let (account, problem) = row?;
        findings.push(Finding::warning(
            "quota_command",
            format!("'quota_command' of the account '{account}' tells nothing: {problem}"),
            "picks go to an account whose quota is used up",
            format!("run it by hand, or ar setup set --unset accounts.{account}.quota_command"),
        ));
    }
    Ok(findings)
}

/// Providers that cool until a person acts.
fn stopped(state: &State, models: &[Model], now: Stamp) -> anyhow::Result<Vec<Finding>> {
    let mut statement = state.db().prepare(
        "SELECT account, class FROM health WHERE retry_at > $1 AND class IN ('auth_expired', 'cli_version_mismatch') ORDER BY account",
    )?;
    let rows =
        statement.query_map([now.0], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
    let mut findings = Vec::new();
    for row in rows {
        let (account, class) = row?;
        let users =
            models.iter().flat_map(|model| model.providers.iter().map(move |provider| (model, provider)));
        let Some((model, provider)) = users.into_iter().find(|(_, provider)| provider.account == account)
        else {
            // A provider that is configured no more stops nobody.
            continue;
        };
        findings.push(Finding::warning(
            "stopped",
            format!("account '{account}' is left out because of {class}"),
            "nobody uses it until it is mended, and it is asked again only now and then",
            format!(
                "ar setup test {0} --provider {1} tells more; ar pick -m {0} --reset {1} once it is mended",
                model.name, provider.name
            ),
        ));
    }
    Ok(findings)
}

fn file_system(file: &Path) -> Vec<Finding> {
    let Some(place) = file.ancestors().skip(1).find(|dir| dir.is_dir()) else { return Vec::new() };
    let mut findings = Vec::new();
    // A file system without blocks, such as /proc, has no room to tell of.
    if let Ok(found) = rustix::fs::statvfs(place)
        && found.f_blocks > 0
    {
        findings.extend(space(place, found.f_bavail.saturating_mul(found.f_frsize)));
        if found.f_files > 0 && found.f_favail < 1000 {
            let what = format!("only {} files can be made below '{}'", found.f_favail, place.display());
            findings.push(Finding::warning(
                "disk",
                what,
                "each run makes a directory with five files",
                "delete files you do not need",
            ));
        }
    }
    if let Ok(Some(name)) = ar_core::state::network(place) {
        findings.push(Finding::error(
            "network_file_system",
            format!("'{}' lies on another machine ({name})", place.display()),
            "SQLite's write-ahead log needs memory that processes share, so the database may be damaged",
            "export AGENT_RUNNER_STATE with a file on a disk of this machine",
        ));
    }
    findings
}

fn space(place: &Path, free_bytes: u64) -> Option<Finding> {
    let what = format!("only {} MiB are free at '{}'", free_bytes >> 20, place.display());
    let why = "prompts, answers and the database need room";
    let fix = "free some space there, or name another disk with AGENT_RUNNER_STATE";
    match free_bytes {
        ..NOTHING => Some(Finding::error("disk", what, why, fix)),
        NOTHING..LITTLE => Some(Finding::warning("disk", what, why, fix)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn little_space_is_told() {
        let place = Path::new("/s");
        assert!(space(place, LITTLE).is_none());
        assert_eq!(space(place, LITTLE - 1).unwrap().severity, Severity::Warning);
        assert_eq!(space(place, 0).unwrap().severity, Severity::Error);
    }
}
