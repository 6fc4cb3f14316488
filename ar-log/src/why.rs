//! `show --why`: the candidates among which a run's provider was chosen, as ar-pick kept them.

use crate::cli::Format;
use crate::paper::{CANNOT, Paper};
use crate::row::Run;
use anyhow::{Context, Result};
use ar_core::Failure;
use serde::Deserialize;
use std::io::{Write, stdout};

/// What ar-pick thought of one candidate; more of it is for programs.
#[derive(Debug, Deserialize)]
struct Candidate {
    provider: String,
    tier: u32,
    taken: bool,
    why: String,
}

/// Prints one line a candidate, the one that was taken marked; or the JSON as it is.
pub fn print(run: &Run, paper: &Paper) -> Result<()> {
    let Some(why) = &run.why else {
        return Err(Failure::trouble(format!("run '{}' was not picked by ar-pick", run.id)).into());
    };
    let mut out = stdout().lock();
    if paper.format != Format::Table {
        writeln!(out, "{why}").context(CANNOT)?;
        return Ok(());
    }
    let candidates: Vec<Candidate> = serde_json::from_str(why)
        .with_context(|| format!("what is kept of the choice of run '{}' is damaged", run.id))?;
    let width =
        candidates.iter().map(|candidate| candidate.provider.chars().count()).max().unwrap_or(0).max(8);
    writeln!(out, "  {:width$}  TIER  WHY", "PROVIDER").context(CANNOT)?;
    for Candidate { provider, tier, taken, why } in &candidates {
        let (mark, verb) = if *taken { ('*', "taken") } else { (' ', "left") };
        writeln!(out, "{mark} {provider:width$}  {tier:>4}  {verb}: {why}").context(CANNOT)?;
    }
    Ok(())
}
