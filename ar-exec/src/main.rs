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
mod outcome;
mod plan;
mod price;
mod prompt;
mod redact;
mod report;
mod request;
mod run_dir;
mod signals;
mod strip;
mod tee;
mod template;
mod terminal;
mod watch;

use ar_core::record::{self, ToolError};
use ar_core::{Failure, Record, Stamp, exit};
use clap::Parser;
use cli::Cli;
use request::Request;
use signals::Signals;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    exit::report("ar-exec", run())
}

fn run() -> anyhow::Result<ExitCode> {
    let mut request = Request::new(Cli::parse())?;
    let signals = Signals::catch()?;
    let mut code = exit::OK;
    for record in request.records()? {
        match record {
            Ok(record) => code = code.max(serve(&mut request, record, &signals)?),
            Err(error) => return Ok(refuse(fresh()?, &error)?.into()),
        }
        if signals.was_told_to_end() {
            break;
        }
    }
    Ok(code.into())
}

/// Runs one record and prints it; one that carries an error is passed on untouched.
fn serve(request: &mut Request, mut record: Record, signals: &Signals) -> anyhow::Result<u8> {
    if !matches!(record.get::<ToolError>("error"), Ok(None)) {
        record.write(io::stdout())?;
        return Ok(exit::OK);
    }
    match request.run(&mut record, signals) {
        Ok(rest) => {
            let written = record.write(io::stdout());
            rest.end(signals)?;
            written.map(|()| exit::OK)
        }
        Err(error) => refuse(record, &error),
    }
}

/// Lets our own trouble ride the pipe.
fn refuse(mut record: Record, error: &anyhow::Error) -> anyhow::Result<u8> {
    let failure = Failure::of(error);
    record.set_error("ar-exec", &failure)?;
    exit::warn("ar-exec", &failure);
    record.write(io::stdout())?;
    Ok(failure.code)
}

/// A record of our own making, where none came in.
fn fresh() -> anyhow::Result<Record> {
    let id = record::new_id(Stamp::now()?)?;
    Ok(Record::new(&id, &id, 1))
}
