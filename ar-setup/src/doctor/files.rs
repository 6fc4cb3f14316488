//! Who may read and write the files.

use super::{Finding, Repair};
use crate::pipeline::Ground;
use ar_core::config::Model;
use std::fs::{self, Metadata};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

/// Permissions and owners of configuration, secrets and state.
pub fn findings(ground: &Ground, models: &[Model]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let config = &ground.config;
    let mut watched: Vec<PathBuf> = vec![config.clone(), config.join("models"), config.join("agents")];
    watched.push(config.join("config.toml"));
    watched.push(config.join("rules.d"));
    for dir in ["models", "agents", "rules.d"] {
        let entries = fs::read_dir(config.join(dir)).into_iter().flatten().flatten();
        watched.extend(entries.map(|entry| entry.path()));
    }
    watched.sort();
    for path in &watched {
        findings.extend(path.metadata().ok().and_then(|found| writable_by_others(path, &found)));
        findings.extend(path.metadata().ok().and_then(|found| foreign(path, &found)));
    }
    for model in models {
        let secret = model.providers.iter().any(|provider| provider.env.keys().any(|name| is_secret(name)));
        if secret {
            findings.extend(readable_by_others(&model.file, "a key stands in it"));
        }
        for file in model.providers.iter().filter_map(|provider| provider.env_file.as_ref()) {
            findings.extend(super::variables::env_file(&model.name, file));
        }
    }
    findings.extend(above(config));
    findings.extend(readable_by_others(&config.join("secrets.env"), "it holds keys"));
    // Components drop the slash that joining an empty name leaves.
    let runs: PathBuf = ar_core::paths::run_dir(&ground.state, "").components().collect();
    // A directory that somebody else chose for it may hold more than ours.
    let own = ground.state.parent().filter(|dir| dir.ends_with("agent-runner"));
    for path in
        [own.map(Path::to_path_buf), Some(runs), Some(ground.state.clone()).filter(|file| file.is_file())]
    {
        findings.extend(path.into_iter().flat_map(|path| state(&path)));
    }
    findings
}

/// Directories above the configuration in which anybody may put another one in its place.
fn above(config: &Path) -> Option<Finding> {
    let dir = config.ancestors().skip(1).find(|dir| {
        // With the sticky bit, as in /tmp, what belongs to others cannot be replaced.
        dir.metadata().is_ok_and(|found| found.permissions().mode() & 0o1002 == 0o002)
    })?;
    let what = format!("anybody may write '{}'", dir.display());
    let why = "who writes it can put another configuration in place of yours";
    Some(Finding::error("writable_by_others", what, why, format!("chmod o-w '{}'", dir.display())))
}

/// Whether a variable's name says that it holds a secret.
pub fn is_secret(name: &str) -> bool {
    ["KEY", "TOKEN", "SECRET", "PASSWORD"].iter().any(|word| name.to_ascii_uppercase().contains(word))
}

fn writable_by_others(path: &Path, found: &Metadata) -> Option<Finding> {
    if found.permissions().mode() & 0o022 == 0 {
        return None;
    }
    let mode = if found.is_dir() { 0o700 } else { 0o600 };
    let finding = Finding::error(
        "writable_by_others",
        format!("others may write '{}'", path.display()),
        "who writes it decides which commands run as you",
        format!("chmod {mode:o} '{}'", path.display()),
    );
    Some(finding.repaired_by(Repair::Mode(path.to_owned(), mode)))
}

fn foreign(path: &Path, found: &Metadata) -> Option<Finding> {
    let me = rustix::process::geteuid().as_raw();
    (found.uid() != me).then(|| {
        Finding::error(
            "foreign_owner",
            format!("'{}' belongs to another user", path.display()),
            "a run as root leaves such files, and who owns them decides which commands run as you",
            format!("sudo chown -R {me} '{}'", path.display()),
        )
    })
}

fn readable_by_others(path: &Path, why: &str) -> Option<Finding> {
    let mode = path.metadata().ok()?.permissions().mode();
    if mode & 0o044 == 0 {
        return None;
    }
    let finding = Finding::warning(
        "secret_readable",
        format!("others may read '{}', and {why}", path.display()),
        "every user of this machine can take the key",
        format!("chmod 600 '{}'", path.display()),
    );
    Some(finding.repaired_by(Repair::Mode(path.to_owned(), 0o600)))
}

fn state(path: &Path) -> Vec<Finding> {
    let Ok(found) = path.metadata() else { return Vec::new() };
    let mut findings: Vec<Finding> = writable_by_others(path, &found).into_iter().collect();
    findings.extend(foreign(path, &found));
    if findings.is_empty() && found.permissions().mode() & 0o044 != 0 {
        let mode = if found.is_dir() { 0o700 } else { 0o600 };
        let finding = Finding::warning(
            "state_readable",
            format!("others may read '{}'", path.display()),
            "prompts and answers lie there",
            format!("chmod {mode:o} '{}'", path.display()),
        );
        findings.push(finding.repaired_by(Repair::Mode(path.to_owned(), mode)));
    }
    // root may write everything, but nobody else who shares the state.
    let locked = found.permissions().mode() & 0o200 == 0;
    if locked || rustix::fs::access(path, rustix::fs::Access::WRITE_OK).is_err() {
        findings.push(Finding::error(
            "state_not_writable",
            format!("'{}' cannot be written", path.display()),
            "no run can be picked or stored",
            format!("chmod u+w '{}', or name another place with AGENT_RUNNER_STATE", path.display()),
        ));
    }
    findings
}
