//! `ar-diagnose`: works out why a run failed.

mod cli;
mod filter;
mod typed;

use anyhow::Result;
use ar_core::exit;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    exit::report("ar-diagnose", run())
}

fn run() -> Result<ExitCode> {
    let cli = cli::Cli::parse();
    if cli.text { typed::run(&cli) } else { filter::run(&cli) }
}
