//! The schema: an append-only list of steps. `user_version` counts the steps that a database has seen.

use super::turn::Turn;
use crate::exit::Failure;
use crate::paths::create_private_file;
use anyhow::Context;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Steps are never changed once released, only added at the end.
///
/// Times are BIGINT milliseconds since 1970 in UTC, ids are ULIDs made by whoever inserts.
const STEPS: &[&str] = &[
    include_str!("schema/1.sql"),
    include_str!("schema/2.sql"),
    include_str!("schema/3.sql"),
    include_str!("schema/4.sql"),
];

/// The version that this program writes and the highest that it reads.
pub(super) const CURRENT: usize = STEPS.len();

/// How many steps a database has seen.
pub(super) fn version(db: &Connection) -> anyhow::Result<usize> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    usize::try_from(version).with_context(|| format!("its schema has the version {version}"))
}

/// Brings a database to [`CURRENT`].
pub(super) fn migrate(db: &mut Connection, path: &Path) -> anyhow::Result<()> {
    refuse_foreign(db, path)?;
    switch_to_wal(db)?;
    take_steps(db, path, STEPS)
}

fn take_steps(db: &mut Connection, path: &Path, steps: &[&str]) -> anyhow::Result<()> {
    let seen = version(db)?;
    if seen == 0 || seen >= steps.len() {
        return step(db, steps);
    }
    // One process copies and migrates; the others find it done when their turn comes.
    let _turn = Turn::wait(path, super::PATIENCE).ok_or_else(|| {
        let message = format!("cannot migrate the state database '{}'", path.display());
        Failure::trouble(format!("{message}: another process has been writing it for 30 seconds"))
            .hint("fuser(1) tells which process has it open")
    })?;
    let seen = version(db)?;
    if seen >= steps.len() {
        return Ok(());
    }
    let copy = keep_copy(db, path, seen)?;
    step(db, steps).inspect_err(|_| {
        // What this took of a full disk is given back: nothing has changed, so there is nothing to go back to. The error
        // is told either way.
        let _ = std::fs::remove_file(&copy);
        let _ = super::checkpoint(db);
    })
}

fn step(db: &mut Connection, steps: &[&str]) -> anyhow::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let seen = version(&transaction)?;
    for step in steps.iter().skip(seen) {
        transaction.execute_batch(step)?;
    }
    transaction.execute_batch(&format!("PRAGMA user_version = {}", steps.len()))?;
    transaction.commit()?;
    Ok(())
}

/// Copies the database to `FILE.schema-N` before it leaves schema N, so that the older program can be gone back to, and
/// gives the copy's path.
///
/// A copy that is there stays: somebody went back to the older program, or was killed before the steps were done. The
/// last such copy is `FILE.schema-N.again`.
fn keep_copy(db: &Connection, path: &Path, seen: usize) -> anyhow::Result<PathBuf> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".schema-{seen}{end}"));
        PathBuf::from(name)
    };
    let copy = if beside("").exists() { beside(".again") } else { beside("") };
    let unfinished = beside(".part");
    let cannot = || format!("cannot copy the state database to '{}' before it is migrated", copy.display());
    vacuum_into(db, &unfinished)
        .and_then(|()| Ok(std::fs::rename(&unfinished, &copy)?))
        .with_context(cannot)?;
    Ok(copy)
}

/// Writes a private copy of the database that survives a loss of power. What cannot be finished is removed.
pub(super) fn vacuum_into(db: &Connection, to: &Path) -> anyhow::Result<()> {
    // SQLite writes into an empty file, and this one nobody else can read.
    let file = create_private_file(to)?;
    let written = to
        .to_str()
        .context("its path is not UTF-8")
        .and_then(|name| Ok(db.execute("VACUUM INTO $1", [name])?))
        .and_then(|_| Ok(file.sync_all()?));
    if written.is_err() {
        // The error is told either way.
        let _ = std::fs::remove_file(to);
    }
    written
}

fn refuse_foreign(db: &Connection, path: &Path) -> anyhow::Result<()> {
    let seen = version(db)?;
    if seen > CURRENT {
        let message = format!(
            "cannot use the state database '{}': it has schema {seen}, and {CURRENT} is the highest known here",
            path.display()
        );
        return Err(Failure::trouble(message)
            .hint("use the newer release of the agent runner that wrote it")
            .into());
    }
    // Between the two questions another process may have created our tables.
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if seen == 0 && tables > 0 && version(db)? == 0 {
        let message =
            format!("cannot use the state database '{}': it belongs to another program", path.display());
        return Err(Failure::trouble(message).hint("name another file with --state").into());
    }
    Ok(())
}

/// SQLite does not ask the busy handler while it changes the journal mode, so simultaneous first starts wait here.
fn switch_to_wal(db: &Connection) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let mode = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => anyhow::bail!("its journal cannot be switched from '{mode}' to a write-ahead log"),
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && start.elapsed() < super::PATIENCE =>
            {
                sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_database_is_copied_before_it_is_migrated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let copy = dir.path().join("state.db.schema-1");
        let mut db = Connection::open(&path).unwrap();
        let old = ["CREATE TABLE t (a)"];
        take_steps(&mut db, &path, &old).unwrap();
        assert!(!copy.exists());
        db.execute_batch("INSERT INTO t VALUES (7)").unwrap();
        // What cannot be done leaves nothing behind; the remains of one that was killed are no obstacle.
        std::fs::write(dir.path().join("state.db.schema-1.part"), "half").unwrap();
        assert!(take_steps(&mut db, &path, &[old[0], "CREATE TABLE t (b)"]).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        for _ in 0..2 {
            take_steps(&mut db, &path, &[old[0], "ALTER TABLE t ADD COLUMN b"]).unwrap();
        }
        let sum = "SELECT sum(a) FROM t";
        let copied = Connection::open(&copy).unwrap();
        assert_eq!(version(&copied).unwrap(), 1);
        assert_eq!(copied.query_row(sum, [], |row| row.get::<_, i64>(0)).unwrap(), 7);
        assert_eq!(version(&db).unwrap(), 2);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
    #[test]
    fn a_copy_is_not_written_over_when_somebody_went_back_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let steps = ["CREATE TABLE t (a)", "ALTER TABLE t ADD COLUMN b"];
        for (number, _) in (1_i64..).zip(0..3) {
            let mut db = Connection::open(&path).unwrap();
            take_steps(&mut db, &path, &steps[..1]).unwrap();
            db.execute("INSERT INTO t VALUES ($1)", [number]).unwrap();
            take_steps(&mut db, &path, &steps).unwrap();
            db.close().unwrap();
            std::fs::remove_file(&path).unwrap();
        }
        let in_copy = |name: &str| {
            let copy = Connection::open(dir.path().join(name)).unwrap();
            copy.query_row("SELECT a FROM t", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!((in_copy("state.db.schema-1"), in_copy("state.db.schema-1.again")), (1, 3));
    }
}
