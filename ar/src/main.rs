//! `ar`: finds the tool that a verb means and becomes it. Everything that could be binutils' `ar` is left to that.

mod attempt;
mod binutils;
mod call;
mod cli;
mod dispatch;
mod help;
mod hop;
mod output;
mod plan;
mod prompt;
mod quote;
mod run;
mod signals;
mod wait;

use ar_core::{Failure, exit};
use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

const NAME: &str = "ar";

fn main() -> ExitCode {
    let mut arguments = env::args_os().skip(1);
    let Some(first) = arguments.next() else {
        exit::warn(NAME, &Failure::trouble("no verb is given").hint(dispatch::usage()));
        return ExitCode::from(exit::TROUBLE);
    };
    // Before anything else is read: a build that calls us must not notice us.
    if binutils::means(&first) {
        return exit::report(NAME, binutils::become_it());
    }
    let rest: Vec<OsString> = arguments.collect();
    match first.to_str() {
        Some("run") => run::main(&rest),
        Some("help") => exit::report(NAME, help::help(&rest)),
        Some("version") => exit::report(NAME, help::version()),
        _ => exit::report(NAME, dispatch::become_tool(&first, &rest)),
    }
}
