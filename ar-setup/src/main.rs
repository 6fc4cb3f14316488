//! `ar-setup`: from the agents on this machine to a configuration that works, and its care.

mod advice;
mod answers;
mod ask;
mod cache;
mod change;
mod check;
mod cli;
mod detect;
mod diff;
mod doctor;
mod document;
mod edit;
mod file;
mod init;
mod interview;
mod known;
mod login;
mod names;
mod path;
mod pipeline;
mod places;
mod pool;
mod probe;
mod trial;

use ar_core::{exit, paths};
use clap::Parser;
use cli::{Cli, Verb};
use doctor::Orders;
use pipeline::Ground;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    exit::report("ar-setup", run())
}

fn run() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    let dir = paths::config_dir(cli.config.as_deref())?;
    let ground = || -> anyhow::Result<Ground> {
        Ok(Ground { config: dir.clone(), state: paths::state_file(cli.state.as_deref())? })
    };
    let mut out = io::stdout().lock();
    match cli.verb {
        Verb::Init { yes, answers } => init::run(&dir, yes, answers.as_deref(), &mut out),
        Verb::Detect { json } => detect::run(json, &mut out),
        Verb::Check => check::run(&dir, &mut out),
        Verb::AddProvider(new) => edit::add_provider(&dir, &new, &mut out),
        Verb::RemoveProvider { model, provider, dry_run } => {
            edit::remove_provider(&dir, &model, &provider, dry_run, &mut out)
        }
        Verb::Rename { old, new, dry_run } => edit::rename(&dir, &old, &new, dry_run, &mut out),
        Verb::Set { key, value, unset: _, dry_run } => {
            edit::set(&dir, &key, value.as_deref(), dry_run, &mut out)
        }
        Verb::Test(trial) => trial::run(&ground()?, &trial, &mut out),
        Verb::Doctor { json, fix, cron } => doctor::run(&ground()?, Orders { json, fix, cron }, &mut out),
        Verb::Path { which, json } => {
            path::run(&dir, &paths::state_file(cli.state.as_deref())?, which, json, &mut out)
        }
        Verb::Names { kind, model } => names::run(&dir, kind, model.as_deref(), &mut out),
    }
}
