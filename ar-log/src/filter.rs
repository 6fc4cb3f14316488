//! The end of the pipeline: stores each record of standard input, then prints what was asked for.

use crate::cli::{Cli, Format};
use crate::paper::Paper;
use crate::redact::Secrets;
use crate::store::{self, Keep};
use crate::{NAME, answer, content, hook, payload, prune, status, tags};
use anyhow::Result;
use ar_core::config::{Config, LogContent};
use ar_core::{Failure, Record, Stamp, exit, paths, record, signals, state::State};
use std::io::{stdin, stdout};
use std::path::Path;
use std::process::ExitCode;

/// How much of a prompt and of an answer can be searched where nobody says.
const SEARCHED_BYTES: u64 = 65_536;

/// Stores every record of standard input. The status is that of the last run that is not good.
pub fn run(cli: &Cli, state_file: &Path) -> Result<ExitCode> {
    let tags = tags::parse(&cli.select.tag)?;
    signals::outlive()?;
    let mut input = stdin().lock();
    let mut record = match record::read(&mut input)? {
        Some(record) => record,
        // Our caller looked at the record, and waits for a provider instead.
        None if cli.store.failover => return Ok(ExitCode::SUCCESS),
        None => return Err(record::no_record().into()),
    };
    // What made no run needs none, and ar-pick has told what is wrong with it.
    let (config, secrets) = if status::made_no_run(&record)? { Default::default() } else { config(cli) };
    let mut worst = exit::OK;
    let mut unprinted = Ok(());
    loop {
        if !tags.is_empty() {
            record.set("tags", &tags)?;
        }
        let code = status::code(&record)?;
        let state = keep(cli, state_file, &record, code, (&config, &secrets))
            .map_err(|error| with_the_answer(&error, &record, code))?;
        // A reader that went away, or a full disk, takes nothing from the runs behind this one, nor from hooks.
        unprinted = unprinted.and(print(cli, &record, code));
        if cli.store.no_log || config.log_content == LogContent::None {
            unprinted = unprinted.and(answer::forget(state_file, &record));
        }
        afterwards(state, state_file, &record, (&config, &secrets));
        if code != exit::OK {
            worst = code;
        }
        match record::read(&mut input)? {
            Some(next) => record = next,
            None => return unprinted.map(|()| ExitCode::from(worst)),
        }
    }
}

/// What nobody waits for: hooks, and a little cleaning. Their trouble is told, and is not the run's.
fn afterwards(
    state: Option<State>,
    state_file: &Path,
    record: &Record,
    (config, secrets): (&Config, &Secrets),
) {
    let told = hook::start(&config.hooks, record, secrets, state_file);
    let cleaned = state.map_or(Ok(()), |state| tidy(state, state_file, record.run(), (config, secrets)));
    for error in [told, cleaned].into_iter().filter_map(Result::err) {
        exit::warn(NAME, &Failure::of(&error));
    }
}

fn keep(
    cli: &Cli,
    state_file: &Path,
    record: &Record,
    code: u8,
    (config, secrets): (&Config, &Secrets),
) -> Result<Option<State>> {
    if status::made_no_run(record)? {
        return Ok(None);
    }
    let now = Stamp::now()?;
    let row = store::row(state_file, record, code, now, (how_much(cli, config), secrets))?;
    let mut state = State::open(state_file)?;
    store::store(&mut state, record, &row, now, &config.cooldown)?;
    if let Some(dir) = record.dir() {
        content::forget_masked(&dir)?;
    }
    Ok(Some(state))
}

/// Cleans up a little. The answer is out by now, so that it waits for nothing, and trouble here is not its trouble.
fn tidy(
    mut state: State,
    state_file: &Path,
    run: &str,
    (config, secrets): (&Config, &Secrets),
) -> Result<()> {
    let now = Stamp::now()?;
    payload::look_after_lost(&mut state, state_file, config.log_content, secrets)?;
    prune::a_little(&mut state, state_file, run, config, now)?;
    payload::compress_a_little(&mut state, state_file, config, now)?;
    state.close()
}

/// An answer that was paid for is not lost with the database: says where it is.
fn with_the_answer(error: &anyhow::Error, record: &Record, code: u8) -> anyhow::Error {
    let failure = Failure::of(error);
    let answer = record.dir().map(|dir| dir.join("answer")).filter(|file| code == exit::OK && file.exists());
    let Some(answer) = answer else { return failure.into() };
    let place = format!("the answer is in '{}'", answer.display());
    let hint = match &failure.hint {
        Some(hint) => format!("{place}; {hint}"),
        None => place,
    };
    failure.hint(hint).into()
}

fn how_much(cli: &Cli, config: &Config) -> Keep {
    match config.log_content {
        _ if cli.store.no_log => Keep::Counters,
        LogContent::None => Keep::Facts,
        LogContent::All => Keep::All(config.log_search_bytes.map_or(SEARCHED_BYTES, u64::from)),
    }
}

/// The configuration. One that cannot be read must not lose the run: its trouble is told, and the defaults hold, except
/// that what was said is not kept, because whoever wrote it may have wanted so.
fn config(cli: &Cli) -> (Config, Secrets) {
    let config = paths::config_dir(cli.store.config.as_deref()).and_then(|dir| Config::load(&dir));
    let config = config.and_then(|config| {
        let secrets = Secrets::new(&config.log_secrets)?;
        Ok((config, secrets))
    });
    config.unwrap_or_else(|error| {
        exit::warn(NAME, &Failure::of(&error));
        (Config { log_content: LogContent::None, ..Config::default() }, Secrets::default())
    })
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
