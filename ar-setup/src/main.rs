//! `ar-setup`: from the agents on this machine to a configuration that works, and its care.

mod advice;
mod ai;
mod answers;
mod ask;
mod cache;
mod change;
mod check;
mod cli;
#[path = "../../completions/src/commands.rs"]
#[allow(clippy::duplicate_mod, reason = "it reads every tool's cli.rs, and one of them is ours")]
mod commands;
mod detect;
mod diff;
mod doctor;
mod document;
mod earlier;
mod edit;
mod file;
mod import;
mod init;
mod interrupt;
mod interview;
mod known;
mod login;
mod names;
mod path;
mod pipeline;
mod places;
mod pool;
mod probe;
#[path = "../../completions/src/script.rs"]
mod script;
mod snippet;
mod trial;
mod verbs;

use ar_core::exit;
use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match cli::Cli::try_parse() {
        Ok(cli) => verbs::carry_out(cli),
        Err(error) => exit::told(error.print(), if error.use_stderr() { exit::TROUBLE } else { exit::OK }),
    };
    interrupt::die_if_told();
    exit::report("ar-setup", done)
}
