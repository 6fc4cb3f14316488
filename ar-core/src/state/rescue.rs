//! Making a damaged database anew from the rows of it that can be read.

use super::turn::Turn;
use super::{PATIENCE, connect, schema};
use crate::exit::Failure;
use anyhow::Context;
use rusqlite::backup::Backup;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, Row, params_from_iter};
use serde::de::IgnoredAny;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The tables whose rows are kept. Sums and the search index follow by their triggers, and a seed is as good as another.
const TABLES: [&str; 9] =
    ["pool", "provider", "route", "waiter", "quota", "health", "session", "run", "content"];
/// Columns of JSON, which whoever reads them relies on.
const JSON: [&str; 5] = ["record", "tags", "why", "watch", "windows"];
/// How often it is read anew because somebody wrote meanwhile.
const TRIES: usize = 5;
/// Rows are numbered from 1 without great gaps; what is beyond this comes from a damaged page.
const LAST_ROW: i64 = 1 << 40;

/// Makes a database anew, in its place, from what can be read of it, and gives the path of a copy of the damaged one.
///
/// Those who have it open see the new content. Who wants to write meanwhile waits. It is an error where not even the
/// first page can be read; nothing is changed then.
pub(super) fn rescue(path: &Path) -> anyhow::Result<PathBuf> {
    let _turn = Turn::wait(path, PATIENCE).ok_or_else(|| {
        Failure::trouble(format!("'{}' is being written by another process", path.display()))
    })?;
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut damaged = Connection::open_with_flags(path, flags)?;
    damaged.busy_timeout(PATIENCE)?;
    let version = schema::version(&damaged)?;
    if version != schema::CURRENT {
        anyhow::bail!("it has schema {version}, and only one of schema {} can be made anew", schema::CURRENT);
    }
    let copy = keep(&damaged, path)?;
    let witness = Connection::open_with_flags(path, flags)?;
    let unfinished = beside(path, ".rescued");
    let mut again = || {
        remove(&unfinished)?;
        damaged.execute_batch("BEGIN IMMEDIATE")?;
        let before = changes(&witness)?;
        let new = make(&damaged, &unfinished)?;
        damaged.execute_batch("ROLLBACK")?;
        put_back(&new, &mut damaged, || Ok(changes(&witness)? == before))
    };
    let mut made = again();
    for _ in 1..TRIES {
        if matches!(made, Ok(false)) {
            made = again();
        }
    }
    // It is in its place, or there is an error, which is told either way.
    let _ = remove(&unfinished);
    if !matches!(made, Ok(true)) {
        // The database is as it was, so its copy only takes room of a disk that may be full. The error is told either way.
        let _ = remove(&copy);
    }
    if made? {
        return Ok(copy);
    }
    Err(Failure::trouble(format!("'{}' is being written by other processes", path.display())).into())
}

/// A number that changes with each transaction of another connection.
fn changes(witness: &Connection) -> anyhow::Result<i64> {
    Ok(witness.query_row("PRAGMA data_version", [], |row| row.get(0))?)
}

/// Writes what can be read of each table into a new database.
fn make(damaged: &Connection, to: &Path) -> anyhow::Result<Connection> {
    drop(crate::paths::create_private_file(to)?);
    let mut new = connect(to)?;
    let transaction = new.transaction()?;
    for table in TABLES {
        copy_table(damaged, &transaction, table)?;
    }
    transaction.execute("DELETE FROM content WHERE run NOT IN (SELECT id FROM run)", [])?;
    transaction.commit()?;
    Ok(new)
}

/// Overwrites the damaged database, by SQLite's own locks and log, so that nobody reads half of each. False, and it stays
/// as it is, where it is no longer as it was read: the lock cannot be held from reading to writing, and who waited for it
/// may have stored a run in between.
fn put_back(
    new: &Connection,
    damaged: &mut Connection,
    is_as_read: impl FnOnce() -> anyhow::Result<bool>,
) -> anyhow::Result<bool> {
    let backup = Backup::new(new, damaged)?;
    // No page is copied yet, but the lock is held from here on.
    backup.step(0)?;
    if !is_as_read()? {
        return Ok(false);
    }
    backup.run_to_completion(1000, Duration::ZERO, None)?;
    Ok(true)
}

fn copy_table(damaged: &Connection, new: &Connection, table: &str) -> anyhow::Result<()> {
    let columns: Vec<(String, bool)> = new
        .prepare("SELECT name, type LIKE '%INT%' FROM pragma_table_info($1)")?
        .query_map([table], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<rusqlite::Result<_>>()?;
    let names = columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let places = (1..=columns.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let mut insert = new.prepare(&format!("INSERT OR IGNORE INTO {table} ({names}) VALUES ({places})"))?;
    let mut from = 1;
    loop {
        let end = copy_rows(damaged, (table, &names), &columns, &mut from, &mut |row| {
            insert.execute(params_from_iter(row))?;
            Ok(())
        })?;
        if end {
            return Ok(());
        }
        match beyond(damaged, table, from) {
            Some(next) => from = next,
            None => return Ok(()),
        }
    }
}

type Values = Vec<rusqlite::types::Value>;

/// Copies rows up to the end of the table, true, or up to a page that cannot be read.
fn copy_rows(
    damaged: &Connection,
    (table, names): (&str, &str),
    columns: &[(String, bool)],
    from: &mut i64,
    insert: &mut dyn FnMut(Values) -> anyhow::Result<()>,
) -> anyhow::Result<bool> {
    let sql = format!("SELECT rowid, {names} FROM {table} WHERE rowid >= $1 ORDER BY rowid");
    let mut select = damaged.prepare(&sql)?;
    let mut rows = select.query([*from])?;
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(true),
            Err(_) => return Ok(false),
        };
        let Ok(number) = row.get::<_, i64>(0) else { return Ok(false) };
        if number < *from || number > LAST_ROW {
            return Ok(false);
        }
        *from = number + 1;
        if let Some(values) = values(row, columns) {
            insert(values)?;
        }
    }
}

/// The columns of a row, unless one of them holds what it never does: a damaged page may still be taken for a whole one.
fn values(row: &Row, columns: &[(String, bool)]) -> Option<Values> {
    columns
        .iter()
        .enumerate()
        .map(|(index, (name, is_number))| match row.get_ref(index + 1).ok()? {
            ValueRef::Null => Some(rusqlite::types::Value::Null),
            ValueRef::Integer(number) if *is_number => Some(number.into()),
            ValueRef::Text(bytes) if !is_number => {
                let is_whole =
                    !JSON.contains(&name.as_str()) || serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
                Some(str::from_utf8(bytes).ok().filter(|_| is_whole)?.to_owned().into())
            }
            _ => None,
        })
        .collect()
}

/// The number of the next row, from a row on that is on a page that cannot be read. None where there is no such row.
///
/// It is looked for by its own number and upwards: from any lower one, the search ends on the damaged page.
fn beyond(damaged: &Connection, table: &str, from: i64) -> Option<i64> {
    let sql = format!("SELECT rowid FROM {table} WHERE rowid >= $1 ORDER BY rowid LIMIT 1");
    let mut select = damaged.prepare(&sql).ok()?;
    let mut next =
        |from: i64| select.query_row([from], |row| row.get::<_, i64>(0)).ok().filter(|row| *row >= from);
    let (mut bad, mut good) = (from, from + 1);
    while next(good).is_none() {
        bad = good;
        good = from + (good - from) * 2;
        if good > LAST_ROW {
            return None;
        }
    }
    while bad + 1 < good {
        let middle = bad + (good - bad) / 2;
        if next(middle).is_some() {
            good = middle;
        } else {
            bad = middle;
        }
    }
    Some(good)
}

/// Keeps the damaged file, with its log, for whoever knows more.
fn keep(damaged: &Connection, path: &Path) -> anyhow::Result<PathBuf> {
    damaged.execute_batch("BEGIN IMMEDIATE")?;
    let copy = copy_files(path)?;
    damaged.execute_batch("ROLLBACK")?;
    Ok(copy)
}

fn copy_files(path: &Path) -> anyhow::Result<PathBuf> {
    let copy = (1..1000)
        .map(|number| beside(path, &format!(".damaged-{number}")))
        .find(|copy| !copy.exists())
        .context("there is no name left for a copy")?;
    for end in ["-wal", ""] {
        let (from, to) = (beside(path, end), beside(&copy, end));
        let cannot = || format!("cannot copy '{}' to '{}'", from.display(), to.display());
        if fs::metadata(&from).is_ok_and(|file| file.len() == 0) || !from.exists() {
            continue;
        }
        drop(crate::paths::create_private_file(&to)?);
        fs::copy(&from, &to)
            .inspect_err(|_| {
                // Half a copy helps nobody; the error is told either way.
                let _ = remove(&to);
            })
            .with_context(cannot)?;
    }
    Ok(copy)
}

fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    PathBuf::from(name)
}

/// Removes a database of ours, if it is there.
fn remove(path: &Path) -> anyhow::Result<()> {
    for end in ["", "-wal", "-shm"] {
        match fs::remove_file(beside(path, end)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove '{}'", path.display()));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use std::io::{Seek, SeekFrom, Write};

    fn spoil(path: &Path, page: i64) {
        let mut file = fs::OpenOptions::new().write(true).open(path).unwrap();
        file.seek(SeekFrom::Start((u64::try_from(page).unwrap() - 1) * 4096)).unwrap();
        file.write_all(&[0x5a; 4096]).unwrap();
    }

    fn count(db: &Connection, what: &str) -> i64 {
        db.query_row(&format!("SELECT count(*) FROM {what}"), [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn what_is_stored_meanwhile_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let state = State::open(&path).unwrap();
        let new = Connection::open_in_memory().unwrap();
        new.execute_batch("CREATE TABLE t (x)").unwrap();
        let mut damaged = Connection::open(&path).unwrap();
        let pool = |model: &str| format!("INSERT INTO pool VALUES ('{model}', 1, 1)");
        let before = changes(&damaged).unwrap();
        state.db().execute_batch(&pool("a")).unwrap();
        let witness = Connection::open(&path).unwrap();
        let asked = changes(&witness).unwrap();
        state.db().execute_batch(&pool("b")).unwrap();
        assert_ne!(changes(&damaged).unwrap(), before);
        assert!(!put_back(&new, &mut damaged, || Ok(changes(&witness)? == asked)).unwrap());
        assert_eq!(count(state.db(), "pool"), 2);
        // The lock is held when that is asked.
        let other = || {
            state.db().busy_timeout(Duration::ZERO)?;
            assert!(state.db().execute_batch(&pool("c")).is_err());
            Ok(false)
        };
        put_back(&new, &mut damaged, other).unwrap();
        state.db().execute_batch(&pool("d")).unwrap();
    }

    #[test]
    fn all_but_the_rows_of_damaged_pages_is_kept_and_whoever_has_it_open_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let state = State::open(&path).unwrap();
        for n in 0..500 {
            let text = format!("words of number {n} {}", "x".repeat(200));
            let id = format!("01KAG1B{n:019}");
            let db = state.db();
            db.execute("INSERT INTO run (id, call_id, attempt, status, picked_at, prompt) VALUES ($1, $1, 1, 'done', 1, $2)", [&id, &text]).unwrap();
            db.execute(
                "INSERT INTO content (doc, run, prompt, answer) VALUES ($1, $2, $3, '')",
                (n, &id, &text),
            )
            .unwrap();
        }
        state.db().execute("INSERT INTO session VALUES ('s', 'm', 'p', 'id', 7)", []).unwrap();
        super::super::checkpoint(state.db()).unwrap();
        let pages = |table: &str| -> Vec<i64> {
            let sql = "SELECT pageno FROM dbstat WHERE name = $1 AND pagetype = 'leaf' ORDER BY pageno";
            let mut select = state.db().prepare(sql).unwrap();
            select.query_map([table], |row| row.get(0)).unwrap().collect::<rusqlite::Result<_>>().unwrap()
        };
        let (runs, texts, index) = (pages("run"), pages("content"), pages("run_by_call"));
        for page in [runs[3], runs[4], runs[9], texts[5], index[1]] {
            spoil(&path, page);
        }
        let other = State::open(&path).unwrap();
        let copy = rescue(&path).unwrap();
        assert_eq!(copy, dir.path().join("state.db.damaged-1"));
        let left = count(other.db(), "run");
        assert!((400..500).contains(&left), "{left}");
        for what in ["run NOT INDEXED", "tally WHERE runs = 0 OR runs > 500", "session", "content"] {
            let expected = match what {
                "session" => 1..=1,
                "content" => 350..=left,
                "run NOT INDEXED" => left..=left,
                _ => 0..=0,
            };
            assert!(expected.contains(&count(other.db(), what)), "{what}");
        }
        let whole: String = other.db().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
        assert_eq!(whole, "ok");
        assert_eq!(rescue(&path).unwrap(), dir.path().join("state.db.damaged-2"));
        assert_eq!(count(other.db(), "run"), left);
    }
}
