//! Runs whose ar-exec is gone: their leases end here, and so does what it left behind.

use anyhow::Result;
use ar_core::Stamp;
use ar_core::processes;
use ar_core::state::host;
use rusqlite::{Connection, params};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::time::Duration;

/// How long a finished run may take to reach ar-log. Measured by the file system's clock, for a process lives in real time.
const STORING: Duration = Duration::from_secs(1);
/// How long a pick may wait for its ar-exec. Too short a time would let one run more live than may, on a machine that is
/// slow to start it.
const STARTING: Duration = Duration::from_secs(30);

const LEASES: &str = "SELECT id, picked_at, lease_until, host FROM run WHERE status = 'picked'";

/// The reserved runs of this host whose ar-exec is gone, and those of any host whose lease is over. What such a run has
/// left behind on this host is killed.
///
/// A run that is taken for dead too early costs nothing: ar-log stores over the mark.
pub fn dead_runs(db: &Connection, runs: &Path, now: Stamp) -> Result<Vec<String>> {
    let mut select = db.prepare(LEASES)?;
    let mut rows = select.query([])?;
    let here = host();
    let mut dead = Vec::new();
    while let Some(row) = rows.next()? {
        let id: String = row.get(0)?;
        let (picked_at, lease_until) = (Stamp(row.get(1)?), Stamp(row.get(2)?));
        let is_here = row.get::<_, String>(3)? == here;
        let gone = match life(&runs.join(&id)) {
            _ if !is_here => now >= lease_until,
            Life::Running => false,
            Life::Storing => now >= lease_until,
            Life::Over => true,
            // A pick in the future was made before the clock was set back.
            Life::NotStarted => now.since(picked_at) > STARTING || picked_at.since(now) > STARTING,
        };
        if gone {
            if is_here {
                // Where processes cannot be listed, a pick is still a pick.
                let _ = processes::kill_remains(&id);
            }
            dead.push(id);
        }
    }
    Ok(dead)
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
        Err(_) => return Life::NotStarted,
        Ok(true) => return Life::Storing,
        Ok(false) => {}
    }
    let Ok(lock) = File::open(dir.join("lock")) else { return Life::NotStarted };
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => Life::Over,
        // A lock that cannot be asked is as good as held.
        Err(_) => Life::Running,
    }
}

fn touched_lately(dir: &Path) -> io::Result<bool> {
    let touched = fs::metadata(dir)?.modified()?;
    // A time in the future counts as now.
    Ok(touched.elapsed().map_or(true, |age| age < STORING))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ar_core::state::State;

    #[test]
    fn leases_are_found_without_reading_the_history() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let plan = format!("EXPLAIN QUERY PLAN {LEASES}");
        let steps: String = state.db().query_row(&plan, [], |row| row.get(3)).unwrap();
        assert_eq!(steps, "SCAN run USING INDEX run_live");
    }
}
