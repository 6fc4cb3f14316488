//! What only looks: `--explain`, `--list` and `--policy`.

use crate::cli::Cli;
use crate::explain::{Line, Outlook};
use crate::request::{Place, Request};
use anyhow::{Context, Result};
use ar_core::config::{Model, model_names};
use ar_core::state::State;
use ar_core::{Failure, Stamp, exit};
use std::io::{IsTerminal, Write, stdout};
use std::process::ExitCode;

const UNWRITABLE: &str = "cannot write to standard output";

/// Prints what is asked for, and changes nothing.
pub fn show(cli: &Cli, run: &str, now: Stamp) -> Result<ExitCode> {
    let place = Place::new(cli)?;
    let mut out = stdout().lock();
    if cli.policy {
        write!(out, "{}", place.config.cooldown).context(UNWRITABLE)?;
        return Ok(ExitCode::SUCCESS);
    }
    let request = Request::new(cli, &place, run, now)?;
    let mut state = State::open(&place.state_file)?;
    if cli.explain {
        let outlook = Outlook::read_all(&mut state, &request, &place.model(cli.model.as_deref())?)?;
        if cli.json {
            writeln!(out, "{}", serde_json::to_string(&outlook)?).context(UNWRITABLE)?;
        } else {
            outlook.print(&mut out).context(UNWRITABLE)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let (outlooks, whole) = outlooks(&mut state, &request, &place)?;
    if cli.json {
        writeln!(out, "{}", serde_json::to_string(&outlooks)?).context(UNWRITABLE)?;
    } else {
        print(&outlooks, out).context(UNWRITABLE)?;
    }
    Ok(if whole { ExitCode::SUCCESS } else { ExitCode::from(exit::TROUBLE) })
}

/// The outlook of every model. One whose file cannot be read is told of and passed over; false if there is one.
fn outlooks(state: &mut State, request: &Request, place: &Place) -> Result<(Vec<Outlook>, bool)> {
    let mut outlooks = Vec::new();
    let mut whole = true;
    for name in model_names(&place.config_dir)? {
        match Model::load(&place.config_dir, &name) {
            Ok(model) => outlooks.push(Outlook::read(state, request, &model)?),
            Err(error) => {
                exit::warn(crate::NAME, &Failure::of(&error));
                whole = false;
            }
        }
    }
    Ok((outlooks, whole))
}

/// Prints one line a provider, its health in colour on a terminal.
fn print(outlooks: &[Outlook], mut out: impl Write + IsTerminal) -> Result<()> {
    let is_coloured = out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let rows =
        || outlooks.iter().flat_map(|outlook| outlook.candidates.iter().map(|line| (&outlook.model, line)));
    let model = rows().map(|(model, _)| model.chars().count()).max().unwrap_or(0).max(5);
    let provider = rows().map(|(_, line)| line.provider.chars().count()).max().unwrap_or(0).max(8);
    writeln!(out, "{:model$}  {:provider$}  TIER  WEIGHT  RUNS  LIVE  HEALTH", "MODEL", "PROVIDER")?;
    for (name, line) in rows() {
        let Line { tier, weight, runs, live, .. } = line;
        let (start, end) = if is_coloured { (colour(line), "\x1b[0m") } else { ("", "") };
        let health = health(line);
        writeln!(
            out,
            "{name:model$}  {:provider$}  {tier:>4}  {weight:>6}  {runs:>4}  {live:>4}  {start}{health}{end}",
            line.provider
        )?;
    }
    Ok(())
}

fn health(line: &Line) -> String {
    let words = line.health.replace('_', " ");
    match (line.class, line.retry_at) {
        (Some(class), Some(at)) => format!("{words} ({}) until {at}", class.name()),
        (Some(class), None) => format!("{words} ({})", class.name()),
        (None, Some(at)) => format!("{words} until {at}"),
        (None, None) => words,
    }
}

fn colour(line: &Line) -> &'static str {
    match line.health {
        "ready" => "\x1b[32m",
        "cooling" | "disabled" | "switched_off" | "spent" => "\x1b[31m",
        _ => "\x1b[33m",
    }
}
