//! Runs summed up for people: stats and usage.

use crate::bars::{bar, trend};
use crate::cli::{By, Format};
use crate::list::{dollars, precise, show_cost, show_count, took};
use crate::paper::{Cell, Column, Ink, Paper};
use crate::select::Selection;
use crate::sums::{Sum, Sums, sums};
use crate::when;
use anyhow::Result;
use ar_core::state::State;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

/// The column of the bars: half a bar would say something wrong, so it is left out as a whole.
const BARS: Column = ("()", false);

/// `ar log stats`.
pub fn stats(state_file: &Path, selection: &Selection, by: &[By], paper: &Paper) -> Result<()> {
    let state = State::open_to_read(state_file)?;
    let sums = sums(state.db(), selection, by, true)?;
    if paper.format != Format::Table {
        let names: Vec<&str> = by.iter().map(|by| name(*by)).collect();
        let names = [&["v"], &names[..], STATS].concat();
        return paper.objects(&names, sums.iter().map(|(key, sum)| Ok(stats_json(by, key, sum))));
    }
    let mut columns: Vec<Column> = by.iter().map(|by| (head(*by), *by == By::Hour)).collect();
    columns.extend([
        ("RUNS", true),
        // Where several columns say of whom, they come first.
        if by.len() > 1 { ("(GOOD)", true) } else { ("GOOD", true) },
        ("(P50)", true),
        ("(P95)", true),
        ("(READ)", true),
        ("(WRITTEN)", true),
        ("(COST)", true),
        ("(HOPS)", true),
    ]);
    let mut rows: Vec<Vec<Cell>> = sums.iter().map(|(key, sum)| stats_cells(by, key, sum)).collect();
    if let [By::Day | By::Hour] = by {
        columns.push(BARS);
        let most = sums.values().map(|sum| sum.runs).max().unwrap_or(0);
        for (row, sum) in rows.iter_mut().zip(sums.values()) {
            row.push(bar(sum.runs, most).into());
        }
    } else if !by.iter().any(|by| matches!(by, By::Day | By::Hour))
        && let Some(mut trends) = trends(&state, selection, by)?
    {
        columns.push(("(TREND)", false));
        for (row, key) in rows.iter_mut().zip(sums.keys()) {
            row.push(trends.remove(key).unwrap_or_default().into());
        }
    }
    paper.table(&columns, &rows)
}

/// The runs of each key from the first day to the last; none where that is the same day.
fn trends(state: &State, selection: &Selection, by: &[By]) -> Result<Option<BTreeMap<Vec<String>, String>>> {
    let daily = sums(state.db(), selection, &[by, &[By::Day]].concat(), false)?;
    let days = daily.into_iter().filter_map(|(mut key, sum)| {
        let day: i64 = key.pop()?.parse().ok()?;
        Some((key, day, sum.runs))
    });
    let days: Vec<_> = days.collect();
    let first = days.iter().map(|(_, day, _)| *day).min().unwrap_or(0);
    let last = days.iter().map(|(_, day, _)| *day).max().unwrap_or(0);
    let length = usize::try_from(last - first + 1).unwrap_or(1);
    if length < 2 {
        return Ok(None);
    }
    let mut runs: BTreeMap<Vec<String>, Vec<i64>> = BTreeMap::new();
    for (key, day, count) in days {
        let days = runs.entry(key).or_insert_with(|| vec![0; length]);
        if let Some(day) = usize::try_from(day - first).ok().and_then(|place| days.get_mut(place)) {
            *day += count;
        }
    }
    Ok(Some(runs.into_iter().map(|(key, days)| (key, trend(&days))).collect()))
}

const STATS: &[&str] = &[
    "runs",
    "good",
    "success_rate",
    "p50_ms",
    "p95_ms",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "cost_usd",
    "hops",
];

fn stats_json(by: &[By], key: &[String], sum: &Sum) -> Value {
    let mut value = json!({ "v": 1 });
    for (by, key) in by.iter().zip(key) {
        value[name(*by)] = key_json(*by, key);
    }
    let numbers = json!({
        "runs": sum.runs, "good": sum.good, "success_rate": rate(sum), "p50_ms": sum.p50_ms,
        "p95_ms": sum.p95_ms, "input_tokens": sum.input_tokens, "output_tokens": sum.output_tokens,
        "cache_read_tokens": sum.cache_read_tokens, "cache_write_tokens": sum.cache_write_tokens,
        "cost_usd": sum.cost().map(dollars), "hops": sum.hops,
    });
    if let (Some(value), Value::Object(numbers)) = (value.as_object_mut(), numbers) {
        value.extend(numbers);
    }
    value
}

fn stats_cells(by: &[By], key: &[String], sum: &Sum) -> Vec<Cell> {
    let good = rate(sum);
    let ink = if good < 0.5 {
        Ink::Bad
    } else if good < 0.9 {
        Ink::Busy
    } else {
        Ink::Good
    };
    let mut cells: Vec<Cell> = by.iter().zip(key).map(|(by, key)| key_cell(*by, key)).collect();
    cells.extend([
        sum.runs.to_string().into(),
        Cell(format!("{:.1}%", 100.0 * good), ink),
        sum.p50_ms.map(took).into(),
        sum.p95_ms.map(took).into(),
        told(sum, sum.input_tokens + sum.cache_read_tokens + sum.cache_write_tokens).into(),
        told(sum, sum.output_tokens).into(),
        sum.cost().map(show_cost).into(),
        sum.hops.to_string().into(),
    ]);
    cells
}

/// A number of tokens. Agents that read and wrote none did not tell.
fn told(sum: &Sum, count: i64) -> Option<String> {
    (sum.tokens() > 0).then(|| show_count(count))
}

fn rate(sum: &Sum) -> f64 {
    precise(sum.good) / precise(sum.runs.max(1))
}

fn name(by: By) -> &'static str {
    match by {
        By::Model => "model",
        By::Provider => "provider",
        By::Account => "account",
        By::Class => "class",
        By::Day => "day",
        By::Hour => "hour",
    }
}

fn head(by: By) -> &'static str {
    match by {
        By::Model => "MODEL",
        By::Provider => "PROVIDER",
        By::Account => "ACCOUNT",
        By::Class => "CLASS",
        By::Day => "DAY (UTC)",
        By::Hour => "HOUR (UTC)",
    }
}

fn key_json(by: By, key: &str) -> Value {
    match (by, key.parse::<i64>()) {
        (By::Day, Ok(day)) => when::show_day(day).into(),
        (By::Hour, Ok(hour)) => hour.into(),
        _ if key.is_empty() => Value::Null,
        _ => key.into(),
    }
}

fn key_cell(by: By, key: &str) -> Cell {
    match key_json(by, key) {
        Value::Null => None::<String>.into(),
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    }
}

/// `ar log usage`: what each account drew, day by day.
pub fn usage(state_file: &Path, selection: &Selection, paper: &Paper) -> Result<()> {
    let state = State::open_to_read(state_file)?;
    let by = [By::Day, By::Account];
    let sums = sums(state.db(), selection, &by, false)?;
    if paper.format != Format::Table {
        let names = [&["v", "day", "account"], USAGE].concat();
        return paper.objects(&names, sums.iter().map(|(key, sum)| Ok(usage_json(&by, key, sum))));
    }
    let columns = [
        ("DAY (UTC)", false),
        ("ACCOUNT", false),
        ("RUNS", true),
        ("(READ)", true),
        ("(CACHED)", true),
        ("(WRITTEN)", true),
        ("COST", true),
        BARS,
    ];
    paper.table(&columns, &usage_rows(&sums, &by))
}

const USAGE: &[&str] =
    &["runs", "input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "cost_usd"];

fn usage_json(by: &[By], key: &[String], sum: &Sum) -> Value {
    let mut value = stats_json(by, key, sum);
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, _| {
            USAGE.contains(&name.as_str()) || ["v", "day", "account"].contains(&name.as_str())
        });
    }
    value
}

/// The bars are of the cost; where nobody told a cost, of the tokens.
fn usage_rows(sums: &Sums, by: &[By]) -> Vec<Vec<Cell>> {
    let costs = sums.values().any(|sum| sum.cost_micros > 0);
    let size = |sum: &Sum| if costs { sum.cost_micros } else { sum.tokens() };
    let most = sums.values().map(size).max().unwrap_or(0);
    let rows = sums.iter().map(|(key, sum)| {
        let mut cells: Vec<Cell> = by.iter().zip(key).map(|(by, key)| key_cell(*by, key)).collect();
        cells.extend([
            sum.runs.to_string().into(),
            told(sum, sum.input_tokens).into(),
            told(sum, sum.cache_read_tokens + sum.cache_write_tokens).into(),
            told(sum, sum.output_tokens).into(),
            sum.cost().map(show_cost).into(),
            bar(size(sum), most).into(),
        ]);
        cells
    });
    rows.collect()
}
