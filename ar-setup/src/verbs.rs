//! From the verb on the command line to the module that does it.

use crate::cli::{Cli, Verb};
use crate::doctor::{self, Orders};
use crate::pipeline::Ground;
use crate::{ai, check, detect, edit, import, init, names, path, snippet, trial};
use ar_core::paths;
use std::io;
use std::process::ExitCode;

/// Does what the command line asks for.
pub fn carry_out(cli: Cli) -> anyhow::Result<ExitCode> {
    let dir = || paths::config_dir(cli.config.as_deref());
    let ground = || -> anyhow::Result<Ground> {
        Ok(Ground { config: dir()?, state: paths::state_file(cli.state.as_deref())? })
    };
    let mut out = io::stdout().lock();
    match cli.verb {
        Verb::Init { yes, answers } => init::run(&dir()?, yes, answers.as_deref(), &mut out),
        Verb::Detect { json } => detect::run(json, &mut out),
        Verb::Check => check::run(&dir()?, &mut out),
        Verb::AddProvider(new) => edit::add_provider(&dir()?, &new, &mut out),
        Verb::RemoveProvider { model, provider, dry_run } => {
            edit::remove_provider(&dir()?, &model, &provider, dry_run, &mut out)
        }
        Verb::Rename { old, new, dry_run } => edit::rename(&dir()?, &old, &new, dry_run, &mut out),
        Verb::Set { key, value, unset: _, dry_run } => {
            edit::set(&dir()?, &key, value.as_deref(), dry_run, &mut out)
        }
        Verb::Test(trial) => trial::run(&ground()?, &trial, &mut out),
        Verb::Doctor { json, fix, cron } => {
            // That the places cannot be told is one of its findings.
            doctor::run(&ground(), Orders { json, fix, cron }, &mut out)
        }
        Verb::Import { dry_run, dir: from } => import::run(&dir()?, &from, dry_run, &mut out),
        Verb::Ai(talk) => ai::run(&ground()?, &talk, &mut out),
        Verb::Cron(job) => snippet::cron(&ground()?, &job, &mut out),
        Verb::Systemd { job, unit } => snippet::systemd(&ground()?, &job, unit, &mut out),
        Verb::Make(job) => snippet::make(&ground()?, &job, &mut out),
        Verb::Completions { shell } => snippet::completions(&shell, &mut out),
        Verb::Path { which, json } => {
            path::run(&dir()?, &paths::state_file(cli.state.as_deref())?, which, json, &mut out)
        }
        Verb::Names { kind, model } => names::run(&dir()?, kind, model.as_deref(), &mut out),
    }
}
