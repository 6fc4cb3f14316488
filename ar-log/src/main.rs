//! `ar-log`: stores the record at the end of the pipeline, prints its answer, and shows what was stored.

mod answer;
mod cli;
mod cooldown;
mod query;
mod status;
mod store;
mod tags;

use anyhow::Result;
use ar_core::config::{Config, Cooldown};
use ar_core::{Failure, Record, Stamp, exit, paths, record, state::State};
use clap::Parser;
use cli::{Cli, Store, Verb};
use std::io::{IsTerminal, stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

const NAME: &str = "ar-log";

fn main() -> ExitCode {
    let cli = Cli::parse();
    exit::report(NAME, run(&cli))
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let state_file = paths::state_file(cli.state.as_deref())?;
    match &cli.verb {
        Some(Verb::List { number }) => query::list(&state_file, *number, cli.json),
        Some(Verb::Show { run }) => query::show(&state_file, run, cli.json),
        Some(Verb::Path { run }) => query::path(&state_file, run.as_deref()),
        // The dispatcher calls us 'ar log': a person asks, whatever standard input is.
        None if !cli.store.cat
            && (std::env::args().next().as_deref() == Some("ar log") || stdin().is_terminal()) =>
        {
            query::list(&state_file, cli::DEFAULT_NUMBER, cli.json)
        }
        None => filter(cli, &state_file),
    }
}

/// Stores every record of standard input. The status is that of the last run that is not good.
fn filter(cli: &Cli, state_file: &Path) -> Result<ExitCode> {
    let tags = tags::parse(&cli.store.tag)?;
    outlive_signals()?;
    let mut input = stdin().lock();
    let mut record = match record::read(&mut input)? {
        Some(record) => record,
        // Our caller looked at the record, and waits for a provider instead.
        None if cli.store.failover => return Ok(ExitCode::SUCCESS),
        None => return Err(record::no_record().into()),
    };
    let mut worst = exit::OK;
    loop {
        if !tags.is_empty() {
            record.set("tags", &tags)?;
        }
        let code = status::code(&record)?;
        store(cli, state_file, &record, code)?;
        print(cli, &record, code)?;
        if cli.store.no_log {
            answer::forget(&record)?;
        }
        if code != exit::OK {
            worst = code;
        }
        match record::read(&mut input)? {
            Some(next) => record = next,
            None => return Ok(ExitCode::from(worst)),
        }
    }
}

fn store(cli: &Cli, state_file: &Path, record: &Record, code: u8) -> Result<()> {
    if status::made_no_run(record)? {
        return Ok(());
    }
    let rules = rules(cli, record)?;
    let mut state = State::open(state_file)?;
    store::store(&mut state, record, code, Stamp::now()?, !cli.store.no_log, &rules)?;
    state.close()
}

/// The numbers of the cooldowns, which only a failure of the provider needs. A configuration that cannot be read must not
/// lose the run: its trouble is told, and the defaults hold.
fn rules(cli: &Cli, record: &Record) -> Result<Cooldown> {
    if !status::another_may_do_better(record)? {
        return Ok(Cooldown::default());
    }
    let config = paths::config_dir(cli.store.config.as_deref()).and_then(|dir| Config::load(&dir));
    Ok(config.map_or_else(
        |error| {
            exit::warn(NAME, &Failure::of(&error));
            Cooldown::default()
        },
        |config| config.cooldown,
    ))
}

fn print(cli: &Cli, record: &Record, code: u8) -> Result<()> {
    let Store { cat, failover, .. } = cli.store;
    if failover && status::another_may_do_better(record)? {
        return Ok(());
    }
    match (cli.json, cat) {
        (true, _) => answer::print_json(record, code == exit::OK),
        (false, false) => record.write(stdout().lock()),
        (false, true) if code == exit::OK => answer::print(record),
        (false, true) => answer::print_failure(NAME, record),
    }
}

/// A Ctrl-C reaches every stage of a pipeline. The run that it ends must still be stored, and end-of-file ends us.
fn outlive_signals() -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    for signal in [SIGHUP, SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register(signal, std::sync::Arc::default())
            .map_err(|error| Failure::trouble(format!("cannot handle signal {signal}: {error}")))?;
    }
    Ok(())
}
