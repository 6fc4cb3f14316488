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
#[cfg_attr(not(target_os = "linux"), path = "no_keeper.rs")]
mod keeper;
mod line;
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
use std::process::ExitCode;

fn main() -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => serve::all(cli).map(ExitCode::from),
        Err(error) => exit::told(error.print(), if error.use_stderr() { exit::TROUBLE } else { exit::OK }),
    };
    exit::report("ar-exec", result)
}
