//! `ar-exec`: runs the provider that a record names and adds to the record what became of it.

mod child;
mod cli;
mod command;
mod env_command;
mod env_file;
mod environment;
mod family;
mod follow;
mod format;
mod git;
mod growth;
mod keeper;
mod outcome;
mod plan;
mod price;
mod prompt;
mod records;
mod redact;
mod report;
mod request;
mod run_dir;
mod serve;
mod signals;
mod strip;
mod tee;
mod template;
mod terminal;
mod watch;

use ar_core::exit;
use clap::Parser;
use cli::Cli;
use records::Records;
use request::Request;
use signals::Signals;
use std::process::ExitCode;

fn main() -> ExitCode {
    exit::report("ar-exec", run())
}

fn run() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let signals = Signals::catch()?;
    let mut records = Records::new(&cli)?;
    let mut request = Request::new(cli);
    let mut code = exit::OK;
    let mut cancelled = false;
    // Whoever ended a run by a signal does not want to wait for records that are still to come. Those that are here already
    // go on as cancelled.
    while let Some(record) = if cancelled { records.at_hand() } else { records.next() } {
        match record {
            Ok(record) => code = code.max(serve::run(&mut request, record, &signals)?),
            Err(error) => {
                return Ok(serve::refuse(serve::fresh()?, request.as_ref().err().unwrap_or(&error))?.into());
            }
        }
        cancelled = signals.was_told_to_end();
    }
    Ok(code.into())
}
