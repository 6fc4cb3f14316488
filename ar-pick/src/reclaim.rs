//! Runs whose ar-exec is gone: their leases end here, and so does what it left behind.

use anyhow::Result;
use ar_core::state::host;
use ar_core::{Stamp, loose, processes};
use rusqlite::{Connection, params};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::Duration;

/// How long a finished run may take to reach ar-log. Measured by the file system's clock, for a process lives in real time.
const STORING: Duration = Duration::from_secs(1);
/// How long a pick may wait for its ar-exec. Too short a time would let one run more live than may, on a machine that is
/// slow to start it.
const STARTING: Duration = Duration::from_secs(30);

const LEASES: &str = "SELECT id, picked_at, lease_until, host, owner FROM run WHERE status = 'picked'";

/// The reserved runs of this host whose ar-exec is gone, and those of any host whose lease is over. What a run has left
/// behind on this host is killed where its lock shows that its ar-exec is dead, and for no other reason.
///
/// A run that is taken for dead too early costs nothing: ar-log stores over the mark.
pub fn dead_runs(db: &Connection, runs: &Path, now: Stamp) -> Result<Vec<String>> {
    let mut select = db.prepare(LEASES)?;
    let mut rows = select.query([])?;
    let here = host();
    let (mut dead, mut ended) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let (picked_at, lease_until) = (Stamp(row.get(1)?), Stamp(row.get(2)?));
        let is_here = row.get::<_, String>(3)? == here;
        let gone = match life(&runs.join(&id)) {
            _ if !is_here => now >= lease_until,
            // Whatever the clock says: it may have been set, and this lasts a moment only.
            Life::Running | Life::Storing => false,
            Life::Over => {
                ended.push(id.clone());
                true
            }
            // A pick in the future was made before the clock was set back. Nothing is killed: an ar-exec that never was has
            // left nothing behind, and one that was may live where its directory is not.
            Life::NotStarted => {
                let owner: Option<String> = row.get(4)?;
                let late = now.since(picked_at) > STARTING || picked_at.since(now) > STARTING;
                late || owner.as_deref().is_some_and(processes::is_gone)
            }
        };
        if gone {
            dead.push(id);
        }
    }
    kill_remains(&ended);
    loose::end(runs);
    Ok(dead)
}

/// Kills what runs have left behind that are over. All processes are looked at once, however many runs a crash has ended.
///
/// Where processes cannot be listed, a pick is still a pick.
fn kill_remains(runs: &[String]) {
    if !runs.is_empty()
        && let Ok(marked) = processes::marked(runs.iter().map(String::as_str))
    {
        for run in runs.iter().filter(|run| marked.contains(*run)) {
            let _ = processes::kill_remains(run);
        }
    }
}

/// Marks runs as lost, each exactly once whoever notices, and gives back the trials that they held.
pub fn mark_lost(db: &Connection, dead: &[String], now: Stamp) -> Result<()> {
    for id in dead {
        db.execute(
            "UPDATE run SET status = 'lost', ended_at = $1 WHERE id = $2 AND status = 'picked'",
            params![now.0, id],
        )?;
        db.execute("UPDATE health SET probe_run = NULL, probe_until = NULL WHERE probe_run = $1", [id])?;
    }
    Ok(())
}

enum Life {
    NotStarted,
    Running,
    /// It starts, runs or is being stored.
    Storing,
    Over,
}

/// What the lock in a run's directory tells: ar-exec holds it while it lives.
///
/// A directory that was touched this moment is not asked: whoever asks holds the lock for an instant, in which an
/// ar-exec that is just starting could not take it.
fn life(dir: &Path) -> Life {
    match touched_lately(dir) {
        Err(error) => return without(&error),
        Ok(true) => return Life::Storing,
        Ok(false) => {}
    }
    let lock = match File::open(dir.join("lock")) {
        Err(error) => return without(&error),
        Ok(lock) => lock,
    };
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Life::Over,
        // A lock that cannot be asked is as good as held.
        Err(_) => Life::Running,
    }
}

/// A directory or lock that is not there was not made yet; one that cannot be looked at may well be a live run's.
fn without(error: &io::Error) -> Life {
    if error.kind() == ErrorKind::NotFound { Life::NotStarted } else { Life::Running }
}

fn touched_lately(dir: &Path) -> io::Result<bool> {
    let touched = fs::metadata(dir)?.modified()?;
    // A time in the future is a small error of the clock, or one that was set back since, and then long ago.
    let age = touched.elapsed().unwrap_or_else(|ahead| ahead.duration());
    Ok(age < STORING)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ar_core::state::State;
    use std::os::unix::fs::symlink;
    use std::time::SystemTime;

    #[test]
    fn only_a_free_lock_or_a_missing_directory_tells_that_nobody_lives() {
        let dir = tempfile::tempdir().unwrap();
        let make = |name: &str| {
            let run = dir.path().join(name);
            fs::create_dir(&run).unwrap();
            let lock = File::create(run.join("lock")).unwrap();
            let long_ago = SystemTime::now() - STORING * 60;
            File::open(&run).unwrap().set_modified(long_ago).unwrap();
            (run, lock)
        };
        assert!(matches!(life(&dir.path().join("none")), Life::NotStarted));
        let (over, _) = make("over");
        assert!(matches!(life(&over), Life::Over));
        let (running, lock) = make("running");
        lock.lock().unwrap();
        assert!(matches!(life(&running), Life::Running));
        // A directory that cannot be looked at, here for want of an end, says nothing of its run.
        let odd = dir.path().join("odd");
        symlink("odd", &odd).unwrap();
        assert!(matches!(life(&odd), Life::Running));
    }

    #[test]
    fn a_clock_past_the_lease_lets_a_run_live_that_has_just_started() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let runs = dir.path().join("runs");
        for id in ["started", "waiting"] {
            state
                .db()
                .execute(
                    "INSERT INTO run (id, call_id, attempt, model, status, picked_at, lease_until, host) \
                     VALUES ($1, $1, 1, 'm', 'picked', 0, 1, $2)",
                    params![id, host()],
                )
                .unwrap();
        }
        fs::create_dir_all(runs.join("started")).unwrap();
        let lock = File::create(runs.join("started/lock")).unwrap();
        lock.lock().unwrap();
        assert_eq!(dead_runs(state.db(), &runs, Stamp(1 << 40)).unwrap(), ["waiting"]);
    }

    #[test]
    fn leases_are_found_without_reading_a_row_of_the_history() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let plan = format!("EXPLAIN QUERY PLAN {LEASES}");
        let steps: String = state.db().query_row(&plan, [], |row| row.get(3)).unwrap();
        assert_eq!(steps, "SCAN run USING COVERING INDEX run_live");
    }
}
