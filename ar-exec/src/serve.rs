//! From a record to a record: what is printed for each, whatever happens.

use crate::cli::Cli;
use crate::records::Records;
use crate::request::Request;
use crate::signals::Signals;
use ar_core::record::{self, ToolError};
use ar_core::{Failure, Record, Stamp, exit};
use std::io;

/// Runs the records as they come.
pub fn all(cli: Cli) -> anyhow::Result<u8> {
    let signals = Signals::catch()?;
    let mut records = Records::new(&cli)?;
    let mut request = Request::new(cli);
    let mut code = exit::OK;
    let mut cancelled = false;
    // Whoever ended a run by a signal does not want to wait for records that are still to come. Those that are here already
    // go on as cancelled.
    while let Some(record) = if cancelled { records.at_hand() } else { records.next() } {
        match record {
            Ok(record) => code = code.max(run(&mut request, record, &signals)?),
            Err(error) => return refuse(fresh()?, request.as_ref().err().unwrap_or(&error)),
        }
        cancelled = signals.was_told_to_end();
    }
    Ok(code)
}

/// Runs one record and prints it; one that carries an error is passed on untouched.
fn run(request: &mut anyhow::Result<Request>, mut record: Record, signals: &Signals) -> anyhow::Result<u8> {
    if !matches!(record.get::<ToolError>("error"), Ok(None)) {
        record.write(io::stdout())?;
        return Ok(exit::OK);
    }
    let request = match request {
        Ok(request) => request,
        Err(error) => return refuse(record, error),
    };
    match request.run(&mut record, signals) {
        Ok(rest) => {
            let written = record.write(io::stdout());
            rest.end(signals)?;
            match written {
                // Nothing was written: the line is too long.
                Err(error) if record.to_line().is_err() => refuse(record, &error),
                written => written.map(|()| exit::OK),
            }
        }
        Err(error) => refuse(record, &error),
    }
}

/// Lets our own trouble ride the pipe.
fn refuse(mut record: Record, error: &anyhow::Error) -> anyhow::Result<u8> {
    let failure = Failure::of(error);
    exit::warn("ar-exec", &failure);
    record.write_error("ar-exec", &failure, io::stdout())?;
    Ok(failure.code)
}

/// A record of our own making, where none came in.
pub fn fresh() -> anyhow::Result<Record> {
    let id = record::new_id(Stamp::now()?)?;
    Ok(Record::new(&id, &id, 1))
}
