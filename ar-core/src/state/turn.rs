//! Turns: many processes that want to write at once stand in line, instead of asking again and again.
//!
//! SQLite's own lock has no line. Whoever finds it taken asks again after a pause, so that the database is idle while
//! all are asleep, and some processes of a crowd come late by chance. A lock of the directory has a line in the kernel.
//! It is a courtesy: nothing depends on it but the order, and who has waited for long goes on without it.

use rustix::fs::{FlockOperation, flock};
use std::fs::File;
use std::path::Path;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// How long a turn is waited for. One who holds it for longer is stopped, or works on something big.
const PATIENCE: Duration = Duration::from_secs(2);

/// A turn to write, over when it is dropped.
#[derive(Debug)]
pub(super) struct Turn {
    /// Whether somebody else had the turn before.
    pub has_waited: bool,
    _lock: Option<File>,
}

impl Turn {
    /// Waits for the turn to do what nobody else must do at the same time. None where it does not come.
    pub fn wait(database: &Path, patience: Duration) -> Option<Self> {
        let lock = database.parent().and_then(|dir| File::open(dir).ok())?;
        let start = Instant::now();
        while flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            if start.elapsed() >= patience {
                return None;
            }
            thread::sleep(Duration::from_millis(10));
        }
        Some(Self { has_waited: true, _lock: Some(lock) })
    }

    /// Waits for the turn to write to a database.
    pub fn take(database: &Path) -> Self {
        let Some(lock) = database.parent().and_then(|dir| File::open(dir).ok()) else {
            return Self { has_waited: false, _lock: None };
        };
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok() {
            return Self { has_waited: false, _lock: Some(lock) };
        }
        let (done, turn) = channel();
        // flock(2) knows no time limit. The thread ends with its turn, with the process at the latest.
        let wait = move || {
            let locked = flock(&lock, FlockOperation::LockExclusive).map(|()| lock);
            // Nobody listens any more if it took too long; the lock ends here then.
            let _ = done.send(locked);
        };
        // Where there can be no thread there is no line: its end of the channel is dropped, and the wait is over.
        let _ = thread::Builder::new().spawn(wait);
        Self { has_waited: true, _lock: turn.recv_timeout(PATIENCE).ok().and_then(Result::ok) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_taken(dir: &Path) -> bool {
        flock(File::open(dir).unwrap(), FlockOperation::NonBlockingLockExclusive).is_err()
    }

    #[test]
    fn turns_follow_each_other_and_one_that_never_ends_is_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let database = dir.path().join("state.db");
        let first = Turn::take(&database);
        assert!(!first.has_waited && is_taken(dir.path()));
        let other = database.clone();
        let second = thread::spawn(move || Turn::take(&other));
        drop(first);
        let second = second.join().unwrap();
        assert!(is_taken(dir.path()));
        assert!(Turn::take(&database).has_waited);
        assert!(Turn::wait(&database, Duration::from_millis(20)).is_none());
        drop(second);
        // A child that another test is starting may have a copy of the lock for a moment.
        assert!(Turn::wait(&database, PATIENCE).is_some());
    }
}
