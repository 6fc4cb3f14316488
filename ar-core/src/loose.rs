//! Runs with processes of which no reservation tells: commands by hand, and runs that are over while something of them
//! lingers. The name of each lies in `loose/` beside `runs/`, for as long as it has one who looks after it, so that
//! whoever comes next can end it where those were killed.

use crate::paths::{create_private_dir, create_private_file};
use crate::processes;
use crate::record::is_id;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Notes a run, whose directory's lock is held, by that directory. One that lies elsewhere is not noted.
pub fn note(run_dir: &Path) -> anyhow::Result<()> {
    if let Some(name) = name(run_dir) {
        name.parent().map_or(Ok(()), create_private_dir)?;
        create_private_file(&name)?;
    }
    Ok(())
}

/// Forgets a run, of which nothing is left. A name that stays is found to mean nothing by whoever comes next.
pub fn forget(run_dir: &Path) {
    if let Some(name) = name(run_dir) {
        let _ = fs::remove_file(name);
    }
}

/// Ends what lives of the noted runs in a directory of runs that nobody looks after any more. Where processes cannot be
/// listed, the names stay.
pub fn end(runs: &Path) {
    let Ok(names) = fs::read_dir(beside(runs)) else { return };
    for name in names.flatten() {
        let file_name = name.file_name();
        let Some(run) = file_name.to_str().filter(|run| is_id(run)) else { continue };
        if is_free(&runs.join(run)) && processes::kill_remains(run).is_ok() {
            forget(&runs.join(run));
        }
    }
}

/// Whether nobody holds the lock of a run's directory. One that cannot be asked is as good as held.
fn is_free(run_dir: &Path) -> bool {
    match File::open(run_dir.join("lock")) {
        Ok(lock) => lock.try_lock_shared().is_ok(),
        Err(error) => error.kind() == ErrorKind::NotFound,
    }
}

fn name(run_dir: &Path) -> Option<PathBuf> {
    let runs = run_dir.parent().filter(|runs| runs.ends_with("runs"))?;
    run_dir
        .file_name()
        .and_then(|run| run.to_str())
        .filter(|run| is_id(run))
        .map(|run| beside(runs).join(run))
}

fn beside(runs: &Path) -> PathBuf {
    // With a directory's own slash the last component would be an empty one.
    runs.components().as_path().with_file_name("loose")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::processes::RUN_VARIABLE;

    const RUN: &str = "01K9ZXW6N7Q8R9S0T1V2W3X4YA";

    #[test]
    fn a_noted_run_is_ended_once_its_lock_is_free() {
        let dir = tempfile::tempdir().unwrap();
        let run_dir = dir.path().join("runs").join(RUN);
        fs::create_dir_all(&run_dir).unwrap();
        let lock = File::create(run_dir.join("lock")).unwrap();
        lock.lock().unwrap();
        note(&run_dir).unwrap();
        let mut child = std::process::Command::new("sleep").arg("60").env(RUN_VARIABLE, RUN).spawn().unwrap();
        while !processes::marked([]).unwrap().contains(RUN) {}
        end(&dir.path().join("runs/"));
        assert!(child.try_wait().unwrap().is_none());
        lock.unlock().unwrap();
        end(&dir.path().join("runs/"));
        assert!(!child.wait().unwrap().success());
        assert_eq!(fs::read_dir(dir.path().join("loose")).unwrap().count(), 0);
    }

    #[test]
    fn only_directories_among_the_runs_are_noted() {
        let dir = tempfile::tempdir().unwrap();
        for elsewhere in [format!("x/{RUN}"), "runs/x".to_owned()] {
            note(&dir.path().join(elsewhere)).unwrap();
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
