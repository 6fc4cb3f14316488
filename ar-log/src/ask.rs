//! The verbs: from what was typed to what is done.

use crate::cli::{By, Print, Select, Verb};
use crate::paper::Paper;
use crate::prune::Limits;
use crate::redact::Secrets;
use crate::select::Selection;
use crate::{
    check, follow, hook, list, live, payload, prune, report, search, sessions, show, stats, transfer, when,
};
use anyhow::Result;
use ar_core::config::Config;
use ar_core::{Stamp, exit, paths};
use std::path::Path;
use std::process::ExitCode;

/// Answers a verb.
pub fn ask(verb: &Verb, state: &Path) -> Result<ExitCode> {
    match verb {
        Verb::List { select, print } => list::list(state, selection(select)?, &Paper::new(print)),
        Verb::Show { run, raw, print } => show::show(state, run, *raw, &Paper::new(print)),
        Verb::Last { raw, print } => show::show(state, "-1", *raw, &Paper::new(print)),
        Verb::Live { print } => live::live(state, Stamp::now()?, &Paper::new(print)),
        Verb::Follow { run: Some(run), .. } => follow::output(state, run),
        Verb::Follow { run: None, select, print } => {
            follow::follow(state, selection(select)?, &Paper::new(print))
        }
        Verb::Stats { by, select, print } => {
            let mut selection = selection(select)?;
            if by.contains(&By::Hour) {
                selection.bound(Stamp::now()?);
            }
            stats::stats(state, &selection, &without_twins(by), &Paper::new(print))
        }
        Verb::Usage { select, print } => stats::usage(state, &selection(select)?, &Paper::new(print)),
        Verb::Sessions { select, print } => sessions::list(state, &selection(select)?, &Paper::new(print)),
        Verb::Search { words, select, print } => {
            search::search(state, words, &selection(select)?, &Paper::new(print))
        }
        Verb::Path { run } => show::path(state, run.as_deref()),
        Verb::Report { select, output } => {
            report::report(state, &selection(select)?, Stamp::now()?, output.as_deref())
        }
        Verb::Export { select } => return transfer::export(state, &selection(select)?),
        Verb::Import { config } => transfer::import(state, &secrets(config.as_deref())?),
        Verb::Backup { file } => transfer::backup(state, file),
        Verb::Prune { older_than, keep, max_bytes, dry_run } => {
            let now = Stamp::now()?;
            let not_before = older_than.as_deref().map(|text| when::parse(text, now)).transpose()?;
            prune::prune(state, Limits { not_before, runs: *keep, bytes: *max_bytes }, *dry_run)
        }
        Verb::Compress { older_than } => payload::compress(state, when::parse(older_than, Stamp::now()?)?),
        Verb::Rm { runs } => prune::rm(state, runs),
        Verb::Check { secrets: true, config, .. } => {
            return check::secrets(state, &secrets(config.as_deref())?).map(yes_or_no);
        }
        Verb::Check { repair, config, .. } => {
            let secrets = repair.then(|| secrets(config.as_deref())).transpose()?;
            return check::check(state, secrets.as_ref(), Stamp::now()?).map(yes_or_no);
        }
        Verb::Hook { name, command } => hook::keep(name, command, state, Stamp::now()?),
    }
    .map(|()| ExitCode::SUCCESS)
}

/// `ar log` without a verb.
pub fn list(state: &Path, select: &Select, print: &Print) -> Result<ExitCode> {
    list::list(state, selection(select)?, &Paper::new(print)).map(|()| ExitCode::SUCCESS)
}

fn selection(select: &Select) -> Result<Selection> {
    Selection::new(select, Stamp::now()?)
}

/// A column that was named twice is one.
fn without_twins(by: &[By]) -> Vec<By> {
    let twin = |(index, name): &(usize, &By)| by.iter().take(*index).any(|before| before == *name);
    by.iter().enumerate().filter(|named| !twin(named)).map(|(_, name)| *name).collect()
}

/// What the configuration adds to the known shapes of secrets. One that cannot be read is an error here: whoever looks for
/// secrets must not overlook one.
fn secrets(config: Option<&Path>) -> Result<Secrets> {
    Secrets::new(&Config::load(&paths::config_dir(config)?)?.log_secrets)
}

fn yes_or_no(yes: bool) -> ExitCode {
    ExitCode::from(if yes { exit::OK } else { exit::NO })
}
