//! `ar setup doctor`: what is wrong or will be, why it matters, and the command that mends it.
//!
//! Nothing here uses the network or starts a model, and no value of a variable is ever printed.

mod arguments;
mod command;
mod config;
mod environment;
mod files;
mod limits;
mod login;
mod provider;
mod remains;
mod settings;
mod state;
mod strays;
mod variables;

pub use arguments::looks_like_key;
pub use files::is_secret;

use crate::pipeline::Ground;
use anyhow::Context;
use ar_core::config::{Config, Model, model_names};
use ar_core::{Failure, Stamp, exit};
use serde::Serialize;
use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Something that is wrong or will be.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// What kind it is, for scripts.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub what: String,
    /// The file and the line where it stands, where that is one line and `what` does not name it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub at: Option<String>,
    /// Why it matters.
    pub why: &'static str,
    /// The command that mends it, or what to do.
    pub fix: String,
    /// What `--fix` does about it.
    #[serde(skip)]
    pub repair: Option<Repair>,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Runs fail because of it.
    Error,
    /// Runs may fail, or something is not as it seems.
    Warning,
}

/// A repair that loses nothing.
#[derive(Debug, Clone)]
pub enum Repair {
    /// Set the permissions of a file.
    Mode(PathBuf, u32),
    /// Set a key of the configuration.
    Set(String, String),
}

impl Finding {
    /// An error.
    pub fn error(
        id: &'static str,
        what: impl Into<String>,
        why: &'static str,
        fix: impl Into<String>,
    ) -> Self {
        Self {
            id,
            severity: Severity::Error,
            what: what.into(),
            at: None,
            why,
            fix: fix.into(),
            repair: None,
        }
    }

    /// A warning.
    pub fn warning(
        id: &'static str,
        what: impl Into<String>,
        why: &'static str,
        fix: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(id, what, why, fix) }
    }

    /// Adds where it stands.
    #[must_use]
    pub fn at(mut self, file: &Path, line: usize) -> Self {
        self.at = Some(format!("{}:{line}", file.display()));
        self
    }

    /// Adds what `--fix` does.
    #[must_use]
    pub fn repaired_by(mut self, repair: Repair) -> Self {
        self.repair = Some(repair);
        self
    }
}

/// What to examine and what to do about it.
#[derive(Debug, Clone, Copy)]
pub struct Orders {
    /// Print JSON.
    pub json: bool,
    /// Carry out repairs.
    pub fix: bool,
    /// Also ask whether cron would find every command.
    pub cron: bool,
}

/// Examines everything and prints what was found. Status 1 for warnings, 2 for errors. Where `ground` cannot be told, the reason
/// for that is what is found.
pub fn run(
    ground: &anyhow::Result<Ground>,
    orders: Orders,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut findings = examine(ground, orders.cron);
    if let (Ok(ground), true) = (ground, orders.fix) {
        let mut repaired = 0;
        for repair in findings.iter().filter_map(|finding| finding.repair.as_ref()) {
            carry_out(ground, repair, out)?;
            repaired += 1;
        }
        if repaired > 0 {
            findings = examine(&Ok(ground.clone()), orders.cron);
        }
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    if orders.json {
        let object =
            serde_json::json!({"v": 1, "errors": errors, "warnings": warnings, "findings": findings});
        writeln!(out, "{object}")?;
    } else {
        for finding in &findings {
            print(finding, out)?;
        }
        match findings.len() {
            0 => writeln!(out, "nothing is wrong")?,
            _ => writeln!(out, "errors: {errors}, warnings: {warnings}")?,
        }
    }
    let code = if errors > 0 { exit::TROUBLE } else { u8::from(warnings > 0) };
    Ok(ExitCode::from(code))
}

fn print(finding: &Finding, out: &mut impl Write) -> anyhow::Result<()> {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    writeln!(out, "{severity}: {}", exit::one_line(&finding.what))?;
    if let Some(at) = &finding.at {
        writeln!(out, "  at: {}", exit::one_line(at))?;
    }
    writeln!(out, "  why: {}", finding.why)?;
    writeln!(out, "  fix: {}", exit::one_line(&finding.fix))?;
    Ok(())
}

/// Every finding, errors first.
fn examine(ground: &anyhow::Result<Ground>, cron: bool) -> Vec<Finding> {
    // A variable that sets the clock to no time is found among the others.
    let now = Stamp::now().unwrap_or_else(|_| Stamp::of_system());
    let mut findings = match ground {
        Ok(ground) => about_files(ground, cron, now),
        Err(error) => vec![nowhere(error)],
    };
    findings.extend(environment::findings(now));
    // Sorting keeps the order of equals.
    findings.sort_by_key(|finding| finding.severity);
    let mut seen = BTreeSet::new();
    findings.retain(|finding| seen.insert((finding.id, finding.what.clone())));
    findings
}

/// Configuration and state have no place.
fn nowhere(error: &anyhow::Error) -> Finding {
    let failure = Failure::of(error);
    let fix = failure.hint.unwrap_or_else(|| "name them with --config and --state".to_owned());
    Finding::error("no_place", failure.message, "nobody can tell where configuration and state are", fix)
}

/// What is wrong in the configuration, with what it names, and in the state.
fn about_files(ground: &Ground, cron: bool, now: Stamp) -> Vec<Finding> {
    let mut models = Vec::new();
    // A directory that cannot be read is among the problems of the configuration.
    for name in model_names(&ground.config).unwrap_or_default() {
        // One that cannot be read is among the problems of the configuration.
        models.extend(Model::load(&ground.config, &name).ok());
    }
    let mut findings = config::findings(&ground.config, &models);
    findings.extend(strays::findings(&ground.config));
    if let Ok(config) = Config::load(&ground.config) {
        findings.extend(settings::findings(&config, &models));
    }
    findings.extend(files::findings(ground, &models));
    findings.extend(provider::findings(&models, cron));
    findings.extend(login::findings(&models, now));
    findings.extend(state::findings(&ground.state, &models, now));
    findings.extend(remains::findings(&ground.state, now));
    findings
}

fn carry_out(ground: &Ground, repair: &Repair, out: &mut impl Write) -> anyhow::Result<()> {
    match repair {
        Repair::Mode(path, mode) => {
            fs::set_permissions(path, fs::Permissions::from_mode(*mode))
                .with_context(|| format!("cannot change the permissions of '{}'", path.display()))?;
            writeln!(out, "fixed: chmod {mode:o} {}", path.display())?;
        }
        Repair::Set(key, value) => {
            // What it prints is about the file; we tell about the key.
            crate::edit::set(&ground.config, key, Some(value), false, &mut std::io::sink())?;
            writeln!(out, "fixed: ar setup set {key} {value}")?;
        }
    }
    Ok(())
}
