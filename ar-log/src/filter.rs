//! The end of the pipeline: stores each record of standard input, then prints what was asked for.

use crate::cli::{Cli, Format};
use crate::paper::Paper;
use crate::store::{self, Keep};
use crate::{NAME, answer, status, tags};
use anyhow::Result;
use ar_core::config::{Config, Cooldown};
use ar_core::{Failure, Record, Stamp, exit, paths, record, state::State};
use std::io::{stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

/// Stores every record of standard input. The status is that of the last run that is not good.
pub fn run(cli: &Cli, state_file: &Path) -> Result<ExitCode> {
    let tags = tags::parse(&cli.select.tag)?;
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
        keep(cli, state_file, &record, code)?;
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

fn keep(cli: &Cli, state_file: &Path, record: &Record, code: u8) -> Result<()> {
    if status::made_no_run(record)? {
        return Ok(());
    }
    let rules = rules(cli, record)?;
    let now = Stamp::now()?;
    let keep = if cli.store.no_log { Keep::Nothing } else { Keep::Content };
    let row = store::row(state_file, record, code, now, keep)?;
    let mut state = State::open(state_file)?;
    store::store(&mut state, record, &row, now, &rules)?;
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
    if cli.store.failover && status::another_may_do_better(record)? {
        return Ok(());
    }
    match (Paper::new(&cli.print).format, cli.store.cat) {
        (Format::Json, _) => answer::print_json(record, code == exit::OK),
        (_, false) => record.write(stdout().lock()),
        (_, true) if code == exit::OK => answer::print(record),
        (_, true) => answer::print_failure(NAME, record),
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
