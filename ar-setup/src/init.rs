//! `ar setup init`: starter files for the agents on this machine.

use crate::file;
use crate::known::{KNOWN, Known};
use crate::pool;
use ar_core::Failure;
use ar_core::config::model_names;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The name of the model that holds every agent found.
const POOL: &str = "any";
/// The text of config.toml before its keys.
const CONFIG: &str = include_str!("../templates/config.toml");

/// Writes a model for each agent found, one for all of them, and config.toml. What is there stays as it is.
pub fn run(dir: &Path, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let found = found();
    for (known, path) in &found {
        writeln!(out, "found {} ({})", known.name, path.display())?;
    }
    if found.is_empty() && model_names(dir)?.is_empty() {
        return Err(nothing_found(dir).into());
    }
    let found: Vec<Known> = found.into_iter().map(|(known, _)| known).collect();
    for (path, text) in starters(dir, &found) {
        let done = if file::create(&path, &text)? { "wrote" } else { "kept " };
        writeln!(out, "{done} {}", path.display())?;
    }
    writeln!(out, "next: ar run \"hello\"")?;
    Ok(ExitCode::SUCCESS)
}

/// The known agents on PATH, with their paths.
fn found() -> Vec<(Known, PathBuf)> {
    KNOWN.iter().filter_map(|known| Some((*known, which::which(known.name).ok()?))).collect()
}

/// The files to write, models before the config.toml that names one of them.
fn starters(dir: &Path, found: &[Known]) -> Vec<(PathBuf, String)> {
    let models = dir.join("models");
    let mut files: Vec<(PathBuf, String)> = found
        .iter()
        .map(|known| (models.join(format!("{}.toml", known.name)), known.template.to_owned()))
        .collect();
    if !found.is_empty() {
        files.push((models.join(format!("{POOL}.toml")), pool::text(found)));
        files.push((dir.join("config.toml"), format!("{CONFIG}model = \"{POOL}\"\n")));
    }
    files
}

fn nothing_found(dir: &Path) -> Failure {
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    let install = KNOWN.first().map_or("", |known| known.install);
    let own = dir.join("models/NAME.toml");
    Failure::trouble(format!("found none of {} on PATH", names.join(", "))).hint(format!(
        "install one (such as '{install}') and log in, or describe any command in '{}' (ar-config(5))",
        own.display()
    ))
}
