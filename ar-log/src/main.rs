//! `ar-log`: stores the record at the end of the pipeline, prints its answer, and shows what was stored.

mod answer;
mod ask;
mod bars;
mod check;
mod cli;
mod content;
mod cooldown;
mod filter;
mod follow;
mod hide;
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
use ar_core::state::explain;
use ar_core::{Failure, exit, paths};
use clap::Parser;
use cli::{Cli, Print, Select, Store};
use std::io::{IsTerminal, stdin};
use std::path::Path;
use std::process::ExitCode;

const NAME: &str = "ar-log";

fn main() -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => run(&cli),
        Err(error) => exit::told(error.print(), if error.use_stderr() { exit::TROUBLE } else { exit::OK }),
    };
    exit::report(NAME, result)
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let state = &paths::state_file(cli.state.as_deref())?;
    choose(cli, state).map_err(|error| explain(state, error))
}

fn choose(cli: &Cli, state: &Path) -> Result<ExitCode> {
    let is_plain =
        cli.store == Store::default() && cli.select == Select::default() && cli.print == Print::default();
    match &cli.verb {
        Some(_) if !is_plain => {
            let failure = Failure::trouble("the command line is wrong: there are options before the verb");
            Err(failure.hint("only --state may stand there; put the others behind it").into())
        }
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
