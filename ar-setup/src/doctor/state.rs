//! What is wrong with the state: the database, what lies around it, and what runs left behind.

use super::Finding;
use ar_core::config::Model;
use ar_core::state::State;
use ar_core::{Failure, Stamp, paths, processes};
use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Below this much free space runs are about to fail, in bytes.
const LITTLE: u64 = 512 << 20;
/// Below this much they fail, in bytes.
const NOTHING: u64 = 16 << 20;
/// How far ahead of us another clock may be.
const SKEW: Duration = Duration::from_mins(5);
/// The `f_type` of statfs(2) of file systems whose files lie on another machine: NFS, SMB, CIFS, SMB2, AFS, Ceph, 9P, Coda.
const NETWORK: [i64; 8] =
    [0x6969, 0x517b, 0xff53_4d42, 0xfe53_4d42, 0x5346_414f, 0x00c3_6400, 0x0102_1997, 0x7375_7245];

/// Everything about the state. A database that does not exist yet is none to worry about.
pub fn findings(file: &Path, models: &[Model], now: Stamp) -> anyhow::Result<Vec<Finding>> {
    let mut findings = file_system(file);
    findings.extend(remains(file)?);
    if file.symlink_metadata().is_err() {
        return Ok(findings);
    }
    match database(file, models, now) {
        Ok(found) => findings.extend(found),
        Err(error) => {
            let failure = Failure::of(&error);
            let fix = failure.hint.unwrap_or_else(|| format!("move '{}' away", file.display()));
            findings.push(Finding::error("state", failure.message, "no run can be picked or stored", fix));
        }
    }
    Ok(findings)
}

fn database(file: &Path, models: &[Model], now: Stamp) -> anyhow::Result<Vec<Finding>> {
    let state = State::open(file)?;
    let db = state.db();
    let mut findings = Vec::new();
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
    if ahead > 0 {
        findings.push(Finding::warning(
            "clock_skew",
            format!("the log holds {ahead} runs of the future"),
            "this clock is behind, or another that wrote there was ahead; cooldowns end at the wrong time",
            "timedatectl set-ntp true",
        ));
    }
    findings.extend(stopped(&state, models, now)?);
    state.close()?;
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
    if let Ok(found) = rustix::fs::statvfs(place) {
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
    #[cfg(target_os = "linux")]
    if rustix::fs::statfs(place).is_ok_and(|found| is_network(found.f_type)) {
        findings.push(Finding::error(
            "network_file_system",
            format!("'{}' lies on another machine", place.display()),
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

fn is_network(kind: impl TryInto<i64>) -> bool {
    // Some systems keep the number in 32 bits with a sign.
    kind.try_into().is_ok_and(|kind| NETWORK.contains(&(kind & 0xffff_ffff)))
}

/// Processes of runs whose ar-exec is dead.
fn remains(file: &Path) -> anyhow::Result<Vec<Finding>> {
    let runs: PathBuf = paths::run_dir(file, "");
    let mut findings = Vec::new();
    for entry in fs::read_dir(&runs).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(run) = name.to_str().filter(|name| ar_core::record::is_id(name)) else { continue };
        if !is_dead(&entry.path()) {
            continue;
        }
        let count = processes::count(run, None)?;
        if count > 0 {
            findings.push(Finding::warning(
                "orphans",
                format!("{count} processes of the run {run} live on although its ar-exec is gone"),
                "they use quota and memory, and nobody reads their answer",
                "the next pick ends them: ar run \"hello\"",
            ));
        }
    }
    Ok(findings)
}

/// Whether the lock that ar-exec holds while it lives is free.
fn is_dead(run: &Path) -> bool {
    let Ok(lock) = File::open(run.join("lock")) else { return false };
    !matches!(lock.try_lock_shared(), Err(TryLockError::WouldBlock))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn little_space_and_files_of_other_machines_are_told() {
        let place = Path::new("/s");
        assert!(space(place, LITTLE).is_none());
        assert_eq!(space(place, LITTLE - 1).unwrap().severity, Severity::Warning);
        assert_eq!(space(place, 0).unwrap().severity, Severity::Error);
        assert!(is_network(0x6969_i64) && is_network(-11_317_950_i32) && !is_network(0xef53_i64));
    }
}
