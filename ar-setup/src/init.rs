//! `ar setup init`: starter files for the agents on this machine.

use crate::file;
use crate::known::KNOWN;
use crate::places::{self, Place};
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
    let found = places::all();
    for place in &found {
        writeln!(out, "found {} ({})", place.name, place.path.display())?;
    }
    if found.is_empty() && model_names(dir)?.is_empty() {
        return Err(nothing_found(dir).into());
    }
    for (path, text) in starters(dir, &found)? {
        let done = if file::create(&path, &text)? { "wrote" } else { "kept " };
        writeln!(out, "{done} {}", path.display())?;
    }
    writeln!(out, "next: ar run \"hello\"")?;
    Ok(ExitCode::SUCCESS)
}

/// The files to write, models before the config.toml that names one of them.
fn starters(dir: &Path, found: &[Place]) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let models = dir.join("models");
    let mut files = Vec::new();
    for known in KNOWN {
        let ways: Vec<&Place> = found.iter().filter(|place| place.known == known.name).collect();
        if !ways.is_empty() {
            files.push((models.join(format!("{}.toml", known.name)), pool::agent(&ways)?));
        }
    }
    if !found.is_empty() {
        files.push((models.join(format!("{POOL}.toml")), pool::any(&found.iter().collect::<Vec<_>>())?));
        files.push((dir.join("config.toml"), format!("{CONFIG}model = \"{POOL}\"\n")));
    }
    Ok(files)
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
