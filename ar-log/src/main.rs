//! `ar-log`: stores the record at the end of the pipeline, prints its answer, and shows what was stored.

mod answer;
mod ask;
mod check;
mod cli;
mod content;
mod cooldown;
mod filter;
mod follow;
mod hook;
mod list;
mod live;
mod paper;
mod payload;
mod prune;
mod redact;
mod report;
mod row;
mod search;
mod select;
mod sessions;
mod show;
mod stats;
mod status;
mod store;
mod sums;
mod tags;
mod transfer;
mod when;
mod why;

use anyhow::Result;
use ar_core::{exit, paths};
use clap::Parser;
use cli::Cli;
use std::io::{IsTerminal, stdin};
use std::process::ExitCode;

const NAME: &str = "ar-log";

fn main() -> ExitCode {
    let cli = Cli::parse();
    exit::report(NAME, run(&cli))
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let state = &paths::state_file(cli.state.as_deref())?;
    match &cli.verb {
        Some(verb) => ask::ask(verb, state),
        // The dispatcher calls us 'ar log': a person asks, whatever standard input is.
        None if !cli.store.cat
            && (std::env::args().next().as_deref() == Some("ar log") || stdin().is_terminal()) =>
        {
            ask::list(state, &cli.select, &cli.print)
        }
        None => filter::run(cli, state),
    }
}
