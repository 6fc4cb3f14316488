//! `ar run`: from the command line to a call and its exit status.

use crate::NAME;
use crate::call::Call;
use crate::cli::Run;
use crate::output::Output;
use crate::plan;
use crate::prompt::Prompt;
use crate::signals::Signals;
use anyhow::{Context, Result};
use ar_core::agent::Agent;
use ar_core::clock::parse_duration;
use ar_core::record::new_id;
use ar_core::{Failure, Stamp, exit, paths};
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::io::{Write, stdout};
use std::process::ExitCode;

/// Parses the arguments, runs, and words what went wrong. Our own trouble is 125, as env(1) has it.
pub fn main(arguments: &[OsString]) -> ExitCode {
    let words = std::iter::once(OsString::from("ar run")).chain(arguments.iter().cloned());
    let result = match Run::try_parse_from(words) {
        Ok(cli) => run(&cli).map(ExitCode::from),
        Err(error) => exit::told(error.print(), if error.use_stderr() { exit::WRAPPER } else { exit::OK }),
    };
    exit::report(NAME, result.map_err(as_wrapper))
}

/// Prints what `ar run --help` prints.
pub fn print_help() -> Result<ExitCode> {
    Run::command().print_help().context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

fn as_wrapper(error: anyhow::Error) -> anyhow::Error {
    let failure = Failure::of(&error);
    if exit::is_broken_pipe(&error) || failure.code != exit::TROUBLE {
        return error;
    }
    Failure { code: exit::WRAPPER, ..failure }.into()
}

fn run(cli: &Run) -> Result<u8> {
    let model = model(cli)?;
    if cli.dry_run {
        writeln!(stdout().lock(), "{}", plan::shown(cli, model.as_deref()))
            .context("cannot write the pipeline")?;
        return Ok(exit::OK);
    }
    check(cli)?;
    // Until here a signal ends us as any program: reading the prompt may take as long as somebody types.
    let prompt = Prompt::resolve(cli, &paths::state_file(cli.state.as_deref())?)?;
    if cli.agent.is_none() && prompt.is_empty()? {
        let hint = "give words, --file FILE or standard input";
        return Err(Failure::new(exit::WRAPPER, "the prompt is empty").hint(hint).into());
    }
    let output = Output::open(cli)?;
    let mut signals = Signals::catch()?;
    let mut call = Call::new(cli, model, prompt, output, new_id(Stamp::now()?)?)?;
    let served = call.serve(&mut signals);
    if let (Some(signal), false) = (signals.arrived(), matches!(served, Ok(exit::OK))) {
        // Dropping the output removes its unfinished file, which no destructor does once we die.
        drop(call);
        Signals::die(signal)?;
    } else if matches!(served, Ok(exit::OK)) {
        call.output.finish()?;
    }
    served
}

/// Refuses what a tool would refuse after a provider was reserved for it.
fn check(cli: &Run) -> Result<()> {
    for time in cli.timeout.iter().chain(&cli.idle_timeout) {
        parse_duration(time)?;
    }
    if let Some(tag) = cli.tag.iter().find(|tag| tag.split_once('=').is_none_or(|(key, _)| key.is_empty())) {
        return Err(Failure::trouble(format!("the tag '{tag}' is not KEY=VALUE")).into());
    }
    if let Some(dir) = cli.dir.as_ref().filter(|dir| !dir.is_dir()) {
        return Err(Failure::trouble(format!("'{}' is not a directory", dir.display())).into());
    }
    Ok(())
}

/// The model that was asked for, by the command line or by the agent.
fn model(cli: &Run) -> Result<Option<String>> {
    let agent = match &cli.agent {
        Some(agent) => Some(Agent::load(&paths::config_dir(cli.config.as_deref())?, agent)?),
        None => None,
    };
    Ok(cli.model.clone().or(agent.and_then(|agent| agent.model)))
}
