//! `ar setup init`: starter files for the agents on this machine.

use crate::answers::{self, Answers};
use crate::change::{self, Change};
use crate::known::KNOWN;
use crate::places::{self, Place};
use crate::{ask, edit, pool};
use ar_core::Failure;
use ar_core::config::{Config, model_names};
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

/// The name of the model that holds every agent found.
pub const POOL: &str = "any";
/// The text of config.toml before its keys.
const CONFIG: &str = include_str!("../templates/config.toml");

/// Writes a model for each agent, one for all of them, and config.toml. What is there stays as it is, unless a person says
/// otherwise. On a terminal everything is asked, unless `yes`; `file` holds answers.
pub fn run(dir: &Path, yes: bool, file: Option<&Path>, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let found = places::all();
    for place in &found {
        writeln!(out, "found {} ({})", place.name, place.path.display())?;
    }
    if found.is_empty() {
        return if model_names(dir)?.is_empty() {
            Err(nothing_found(dir).into())
        } else {
            Ok(ExitCode::SUCCESS)
        };
    }
    let asking = file.is_none() && !yes && ask::is_possible();
    let answers = match file {
        Some(file) => Answers::read(file)?,
        None if asking => answers::asked(&found, out)?,
        None => Answers::default(),
    };
    let _lock = change::lock(dir)?;
    let changes = plan(dir, &answers, &found)?;
    let wanted = if asking { agreed(&changes, out)? } else { unasked(&changes, answers.replace) };
    refuse_dangling_default(dir, &changes, &wanted)?;
    write(dir, &changes, &wanted, out)?;
    writeln!(out, "next: ar run \"hello\"")?;
    Ok(ExitCode::SUCCESS)
}

/// The files as the answers want them, models before the config.toml that names one of them.
pub fn plan(dir: &Path, answers: &Answers, found: &[Place]) -> anyhow::Result<Vec<Change>> {
    let places = answers.places(found)?;
    let models = dir.join("models");
    let mut changes = Vec::new();
    for known in KNOWN {
        let ways: Vec<&Place> = places.iter().filter(|place| place.known == known.name).collect();
        if !ways.is_empty() {
            let file = models.join(format!("{}.toml", known.name));
            changes.push(Change::new(file, pool::agent(&ways, answers)?)?);
        }
    }
    let all: Vec<&Place> = places.iter().collect();
    changes.push(Change::new(models.join(format!("{POOL}.toml")), pool::any(&all, answers)?)?);
    let config = dir.join("config.toml");
    let default = answers.default.as_deref().unwrap_or(POOL);
    let fresh = Change::new(config.clone(), format!("{CONFIG}model = \"{default}\"\n"))?;
    changes.push(match fresh.before {
        None => fresh,
        // Of a config.toml that is there one key changes, and that only where somebody chose it.
        Some(before) if answers.default.is_none() => {
            Change { file: config, after: before.clone(), before: Some(before) }
        }
        Some(_) => edit::set_in(config, &["model"], toml_edit::value(default))?,
    });
    Ok(changes)
}

/// Which changes to make where nobody is asked: new files, and others where the answers want that.
fn unasked(changes: &[Change], replace: bool) -> Vec<bool> {
    changes
        .iter()
        .map(|change| change.is_needed() && (change.before.is_none() || replace) && !is_link(change))
        .collect()
}

/// A symbolic link that leads nowhere: somebody meant something by it.
fn is_link(change: &Change) -> bool {
    change.before.is_none() && change.file.symlink_metadata().is_ok()
}

/// Which changes a person agrees to, after seeing each.
fn agreed(changes: &[Change], out: &mut impl Write) -> anyhow::Result<Vec<bool>> {
    let mut wanted = Vec::new();
    for change in changes {
        if !change.is_needed() || is_link(change) {
            wanted.push(false);
            continue;
        }
        write!(out, "\n{}", change.diff())?;
        out.flush()?;
        let question = match &change.before {
            None => format!("Write {}?", name(change)),
            Some(_) => format!("Change {}? (the previous version is kept)", name(change)),
        };
        wanted.push(ask::confirm(&question, change.before.is_none())?);
    }
    Ok(wanted)
}

/// Refuses a config.toml that names a model which would not exist, before anything is written.
fn refuse_dangling_default(dir: &Path, changes: &[Change], wanted: &[bool]) -> anyhow::Result<()> {
    let (Some(config), Some(true)) = (changes.last(), wanted.last()) else { return Ok(()) };
    let Some(model) = Config::parse(&config.file, &config.after)?.model else { return Ok(()) };
    let file = dir.join("models").join(format!("{model}.toml"));
    let written = changes.iter().zip(wanted).any(|(change, wanted)| *wanted && change.file == file);
    if written || file.symlink_metadata().is_ok() {
        return Ok(());
    }
    let message =
        format!("config.toml would name the model '{model}', which would not exist; nothing was written");
    Err(Failure::trouble(message).hint("write both or neither").into())
}

fn name(change: &Change) -> String {
    change.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn write(dir: &Path, changes: &[Change], wanted: &[bool], out: &mut impl Write) -> anyhow::Result<()> {
    for (change, wanted) in changes.iter().zip(wanted) {
        let done = match (&change.before, wanted) {
            (_, false) => "kept ",
            (None, true) => "wrote",
            (Some(_), true) => "changed",
        };
        if *wanted {
            change.validate(dir)?;
            change.make(dir)?;
        }
        if *wanted || change.before.is_some() || is_link(change) {
            writeln!(out, "{done} {}", change.file.display())?;
        }
    }
    Ok(())
}

/// What to do where there is no agent.
pub fn nothing_found(dir: &Path) -> Failure {
    let names: Vec<&str> = KNOWN.iter().map(|known| known.name).collect();
    let install = KNOWN.first().map_or("", |known| known.install);
    let own = dir.join("models/NAME.toml");
    Failure::trouble(format!("found none of {} on PATH", names.join(", "))).hint(format!(
        "install one (such as '{install}') and log in, or describe any command in '{}' (ar-config(5))",
        own.display()
    ))
}
