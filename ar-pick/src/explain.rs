//! `--explain`: every candidate, and why it would be taken or left. The same is stored with each run.

use crate::choose::{Candidate, Pool, Standing};
use crate::nobody::word;
use crate::quota::{self, Quota};
use crate::request::Request;
use crate::{fallback, pool, queue, reclaim};
use anyhow::{Context, Result};
use ar_core::Stamp;
use ar_core::config::Model;
use ar_core::record::Class;
use ar_core::state::State;
use serde::Serialize;
use std::io::Write;

/// How many candidates are stored with a run, and the one that was taken.
const STORED: usize = 16;

/// What a pick of a model would do.
#[derive(Debug, Serialize)]
pub struct Outlook {
    pub model: String,
    /// How many calls wait in line before a provider goes to another.
    pub waiting: usize,
    pub candidates: Vec<Line>,
    /// What is known of the quotas of the model's accounts.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub quotas: Vec<Quota>,
    /// The models that a pick would turn to, the last of which would serve if any would.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fallbacks: Vec<Outlook>,
}

/// What a pick thinks of one candidate.
#[derive(Debug, Serialize)]
pub struct Line {
    pub provider: String,
    pub tier: u32,
    pub weight: u32,
    pub runs: i64,
    pub live: i64,
    pub health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<Class>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Stamp>,
    /// What the strategy compares; null where it knows nothing.
    pub score: f64,
    pub taken: bool,
    pub why: String,
}

impl Outlook {
    /// Looks at a pool as a pick would, and reserves nothing.
    pub fn read(state: &mut State, request: &Request, model: &Model) -> Result<Self> {
        quota::refresh(state, request, model)?;
        let dead = reclaim::dead_runs(state.db(), &request.place.runs(), request.now)?;
        let pool = pool::read(state.db(), request, model, &dead)?;
        let waiting = queue::length(state.db(), request, model)?;
        let quotas = quota::of_model(state.db(), request, model)?;
        let candidates = lines(&pool);
        Ok(Self { model: model.name.clone(), waiting, candidates, quotas, fallbacks: Vec::new() })
    }

    /// Looks at the pools of all models that a pick would turn to.
    pub fn read_all(state: &mut State, request: &Request, model: &Model) -> Result<Self> {
        let mut outlook = Self::read(state, request, model)?;
        if !outlook.serves() {
            for other in fallback::models(request, model)? {
                outlook.fallbacks.push(Self::read(state, request, &other)?);
                if outlook.fallbacks.last().is_some_and(Self::serves) {
                    break;
                }
            }
        }
        Ok(outlook)
    }

    fn serves(&self) -> bool {
        self.waiting == 0 && self.candidates.iter().any(|line| line.taken)
    }

    /// Prints one line a candidate. The first column marks the one that a pick would take.
    pub fn print(&self, out: &mut impl Write) -> Result<()> {
        let names = self.candidates.iter().map(|line| line.provider.chars().count());
        let width = names.max().unwrap_or(0).max(8);
        writeln!(out, "  {:width$}  TIER  WEIGHT  RUNS  LIVE  SCORE  WHY", "PROVIDER")?;
        for line in &self.candidates {
            let Line { provider, tier, weight, runs, live, .. } = line;
            let mark = if line.taken { '*' } else { ' ' };
            let verb = if line.taken { "taken" } else { "left" };
            let score = score(line.score);
            writeln!(
                out,
                "{mark} {provider:width$}  {tier:>4}  {weight:>6}  {runs:>4}  {live:>4}  {score:>5}  {verb}: {}",
                line.why
            )?;
        }
        for quota in &self.quotas {
            writeln!(out, "{}", words(quota))?;
        }
        if self.waiting > 0 {
            writeln!(out, "{} in line before it", calls(self.waiting))?;
        }
        for other in &self.fallbacks {
            writeln!(out, "nobody is left; falling back to model '{}':", other.model)?;
            other.print(out)?;
        }
        Ok(())
    }
}

fn words(quota: &Quota) -> String {
    let windows = quota.windows.iter().map(|window| {
        let until = window.resets_at.map(|at| format!(" until {at}")).unwrap_or_default();
        format!(" {} {}%{until}", window.name, window.used_percent)
    });
    let lack = if quota.windows.is_empty() { "unknown" } else { "no news since" };
    let problem = quota.problem.iter().map(|problem| format!(" {lack}, {problem}"));
    format!("quota of {}:{}", quota.account, windows.chain(problem).collect::<Vec<_>>().join(","))
}

fn calls(n: usize) -> String {
    if n == 1 { "1 call waits".to_owned() } else { format!("{n} calls wait") }
}

fn score(score: f64) -> String {
    if score.is_finite() { format!("{score:.2}") } else { "-".to_owned() }
}

/// The candidates as they are stored with the run of the one that is taken: the first ones, and that one.
pub fn trace(pool: &Pool) -> Result<String> {
    let chosen = pool.choose();
    let shown = |candidate: &&Candidate| {
        candidate.index < STORED || chosen.is_some_and(|chosen| chosen.index == candidate.index)
    };
    let lines: Vec<Line> =
        pool.candidates.iter().filter(shown).map(|candidate| line(pool, candidate, chosen)).collect();
    serde_json::to_string(&lines).context("cannot write down why a provider was taken")
}

fn lines(pool: &Pool) -> Vec<Line> {
    let chosen = pool.choose();
    pool.candidates.iter().map(|candidate| line(pool, candidate, chosen)).collect()
}

fn line(pool: &Pool, candidate: &Candidate, chosen: Option<&Candidate>) -> Line {
    let taken = chosen.is_some_and(|chosen| chosen.index == candidate.index);
    let (health, class, retry_at) = health(&candidate.standing);
    let why = match chosen {
        _ if taken => pool.reason(candidate),
        Some(chosen) if candidate.usable() => pool.passed_over(candidate, chosen),
        _ => format!("it {}", word(candidate)),
    };
    Line {
        provider: candidate.name.clone(),
        tier: candidate.tier,
        weight: candidate.weight,
        runs: candidate.runs,
        live: candidate.in_flight,
        health,
        class,
        retry_at,
        score: pool.score(candidate),
        taken,
        why,
    }
}

fn health(standing: &Standing) -> (&'static str, Option<Class>, Option<Stamp>) {
    match standing {
        Standing::Ready => ("ready", None, None),
        Standing::Probe(class) => ("probe", Some(*class), None),
        Standing::Disabled => ("disabled", None, None),
        Standing::SwitchedOff => ("switched_off", None, None),
        Standing::LockedOut(_, until) => ("locked_out", None, *until),
        Standing::Full => ("full", None, None),
        Standing::AccountFull => ("account_full", None, None),
        Standing::Cooling(class, at) => ("cooling", Some(*class), Some(*at)),
        Standing::Probing(class, at) => ("probing", Some(*class), Some(*at)),
        Standing::Spent(_, at) => ("spent", None, Some(*at)),
    }
}
