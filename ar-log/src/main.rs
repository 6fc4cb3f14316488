//! `ar-log`: stores the record at the end of the pipeline, prints its answer, and shows what was stored.

mod answer;
mod cli;
mod content;
mod cooldown;
mod filter;
mod follow;
mod list;
mod live;
mod paper;
mod redact;
mod row;
mod select;
mod show;
mod stats;
mod status;
mod store;
mod sums;
mod tags;
mod when;

use anyhow::Result;
use ar_core::{Stamp, exit, paths};
use clap::Parser;
use cli::{Cli, Select, Verb};
use paper::Paper;
use select::Selection;
use std::io::{IsTerminal, stdin};
use std::path::Path;
use std::process::ExitCode;

const NAME: &str = "ar-log";

fn main() -> ExitCode {
    let cli = Cli::parse();
    exit::report(NAME, run(&cli))
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let state = &paths::state_file(cli.state.as_deref())?;
    match &cli.verb {
        Some(verb) => ask(verb, state).map(|()| ExitCode::SUCCESS),
        // The dispatcher calls us 'ar log': a person asks, whatever standard input is.
        None if !cli.store.cat
            && (std::env::args().next().as_deref() == Some("ar log") || stdin().is_terminal()) =>
        {
            let paper = Paper::new(&cli.print);
            list::list(state, selection(&cli.select)?, &paper).map(|()| ExitCode::SUCCESS)
        }
        None => filter::run(cli, state),
    }
}

fn ask(verb: &Verb, state: &Path) -> Result<()> {
    match verb {
        Verb::List { select, print } => list::list(state, selection(select)?, &Paper::new(print)),
        Verb::Show { run, raw, print } => show::show(state, run, *raw, &Paper::new(print)),
        Verb::Last { raw, print } => show::show(state, "-1", *raw, &Paper::new(print)),
        Verb::Live { print } => live::live(state, Stamp::now()?, &Paper::new(print)),
        Verb::Follow { run: Some(run), .. } => follow::output(state, run),
        Verb::Follow { run: None, select, print } => {
            follow::follow(state, selection(select)?, &Paper::new(print))
        }
        Verb::Stats { by, select, print } => stats::stats(state, &selection(select)?, by, &Paper::new(print)),
        Verb::Usage { select, print } => stats::usage(state, &selection(select)?, &Paper::new(print)),
        Verb::Sessions { select, print } => stats::sessions(state, &selection(select)?, &Paper::new(print)),
        Verb::Path { run } => show::path(state, run.as_deref()),
    }
}

fn selection(select: &Select) -> Result<Selection> {
    Selection::new(select, Stamp::now()?)
}
