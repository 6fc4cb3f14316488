//! `ar-pick`: chooses a provider of a model, reserves it and prints the record that the pipeline carries on.

mod chance;
mod choose;
mod cli;
mod doorbell;
mod explain;
mod fallback;
mod nobody;
mod pool;
mod queue;
mod quota;
mod reclaim;
mod request;
mod reserve;
mod serve;
mod session;
mod show;
mod switch;

use anyhow::Result;
use ar_core::{Stamp, exit, record, state::State};
use clap::Parser;
use cli::Cli;
use request::Place;
use std::process::ExitCode;
use switch::Deed;

const NAME: &str = "ar-pick";

fn main() -> ExitCode {
    let result = match Cli::try_parse() {
        Ok(cli) => run(&cli),
        Err(error) => exit::told(error.print(), if error.use_stderr() { exit::TROUBLE } else { exit::OK }),
    };
    exit::report(NAME, result)
}

fn run(cli: &Cli) -> Result<ExitCode> {
    let now = Stamp::now()?;
    let run = record::new_id(now)?;
    if cli.list || cli.explain || cli.policy {
        return show::show(cli, &run, now);
    }
    if cli.reset.is_some()
        || cli.lock.is_some()
        || cli.unlock
        || cli.disable.is_some()
        || cli.enable.is_some()
    {
        let place = Place::new(cli)?;
        let model = place.model(cli.model.as_deref())?;
        let mut state = State::open(&place.state_file)?;
        if let Some(deed) = Deed::new(cli, &model, now)? {
            deed.perform(&mut state, &model, now)?;
        }
        state.close()?;
        return Ok(ExitCode::SUCCESS);
    }
    serve::serve(cli, &run, now)
}
