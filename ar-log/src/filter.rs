//! The end of the pipeline: stores each record of standard input, then prints what was asked for.

use crate::cli::{Cli, Format};
use crate::paper::Paper;
use crate::redact::Secrets;
use crate::store::{self, Keep};
use crate::{NAME, answer, status, tags};
use crate::{hook, prune};
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
    let config = if status::made_no_run(&record)? { Config::default() } else { config(cli) };
    let mut worst = exit::OK;
    loop {
        if !tags.is_empty() {
            record.set("tags", &tags)?;
        }
        let code = status::code(&record)?;
        keep(cli, state_file, &record, code, &config)?;
        let printed = print(cli, &record, code);
        // Also where nobody could be given the answer.
        if cli.store.no_log || config.log_content == LogContent::None {
            answer::forget(state_file, &record)?;
        }
        printed?;
        if let Err(error) = hook::start(&config.hooks, &record, state_file) {
            exit::warn(NAME, &Failure::of(&error));
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

fn keep(cli: &Cli, state_file: &Path, record: &Record, code: u8, config: &Config) -> Result<()> {
    if status::made_no_run(record)? {
        return Ok(());
    }
    let now = Stamp::now()?;
    let keep = how_much(cli, config)?;
    let row = store::row(state_file, record, code, now, &keep)?;
    let mut state = State::open(state_file)?;
    store::store(&mut state, record, &row, now, &config.cooldown)?;
    prune::a_little(&mut state, state_file, &row.0.id, config, now)?;
    state.close()
}

fn how_much(cli: &Cli, config: &Config) -> Result<Keep> {
    Ok(match config.log_content {
        _ if cli.store.no_log => Keep::Counters,
        LogContent::None => Keep::Facts,
        LogContent::All => {
            let most = config.log_search_bytes.map_or(SEARCHED_BYTES, u64::from);
            Keep::All(most, Secrets::new(&config.log_secrets)?)
        }
    })
}

/// The configuration. One that cannot be read must not lose the run: its trouble is told, and the defaults hold, except
/// that what was said is not kept, because whoever wrote it may have wanted so.
fn config(cli: &Cli) -> Config {
    let config = paths::config_dir(cli.store.config.as_deref()).and_then(|dir| Config::load(&dir));
    config.unwrap_or_else(|error| {
        exit::warn(NAME, &Failure::of(&error));
        Config { log_content: LogContent::None, ..Config::default() }
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
