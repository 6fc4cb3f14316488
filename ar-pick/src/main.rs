//! `ar-pick`: chooses a provider of a model, reserves it and prints the record that the pipeline carries on.

mod choose;
mod cli;
mod explain;
mod nobody;
mod reclaim;
mod store;

use anyhow::Result;
use ar_core::config::{Config, Model};
use ar_core::exit;
use ar_core::{Failure, Record, Stamp, clock, paths, record, state::State};
use clap::Parser;
use cli::Cli;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use store::{Picked, Request};

const NAME: &str = "ar-pick";

fn main() -> ExitCode {
    let cli = Cli::parse();
    exit::report(NAME, run(&cli))
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let now = Stamp::now()?;
    let id = record::new_id(now)?;
    let call = cli.call.as_deref().unwrap_or(&id);
    let mut record = Record::new(&id, call, cli.attempt);
    let one_value = cli.field.is_some() || cli.explain || cli.reset.is_some();
    let failure = match pick(cli, now, &mut record) {
        Ok(Shown::Record) => return print(cli, &record),
        Ok(Shown::Already) => return Ok(ExitCode::SUCCESS),
        Err(error) if one_value => return Err(error),
        Err(error) => Failure::of(&error),
    };
    if record.at("error").is_none() {
        record.set_error(NAME, &failure)?;
    }
    if !(cli.quiet && (failure.code == exit::LATER || failure.code == exit::UNAVAILABLE)) {
        exit::warn(NAME, &failure);
    }
    record.write(stdout().lock())?;
    Ok(ExitCode::from(failure.code))
}

/// What a pick leaves to be printed.
enum Shown {
    Record,
    Already,
}

fn pick(cli: &Cli, now: Stamp, record: &mut Record) -> Result<Shown> {
    if cli.call.as_deref().is_some_and(|call| !record::is_id(call)) {
        return Err(Failure::trouble("--call takes a ULID").into());
    }
    let timeout = cli.timeout.as_deref().map(clock::parse_duration).transpose()?;
    let config_dir = paths::config_dir(cli.config.as_deref())?;
    let state_file = paths::state_file(cli.state.as_deref())?;
    let name = Config::load(&config_dir)?.choose_model(&config_dir, cli.model.as_deref())?;
    record.set("model", &name)?;
    let model = Model::load(&config_dir, &name)?;
    for named in cli.provider.iter().chain(&cli.reset) {
        model.provider(named)?;
    }
    let mut state = State::open(&state_file)?;
    if let Some(provider) = &cli.reset {
        store::reset(&mut state, &model, model.provider(provider)?)?;
        state.close()?;
        return Ok(Shown::Already);
    }
    let request = Request {
        model: &model,
        now,
        only: cli.provider.as_deref(),
        exclude: &cli.exclude,
        timeout,
        run: record.run(),
        call: record.call(),
        attempt: record.attempt(),
        runs: &paths::run_dir(&state_file, ""),
    };
    if cli.explain {
        let (candidates, levels) = store::look(&state, &request)?;
        explain::print(&model, &candidates, &levels)?;
        return Ok(Shown::Already);
    }
    let picked = store::pick(&mut state, &request)?;
    state.close()?;
    fill(&state_file, record, &picked)?;
    Ok(Shown::Record)
}

fn fill(state_file: &Path, record: &mut Record, picked: &Picked) -> Result<()> {
    match picked {
        Picked::Nobody(nobody) => {
            record.set("error", nobody)?;
            let mut failure = Failure::new(nobody.code, nobody.message.clone());
            failure.hint.clone_from(&nobody.hint);
            Err(failure.into())
        }
        Picked::One(pick) => {
            let dir = paths::run_dir(state_file, record.run());
            let dir = dir.to_str().ok_or_else(|| {
                Failure::trouble(format!("the path '{}' is not UTF-8, which the record needs", dir.display()))
            })?;
            record.set("dir", dir)?;
            record.set("pick", pick)
        }
    }
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
