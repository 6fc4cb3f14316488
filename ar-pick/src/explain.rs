//! `--explain`: every candidate, and why it would be taken or left.

use crate::choose::{self, Candidate};
use crate::nobody::word;
use anyhow::Result;
use ar_core::config::Model;
use std::collections::HashMap;
use std::io::{Write, stdout};

/// Prints one line a candidate. The first column marks the one that a pick would take.
pub fn print(model: &Model, candidates: &[Candidate], levels: &HashMap<u32, i64>) -> Result<()> {
    let level = |tier| choose::level(candidates, tier, levels.get(&tier).copied().unwrap_or(0));
    let chosen = choose::choose(candidates, level);
    let width =
        model.providers.iter().map(|provider| provider.name.chars().count()).max().unwrap_or(0).max(8);
    let mut out = stdout().lock();
    writeln!(out, "  {:width$}  TIER  WEIGHT  RUNS  LIVE  WHY", "PROVIDER")?;
    for (candidate, provider) in candidates.iter().zip(&model.providers) {
        let taken = chosen.is_some_and(|chosen| chosen.index == candidate.index);
        let why = if taken {
            format!("taken: {}", choose::reason(candidate, candidates))
        } else {
            left(candidate, chosen)
        };
        writeln!(
            out,
            "{} {:width$}  {:>4}  {:>6}  {:>4}  {:>4}  {why}",
            if taken { '*' } else { ' ' },
            provider.name,
            candidate.tier,
            candidate.weight,
            candidate.runs,
            candidate.in_flight,
        )?;
    }
    Ok(())
}

fn left(candidate: &Candidate, chosen: Option<&Candidate>) -> String {
    match chosen {
        Some(chosen) if candidate.usable() && candidate.tier > chosen.tier => {
            format!("left: tier {} can serve", chosen.tier)
        }
        Some(_) if candidate.usable() && candidate.shaky => {
            "left: it failed three times in 30 minutes".to_owned()
        }
        Some(_) if candidate.usable() => "left: another has fewer runs".to_owned(),
        _ => format!("left: it {}", word(candidate)),
    }
}
