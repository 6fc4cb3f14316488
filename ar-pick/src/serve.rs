//! A pick from the command line to the record, whichever model serves in the end.

use crate::cli::Cli;
use crate::fallback::Served;
use crate::request::{Place, Request};
use crate::{NAME, fallback, queue, reclaim, session};
use anyhow::{Context, Result};
use ar_core::config::Model;
use ar_core::record::{Pick, ToolError};
use ar_core::state::State;
use ar_core::{Failure, Record, Stamp, clock, exit, paths};
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Instant;

/// Picks and prints the record. A failure rides the pipe in it.
pub fn serve(cli: &Cli, run: &str, now: Stamp) -> Result<ExitCode> {
    let mut record = Record::new(run, cli.call.as_deref().unwrap_or(run), cli.attempt);
    let failure = match pick(cli, run, now, &mut record) {
        Ok(()) => {
            return print(cli, &record).or_else(|error| {
                give_up(cli, run, now)?;
                Err(error)
            });
        }
        Err(error) if exit::is_broken_pipe(&error) => return Err(error),
        Err(error) => Failure::of(&error),
    };
    if !(cli.quiet && (failure.code == exit::LATER || failure.code == exit::UNAVAILABLE)) {
        exit::warn(NAME, &failure);
    }
    // Who asks for one field reads no records.
    if cli.field.is_none() {
        if record.at("error").is_none() {
            record.set_error(NAME, &failure)?;
        }
        record.write(stdout().lock())?;
    }
    Ok(ExitCode::from(failure.code))
}

fn pick(cli: &Cli, run: &str, now: Stamp, record: &mut Record) -> Result<()> {
    let place = Place::new(cli)?;
    let name = place.config.choose_model(&place.config_dir, cli.model.as_deref())?;
    record.set("model", &name)?;
    // The end of the process, which is near, frees a long pool faster than we would.
    let model: &Model = Box::leak(Box::new(place.load(&name)?));
    if let Some(only) = &cli.provider {
        model.provider(only)?;
    }
    let mut state = State::open(&place.state_file)?;
    let session = session::find(&state, cli, model)?;
    let mut request = Request::new(cli, &place, run, now)?;
    if let Some(asked) = &session {
        record.set("session", &asked.session)?;
        if let Some(provider) = &asked.provider {
            (request.only, request.bound_by) = (Some(provider.as_str()), Some(asked.label()));
        }
        if let Some(why) = &asked.lost {
            // Whoever follows this session must hear of it, hops or not: the agent will know nothing of what was said.
            let message = format!("{} {why}; beginning it afresh", asked.label());
            exit::warn(NAME, &Failure::new(exit::OK, message));
        }
    }
    let (served, picked) = first_able(cli, &mut state, &mut request, model)?;
    state.close()?;
    if let Some(other) = served {
        record.set("model", &other)?;
        record.set("model_asked", &name)?;
    }
    match picked {
        Ok(pick) => fill(&place, record, &pick),
        Err(error) => {
            record.set("error", &error)?;
            let mut failure = Failure::new(error.code, error.message);
            failure.hint = error.hint;
            Err(failure.into())
        }
    }
}

/// The pick of the model itself, else of a model that it falls back to, which is named then; else what a wait brings.
fn first_able(
    cli: &Cli,
    state: &mut State,
    request: &mut Request,
    model: &Model,
) -> Result<(Option<String>, Result<Pick, ToolError>)> {
    let end = match cli.wait.as_deref() {
        None | Some("") => None,
        Some(most) => Instant::now().checked_add(clock::parse_duration(most).context("--wait")?),
    };
    let mut served = fallback::pick(state, request, model)?;
    if let Served::Nobody(error) = &served
        && cli.wait.is_some()
        && error.code == exit::LATER
    {
        say(cli, format!("{}; waiting", error.message));
        served = queue::wait(state, request, model, end)?;
    }
    Ok(match served {
        Served::Nobody(error) => (None, Err(error)),
        Served::By(pick) => (None, Ok(pick)),
        Served::ByOther(pick, other) => {
            say(cli, format!("{}; falling back to model '{}'", other.why, other.name));
            (Some(other.name), Ok(pick))
        }
    })
}

fn say(cli: &Cli, message: String) {
    if !cli.quiet {
        exit::warn(NAME, &Failure::new(exit::OK, message));
    }
}

/// Ends a reservation that nobody has heard of.
fn give_up(cli: &Cli, run: &str, now: Stamp) -> Result<()> {
    let mut state = State::open(&paths::state_file(cli.state.as_deref())?)?;
    state.write(|db| reclaim::mark_lost(db, &[run.to_owned()], now))?;
    state.close()
}

fn fill(place: &Place, record: &mut Record, pick: &Pick) -> Result<()> {
    let dir = paths::run_dir(&place.state_file, record.run());
    let dir = dir.to_str().ok_or_else(|| {
        Failure::trouble(format!("the path '{}' is not UTF-8, which the record needs", dir.display()))
    })?;
    record.set("dir", dir)?;
    record.set("pick", pick)
}

fn print(cli: &Cli, record: &Record) -> Result<ExitCode> {
    let mut out = stdout().lock();
    match &cli.field {
        None => record.write(out)?,
        Some(field) => {
            let value = record.at(field).or_else(|| record.at(&format!("pick.{field}")));
            match value.ok_or_else(|| Failure::trouble(format!("the record has no field '{field}'")))? {
                serde_json::Value::String(text) => writeln!(out, "{text}")?,
                value => writeln!(out, "{value}")?,
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
