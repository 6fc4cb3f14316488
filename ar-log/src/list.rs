//! Runs as they are listed.

use crate::cli::Format;
use crate::paper::{Cell, Column, Ink, Paper};
use crate::row::Run;
use crate::select::Selection;
use anyhow::Result;
use ar_core::clock;
use ar_core::state::State;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// How many runs are listed where nobody says.
const DEFAULT_NUMBER: u32 = 20;
/// Ten letters of an id are its time; three more tell runs of the same millisecond apart.
const SHORT_ID: usize = 13;

/// The fields of a run as JSON, apart from its record.
pub const FIELDS: &[&str] = &[
    "v",
    "run",
    "call",
    "attempt",
    "model",
    "provider",
    "account",
    "status",
    "host",
    "picked_at",
    "ended_at",
    "elapsed_ms",
    "code",
    "verdict",
    "class",
    "detail",
    "tags",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cost_usd",
    "payload_bytes",
    "session",
    "prompt",
    "cooled_until",
];

/// The columns for people.
pub const COLUMNS: [Column; 9] = [
    ("TIME", false),
    ("(RUN)", false),
    ("(MODEL)", false),
    ("PROVIDER", false),
    ("RESULT", false),
    ("(TOOK)", true),
    ("(TOKENS)", true),
    ("(COST)", true),
    ("[PROMPT]", false),
];

/// `ar log list`: the last runs, newest last.
pub fn list(state_file: &Path, mut selection: Selection, paper: &Paper) -> Result<()> {
    let state = State::open_to_read(state_file)?;
    let number = selection.number.unwrap_or(DEFAULT_NUMBER);
    selection.number = Some(number);
    let runs = selection.runs(state.db())?;
    if paper.format == Format::Table {
        let rows: Vec<Vec<Cell>> = runs.iter().map(|run| cells(run, paper)).collect();
        return paper.table(&COLUMNS, &rows);
    }
    paper.objects(FIELDS, runs.iter().map(|run| to_json(run, state_file)))
}

/// A run as one JSON object, its record in the field `record`.
pub fn to_json(run: &Run, state_file: &Path) -> Result<Value> {
    let tags: Option<Value> = run.tags.as_deref().map(serde_json::from_str).transpose()?;
    Ok(json!({
        "v": 1, "run": run.id, "call": run.call, "attempt": run.attempt, "model": run.model, "provider": run.provider,
        "account": run.account, "status": run.status, "host": run.host, "picked_at": run.picked_at,
        "ended_at": run.ended_at, "elapsed_ms": run.elapsed_ms, "code": run.code, "verdict": run.verdict,
        "class": run.class, "detail": run.detail, "tags": tags, "input_tokens": run.input_tokens,
        "output_tokens": run.output_tokens, "cache_read_tokens": run.cache_read_tokens,
        "cache_write_tokens": run.cache_write_tokens, "cost_usd": run.cost_micros.map(dollars),
        "payload_bytes": run.payload_bytes, "session": run.session, "prompt": run.prompt,
        "cooled_until": run.cooled_until, "record": run.record(state_file)?,
    }))
}

/// A run as a row for people.
pub fn cells(run: &Run, paper: &Paper) -> Vec<Cell> {
    let letters = if paper.width.is_some() { SHORT_ID } else { run.id.len() };
    vec![
        paper.time(run.picked_at).into(),
        Cell(run.id.chars().take(letters).collect(), Ink::Faint),
        run.model.as_deref().into(),
        run.provider.as_deref().into(),
        Cell(outcome(run), ink(run)),
        run.elapsed_ms.map(took).into(),
        tokens(run).map(show_count).into(),
        run.cost_micros.map(show_cost).into(),
        Cell::from(run.prompt.clone().unwrap_or_default()),
    ]
}

/// What became of a run, in two words at most.
pub fn outcome(run: &Run) -> String {
    let word = match (run.verdict.as_deref(), run.class.as_deref()) {
        (Some("ok"), _) => "ok",
        (Some("task"), _) => "task",
        (_, Some(class)) => class,
        _ => run.status.as_str(),
    };
    match &run.detail {
        Some(detail) if word != "ok" => format!("{word} ({detail})"),
        _ => word.to_owned(),
    }
}

pub fn ink(run: &Run) -> Ink {
    match (run.status.as_str(), run.verdict.as_deref()) {
        ("picked", _) => Ink::Busy,
        (_, Some("ok")) => Ink::Good,
        _ => Ink::Bad,
    }
}

/// Words a length of time in milliseconds.
pub fn took(ms: i64) -> String {
    match u64::try_from(ms).unwrap_or(0) {
        ms @ 0..10_000 => format!("{ms} ms"),
        ms => clock::show_duration(Duration::from_millis(ms)),
    }
}

/// Tokens read and written, those of the cache included.
fn tokens(run: &Run) -> Option<i64> {
    let counts = [run.input_tokens, run.output_tokens, run.cache_read_tokens, run.cache_write_tokens];
    counts.into_iter().flatten().reduce(i64::saturating_add)
}

/// Words a count with three digits that count: `999`, `12.3k`, `4.56M`.
pub fn show_count(count: i64) -> String {
    let mut value = precise(count);
    for unit in ["", "k", "M", "G"] {
        if value < 999.5 || unit == "G" {
            let digits = if unit.is_empty() || value >= 99.95 {
                0
            } else if value >= 9.995 {
                1
            } else {
                2
            };
            return format!("{value:.digits$}{unit}");
        }
        value /= 1000.0;
    }
    count.to_string()
}

/// Words an amount of money in millionths of a US dollar.
pub fn show_cost(micros: i64) -> String {
    let usd = dollars(micros);
    if usd < 1.0 { format!("${usd:.4}") } else { format!("${usd:.2}") }
}

pub fn dollars(micros: i64) -> f64 {
    precise(micros) / 1e6
}

#[allow(clippy::cast_precision_loss, reason = "beyond 2⁵³ nobody counts the last digit")]
pub fn precise(count: i64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_have_three_digits() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1000, "1.00k"),
            (12_345, "12.3k"),
            (99_960, "100k"),
            (999_499, "999k"),
            (4_560_000, "4.56M"),
            (7_000_000_000_000, "7000G"),
        ] {
            assert_eq!(show_count(count), text);
        }
        for (micros, text) in [(0, "$0.0000"), (12_346, "$0.0123"), (12_345_678, "$12.35")] {
            assert_eq!(show_cost(micros), text);
        }
    }
}
