//! From a record to a record: what is printed for each, whatever happens.

use crate::request::Request;
use crate::signals::Signals;
use ar_core::record::{self, ToolError};
use ar_core::{Failure, Record, Stamp, exit};
use std::io;

/// Runs one record and prints it; one that carries an error is passed on untouched.
pub fn run(
    request: &mut anyhow::Result<Request>,
    mut record: Record,
    signals: &Signals,
) -> anyhow::Result<u8> {
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
pub fn refuse(mut record: Record, error: &anyhow::Error) -> anyhow::Result<u8> {
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
