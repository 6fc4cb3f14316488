//! `ar-completions DIR` writes the shell completions of all tools to `DIR/bash`, `DIR/zsh` and `DIR/fish`.
//!
//! A program of the build, not installed. The options come from the tools' own `cli.rs`; the names of models, providers
//! and agents are asked of `ar-setup names` when somebody presses the tabulator key.

mod commands;
#[cfg(test)]
mod manual;
mod script;

use anyhow::Context;
use ar_core::exit::{self, Failure};
use clap_complete::Shell;
use std::path::PathBuf;
use std::process::ExitCode;
use std::{env, fs};

fn main() -> ExitCode {
    exit::report("ar-completions", run())
}

fn run() -> anyhow::Result<ExitCode> {
    let mut args = env::args_os().skip(1);
    let (Some(dir), None) = (args.next().map(PathBuf::from), args.next()) else {
        return Err(Failure::trouble("usage: ar-completions DIR").into());
    };
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        let dir = dir.join(shell.to_string());
        fs::create_dir_all(&dir).with_context(|| format!("cannot create '{}'", dir.display()))?;
        for (name, text) in script::files(shell) {
            let path = dir.join(name);
            fs::write(&path, text).with_context(|| format!("cannot write '{}'", path.display()))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
