//! Checks ar against the real command line agents: installs them, points each at the mock of its provider, and compares
//! what the pipeline says of good and bad runs with what happened.
//!
//! `ar-check-clis [AGENT…]` prints a table of agents and cases, and exits with 1 when a cell is wrong. It is no part of
//! `make check`, as it installs what is current today from the package registries.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "the table is what it is for")]

mod agent;
mod case;
mod install;
mod run;
mod table;

use agent::{AGENTS, Agent};
use anyhow::{Context, bail};
use ar_tests::mock::Mock;
use case::{CASES, Cell};
use run::Bench;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use std::{env, thread};

/// Agents that are checked side by side; most of the time they wait.
const SIDE_BY_SIDE: usize = 4;

/// An agent's row.
struct Row {
    agent: &'static Agent,
    /// The version, or why it could not be installed.
    version: Result<String, String>,
    cells: Vec<Cell>,
}

fn main() -> anyhow::Result<ExitCode> {
    let asked: Vec<String> = env::args().skip(1).collect();
    if let Some(unknown) = asked.iter().find(|name| AGENTS.iter().all(|agent| agent.name != **name)) {
        bail!("there is no agent '{unknown}'");
    }
    let chosen =
        AGENTS.iter().filter(|agent| asked.is_empty() || asked.iter().any(|name| name == agent.name));
    let queue: Mutex<Vec<&Agent>> = Mutex::new(chosen.collect());
    let rows = Mutex::new(Vec::new());
    let start = Instant::now();
    let scratch = scratch()?;
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            scope.spawn(|| {
                loop {
                    // The last ones are the slowest, so they begin.
                    let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop();
                    let Some(agent) = next else { break };
                    let row = check(agent, &scratch);
                    rows.lock().unwrap_or_else(PoisonError::into_inner).push(row);
                }
            });
        }
    });
    let mut rows = rows.into_inner().unwrap_or_else(PoisonError::into_inner);
    rows.sort_by_key(|row| AGENTS.iter().position(|agent| agent.name == row.agent.name));
    let wrong = table::print(&rows);
    eprintln!("ar-check-clis: {} s, details in '{}'", start.elapsed().as_secs(), scratch.display());
    Ok(if wrong == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Where agents and their homes are kept between runs, beside our programs.
fn scratch() -> anyhow::Result<PathBuf> {
    let exe = env::current_exe().context("cannot tell where this program is")?;
    let target = exe.ancestors().nth(2).context("this program lies in no directory")?;
    Ok(target.join("check-clis"))
}

fn check(agent: &'static Agent, scratch: &std::path::Path) -> Row {
    let installed = install::install(agent, scratch);
    let bench = installed.and_then(|bin| Bench::new(agent, bin, scratch, Mock::start()?));
    match bench {
        Err(error) => Row { agent, version: Err(format!("{error:#}")), cells: Vec::new() },
        Ok(mut bench) => {
            let cells = CASES.iter().map(|case| bench.cell(*case)).collect();
            Row { agent, version: Ok(bench.version()), cells }
        }
    }
}
