//! Removing runs: on demand, and a little at a time after each store.

use crate::content::payload_bytes;
use crate::payload::remove_dir;
use crate::select::find;
use anyhow::Result;
use ar_core::config::Config;
use ar_core::state::{State, is_full};
use ar_core::{Failure, Stamp, paths};
use rusqlite::Connection;
use std::io::{Write, stdout};
use std::path::Path;

/// How many runs one store removes at most, so that no call waits for a great cleaning.
const A_LITTLE: u64 = 16;
/// The limits on runs and bytes need sums; one store in so many looks at them.
const SELDOM: u64 = 8;
/// How many runs are removed in one transaction, so that others get in between.
const BATCH: u64 = 256;

/// What may stay. Where nothing is set, all of it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Limits {
    pub not_before: Option<Stamp>,
    pub runs: Option<u64>,
    pub bytes: Option<u64>,
}

/// The limits of the configuration, applied to the oldest few runs.
pub fn a_little(state: &mut State, state_file: &Path, run: &str, config: &Config, now: Stamp) -> Result<()> {
    const DAY_MS: i64 = 86_400_000;
    let before = |days: u32| Stamp(now.0.saturating_sub(i64::from(days).saturating_mul(DAY_MS)));
    let mut limits = Limits { not_before: config.log_keep_days.map(before), ..Limits::default() };
    // The random end of an id makes all stores together look regularly.
    let number = run.bytes().last().map_or(0, u64::from);
    if number.is_multiple_of(SELDOM) {
        limits.runs = config.log_keep_runs;
        limits.bytes = config.log_keep_bytes;
    }
    if limits == Limits::default() {
        return Ok(());
    }
    let doomed = doomed(state.db(), limits, A_LITTLE)?;
    if doomed.is_empty() {
        return Ok(());
    }
    remove_files(state_file, &doomed)?;
    remove_rows(state, &doomed)
}

/// `ar log prune`.
pub fn prune(state_file: &Path, limits: Limits, dry_run: bool) -> Result<()> {
    let mut state = State::open(state_file)?;
    let doomed = doomed(state.db(), limits, u64::MAX)?;
    let mut bytes = 0;
    for run in &doomed {
        bytes += payload_bytes(&paths::run_dir(state_file, run))?;
    }
    if !dry_run {
        remove_by_hand(&mut state, state_file, &doomed)?;
    }
    let word = if dry_run { "would remove" } else { "removed" };
    writeln!(stdout().lock(), "{word} {} runs with {bytes} bytes of files", doomed.len())?;
    state.close()
}

/// `ar log rm`: removes runs that are named, and all that is known of them.
pub fn rm(state_file: &Path, runs: &[String]) -> Result<()> {
    let mut state = State::open(state_file)?;
    let mut doomed = Vec::new();
    for which in runs {
        let run = find(&state, which)?;
        if run.status == "picked" {
            let failure = Failure::trouble(format!("run '{}' is not over", run.id));
            return Err(failure.hint("a run that died is marked as lost by the next call").into());
        }
        doomed.push(run.id);
    }
    remove_by_hand(&mut state, state_file, &doomed)?;
    state.close()
}

/// The oldest runs that are beyond the limits, at most so many. A run that is not over is never among them.
fn doomed(db: &Connection, limits: Limits, most: u64) -> Result<Vec<String>> {
    let (runs, bytes): (i64, i64) = match (limits.runs, limits.bytes) {
        (None, None) => (0, 0),
        _ => db.query_row(
            "SELECT coalesce(sum(runs), 0), coalesce(sum(payload_bytes), 0) FROM tally",
            [],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )?,
    };
    let over = |is: i64, limit: Option<u64>| {
        limit.map_or(0, |limit| is.saturating_sub(i64::try_from(limit).unwrap_or(i64::MAX)).max(0))
    };
    let (mut runs_over, mut bytes_over) = (over(runs, limits.runs), over(bytes, limits.bytes));
    let sql = "SELECT id, picked_at, CASE WHEN files = 'elsewhere' THEN 0 ELSE coalesce(payload_bytes, 0) END \
               FROM run WHERE status <> 'picked' ORDER BY picked_at, id";
    let mut select = db.prepare(sql)?;
    let mut rows = select.query([])?;
    let mut doomed = Vec::new();
    while let Some(row) = rows.next()? {
        let old = limits.not_before.is_some_and(|at| row.get(1).is_ok_and(|picked_at| Stamp(picked_at) < at));
        if !(old || runs_over > 0 || bytes_over > 0) || doomed.len() as u64 >= most {
            break;
        }
        doomed.push(row.get(0)?);
        runs_over -= 1;
        bytes_over -= row.get::<_, i64>(2)?;
    }
    Ok(doomed)
}

/// Removes runs at somebody's wish. On a full disk, which may be why, the files make room for the write-ahead log to be
/// emptied, and that makes room for the rows. In the end it holds nothing of what was removed.
fn remove_by_hand(state: &mut State, state_file: &Path, runs: &[String]) -> Result<()> {
    let half_done = |error: anyhow::Error| {
        if !is_full(&error) {
            return error;
        }
        let failure = Failure::trouble("the disk is full: files are removed, and not all rows of their runs");
        failure.hint("free some space and say it again").into()
    };
    for batch in runs.chunks(usize::try_from(BATCH)?) {
        remove_files(state_file, batch)?;
        state.empty_log().and_then(|()| remove_rows(state, batch)).map_err(half_done)?;
    }
    state.empty_log().map_err(half_done)
}

/// The files go first: who is killed in between leaves rows without files, which the next one removes, and not files that
/// nobody knows of.
fn remove_files(state_file: &Path, runs: &[String]) -> Result<()> {
    runs.iter().try_for_each(|run| remove_dir(&paths::run_dir(state_file, run)))
}

/// Whoever removes a run wants it gone: what it said is overwritten, in the search index too.
fn remove_rows(state: &mut State, runs: &[String]) -> Result<()> {
    state.write(|db| {
        db.execute("INSERT INTO content_words (content_words, rank) VALUES ('secure-delete', 1)", [])?;
        for run in runs {
            db.execute("DELETE FROM content WHERE run = $1", [run])?;
            db.execute("DELETE FROM run WHERE id = $1", [run])?;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_has_nothing_to_remove_writes_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let (mut state, other) = (State::open(&path).unwrap(), State::open(&path).unwrap());
        let changes = || other.db().query_row("PRAGMA data_version", [], |row| row.get::<_, i64>(0)).unwrap();
        let config = Config {
            log_keep_days: Some(1),
            log_keep_runs: Some(1),
            log_keep_bytes: Some(1),
            ..Config::default()
        };
        let before = changes();
        // The random end of the id has it look at all limits.
        a_little(&mut state, &path, "01KAG1B0000000000000000008", &config, Stamp(0)).unwrap();
        assert_eq!(changes(), before);
    }
}
