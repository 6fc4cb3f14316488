//! What runs left behind: processes, leases and directories.

use super::Finding;
use ar_core::record::{is_id, new_id};
use ar_core::state::{State, host};
use ar_core::{Stamp, paths, processes};
use rusqlite::params;
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

/// A run may be on its way into the history for as long as this, in milliseconds.
const STORING_MS: i64 = 60 * 60 * 1000;

/// Processes whose run is over, runs that are written down as alive and are not, directories that no run knows.
pub fn findings(state: &Path, now: Stamp) -> Vec<Finding> {
    // A database that cannot be read is a finding of its own, and tells nothing of runs.
    let history = if state.is_file() { State::open(state).ok() } else { None };
    let mut findings = orphans(state, history.as_ref());
    if let Some(history) = &history {
        findings.extend(leases(state, history, now).unwrap_or_default());
    }
    if history.is_some() || !state.exists() {
        findings.extend(unknown(state, history.as_ref(), now));
    }
    // Nothing was written.
    history.map(State::close);
    findings
}

/// The status of a run in the history.
fn status(history: Option<&State>, run: &str) -> Option<String> {
    history?.db().query_row("SELECT status FROM run WHERE id = $1", [run], |row| row.get(0)).ok()
}

/// Processes of runs whose ar-exec is dead. One of a run that neither the history nor a directory knows belongs to another
/// state, where somebody may still wait for it.
fn orphans(state: &Path, history: Option<&State>) -> Vec<Finding> {
    let known = known(state);
    let Ok(marked) = processes::marked(known.iter().map(String::as_str)) else { return Vec::new() };
    let is_over = |run: &String| {
        let dir = paths::run_dir(state, run);
        if dir.is_dir() {
            is_dead(&dir)
        } else {
            status(history, run).is_some_and(|status| status != "picked")
        }
    };
    let mut findings = Vec::new();
    for run in marked.into_iter().filter(|run| is_id(run)).filter(is_over) {
        let count = processes::count(&run, None).unwrap_or(0);
        if count == 0 {
            continue;
        }
        let told = if count == 1 { "1 process".to_owned() } else { format!("{count} processes") };
        findings.push(Finding::warning(
            "orphans",
            format!("{told} of the run {run} live on although its ar-exec is gone"),
            "they use quota and memory, and nobody reads their answer",
            format!("the next pick ends what it knows of: ar run \"hello\"; {} names the rest", list(&run)),
        ));
    }
    findings
}

/// What names the processes that have a run's id in their environment.
fn list(run: &str) -> String {
    if cfg!(target_os = "macos") {
        format!("ps -axEww | grep {run}")
    } else {
        format!("grep -lz {run} /proc/*/environ")
    }
}

/// Runs of this machine that hold their place although nobody works on them, and the lease is over.
fn leases(state: &Path, history: &State, now: Stamp) -> anyhow::Result<Vec<Finding>> {
    let mut select = history.db().prepare(
        "SELECT id FROM run WHERE status = 'picked' AND lease_until < $1 AND coalesce(host, $2) = $2 ORDER BY id",
    )?;
    let rows = select.query_map(params![now.0, host()], |row| row.get::<_, String>(0))?;
    let runs: Vec<String> = rows.collect::<Result<_, _>>()?;
    let dead: Vec<&String> = runs
        .iter()
        .filter(|run| {
            let dir = paths::run_dir(state, run);
            !dir.is_dir() || is_dead(&dir)
        })
        .collect();
    let Some(first) = dead.first() else { return Ok(Vec::new()) };
    Ok(vec![Finding::warning(
        "stale_lease",
        format!(
            "runs are written down as alive, and nobody works on them: {}, the first of them {first}",
            dead.len()
        ),
        "they were killed, and hold places of 'max_parallel' until the next pick",
        "the next pick marks them as lost: ar run \"hello\"",
    )])
}

/// Directories of runs that are in no history.
fn unknown(state: &Path, history: Option<&State>, now: Stamp) -> Vec<Finding> {
    let runs = runs(state);
    // Ids begin with the time, so they are ordered by it.
    let Ok(young) = new_id(Stamp(now.0.saturating_sub(STORING_MS))) else { return Vec::new() };
    let mut count = 0;
    for name in known(state) {
        if name < young && is_dead(&runs.join(&name)) && status(history, &name).is_none() {
            count += 1;
        }
    }
    if count == 0 {
        return Vec::new();
    }
    vec![Finding::warning(
        "unknown_runs",
        format!("directories in '{}' of runs that the history does not know: {count}", runs.display()),
        "they use space, and nothing ever removes them",
        "ar log check --repair",
    )]
}

fn runs(state: &Path) -> PathBuf {
    paths::run_dir(state, "").components().collect()
}

/// The runs that have a directory.
fn known(state: &Path) -> Vec<String> {
    let entries = fs::read_dir(runs(state)).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_id(name)).collect()
}

/// Whether the lock that ar-exec holds while it lives is free. Without one, ar-exec has not come far.
fn is_dead(run: &Path) -> bool {
    match File::open(run.join("lock")) {
        Ok(lock) => !matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock)),
        Err(_) => true,
    }
}
