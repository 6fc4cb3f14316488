//! `ar-diagnose`: works out why a run failed.

mod ask;
mod cli;
mod filter;
mod listing;
mod redact;
mod typed;

use anyhow::Result;
use ar_core::exit;
use clap::Parser;
use cli::{Cli, Verb};
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => run(&cli),
        Err(error) => exit::told(error.print(), if error.use_stderr() { exit::TROUBLE } else { exit::OK }),
    };
    exit::report("ar-diagnose", result)
}

fn run(cli: &Cli) -> Result<ExitCode> {
    match &cli.verb {
        Some(Verb::Rules { json }) => listing::rules(cli.config.as_deref(), *json),
        Some(Verb::Test { file }) => listing::test(file),
        None if cli.text => typed::run(cli),
        None => filter::run(cli),
    }
}
