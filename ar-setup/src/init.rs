//! `ar setup init`: starter files for the agents on this machine.

use crate::answers::{self, Answers};
use crate::change::{self, Change};
use crate::detect::Agent;
use crate::earlier::Earlier;
use crate::known::KNOWN;
use crate::places::{self, Place};
use crate::{ask, detect, document, pool};
use anyhow::Context;
use ar_core::config::{Config, model_names};
use ar_core::{Failure, Stamp, exit};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use toml_edit::{DocumentMut, Item, Table, value};

/// The name of the model that holds every agent found.
pub const POOL: &str = "any";
/// How long the agents may take to tell their options: some unpack themselves at their first start, and what is written stays.
const PATIENCE: Duration = Duration::from_secs(20);
/// The text of config.toml before its keys.
const CONFIG: &str = include_str!("../templates/config.toml");

/// Writes a model for each agent, one for all of them, and config.toml. What is there stays as it is, unless a person says
/// otherwise. On a terminal everything is asked, unless `yes`; `file` holds answers.
pub fn run(dir: &Path, yes: bool, file: Option<&Path>, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let mut found = places::all();
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
    let agents = fit(&mut found)?;
    let asking = file.is_none() && !yes && ask::is_possible();
    let answers = match file {
        Some(file) => Answers::read(file)?,
        None if asking => answers::asked(&found, &Earlier::read(dir)?, out)?,
        None => Answers::default(),
    };
    let _lock = change::lock(dir)?;
    let changes = plan(dir, &answers, &found)?;
    let wanted = if asking { agreed(&changes, out)? } else { unasked(&changes, answers.replace) };
    refuse_dangling_default(dir, &changes, &wanted)?;
    if asking && !changes.iter().any(Change::is_needed) {
        writeln!(out, "nothing to change")?;
    }
    write(dir, &changes, &wanted, out)?;
    if wanted.contains(&true) {
        warn_of_options(&agents);
    }
    writeln!(out, "next: ar run \"hello\"")?;
    Ok(ExitCode::SUCCESS)
}

/// Asks the agents which options they know, so that a model does without those that it need not have.
pub fn fit(found: &mut [Place]) -> anyhow::Result<Vec<Agent>> {
    let agents = detect::ask_all(found, Stamp::now()?, PATIENCE)?;
    for (place, agent) in found.iter_mut().zip(&agents) {
        place.lacks.clone_from(&agent.lacks);
    }
    Ok(agents)
}

/// Tells which options of our templates the help of an installed agent does not name. A help without any option is none.
fn warn_of_options(agents: &[Agent]) {
    for agent in agents {
        if agent.rejected.is_empty() || agent.flags.as_ref().is_none_or(Vec::is_empty) {
            continue;
        }
        let version = agent.version.as_deref().unwrap_or("of unknown version");
        let options = agent.rejected.join(" ");
        let message = format!("the help of {} {version} does not name {options} of its template", agent.name);
        let hint = "an agent that is too old, or too new for the template, refuses to start; update it, or mend 'args'";
        exit::warn("ar-setup", &Failure::new(exit::OK, message).hint(hint));
    }
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
    changes.push(settings(dir.join("config.toml"), &all, answers)?);
    Ok(changes)
}

/// config.toml as the answers want it. Of one that is there only those keys change that somebody chose.
fn settings(file: PathBuf, places: &[&Place], answers: &Answers) -> anyhow::Result<Change> {
    let default = answers.default.as_deref().unwrap_or(POOL);
    let fresh = Change::new(file, format!("{CONFIG}model = {}\n", value(default).to_string().trim()))?;
    let text = fresh.before.as_deref().unwrap_or(&fresh.after).to_owned();
    let chosen =
        answers.default.is_some() || answers.diagnostics_model.is_some() || !answers.max_parallel.is_empty();
    if !chosen {
        return Ok(Change { after: text, ..fresh });
    }
    let cannot = || format!("cannot read '{}'", fresh.file.display());
    let mut document: DocumentMut = text.parse().with_context(cannot)?;
    let root = document.as_table_mut();
    for (key, model) in [("model", &answers.default), ("diagnostics_model", &answers.diagnostics_model)] {
        if let Some(model) = model {
            document::put(root, key, value(model));
        }
    }
    if answers.is_all {
        remove_unwanted(root, places, answers);
    }
    for (name, runs) in &answers.max_parallel {
        let implicit = || {
            let mut table = Table::new();
            table.set_implicit(true);
            Item::Table(table)
        };
        let accounts =
            root.entry("accounts").or_insert_with(implicit).as_table_like_mut().with_context(cannot)?;
        let account = accounts.entry(name).or_insert_with(|| Item::Table(Table::new()));
        document::put(
            account.as_table_like_mut().with_context(cannot)?,
            "max_parallel",
            value(i64::from(runs.get())),
        );
    }
    Ok(Change { after: document::text(&document, &text), ..fresh })
}

/// Removes a diagnostics model and limits that a person did not choose again.
fn remove_unwanted(root: &mut Table, places: &[&Place], answers: &Answers) {
    if answers.diagnostics_model.is_none() {
        root.remove("diagnostics_model");
    }
    let Some(accounts) = root.get_mut("accounts").and_then(Item::as_table_like_mut) else { return };
    for place in places.iter().filter(|place| !answers.max_parallel.contains_key(&place.name)) {
        let Some(account) = accounts.get_mut(&place.name).and_then(Item::as_table_like_mut) else { continue };
        account.remove("max_parallel");
        if account.is_empty() {
            accounts.remove(&place.name);
        }
    }
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
    let wants = Config::parse(&config.file, &config.after)?;
    for model in [wants.model, wants.diagnostics_model].into_iter().flatten() {
        let file = dir.join("models").join(format!("{model}.toml"));
        let written = changes.iter().zip(wanted).any(|(change, wanted)| *wanted && change.file == file);
        if written || file.symlink_metadata().is_ok() {
            continue;
        }
        let message =
            format!("config.toml would name the model '{model}', which would not exist; nothing was written");
        return Err(Failure::trouble(message).hint("write both or neither").into());
    }
    Ok(())
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
