//! Runs summed up for people: stats and usage.

use crate::cli::{By, Format};
use crate::list::{dollars, precise, show_cost, show_count, took};
use crate::paper::{Cell, Column, Ink, Paper};
use crate::select::Selection;
use crate::sums::{Sum, Sums, sums};
use crate::when;
use anyhow::Result;
use ar_core::state::State;
use serde_json::{Value, json};
use std::env;
use std::path::Path;
use std::sync::OnceLock;

/// The widest bar of a chart, in columns.
const BAR: i64 = 24;
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
        ("GOOD", true),
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
    }
    paper.table(&columns, &rows)
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
        "runs": sum.runs, "good": sum.good, "success_rate": rate(sum), "p50_ms": sum.percentile(50),
        "p95_ms": sum.percentile(95), "input_tokens": sum.input_tokens, "output_tokens": sum.output_tokens,
        "cache_read_tokens": sum.cache_read_tokens, "cache_write_tokens": sum.cache_write_tokens,
        "cost_usd": dollars(sum.cost_micros), "hops": sum.hops,
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
        sum.percentile(50).map(took).into(),
        sum.percentile(95).map(took).into(),
        show_count(sum.input_tokens + sum.cache_read_tokens + sum.cache_write_tokens).into(),
        show_count(sum.output_tokens).into(),
        show_cost(sum.cost_micros).into(),
        sum.hops.to_string().into(),
    ]);
    cells
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
            show_count(sum.input_tokens).into(),
            show_count(sum.cache_read_tokens + sum.cache_write_tokens).into(),
            show_count(sum.output_tokens).into(),
            show_cost(sum.cost_micros).into(),
            bar(size(sum), most).into(),
        ]);
        cells
    });
    rows.collect()
}

/// A bar in eighths of a column; what is not nothing shows.
fn bar(size: i64, most: i64) -> String {
    static BLOCKS: OnceLock<bool> = OnceLock::new();
    let blocks = BLOCKS.get_or_init(|| {
        let variables = ["LC_ALL", "LC_CTYPE", "LANG"].map(|name| env::var(name).unwrap_or_default());
        knows_blocks(variables.iter().map(String::as_str))
    });
    draw(size, most, *blocks)
}

/// Whether the locale has block elements. One that nobody chose says nothing about the terminal.
fn knows_blocks<'a>(variables: impl IntoIterator<Item = &'a str>) -> bool {
    let locale = variables.into_iter().find(|value| !value.is_empty()).map(str::to_ascii_lowercase);
    locale.is_none_or(|locale| locale.contains("utf-8") || locale.contains("utf8"))
}

fn draw(size: i64, most: i64, blocks: bool) -> String {
    const PARTS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    if size <= 0 || most <= 0 {
        return String::new();
    }
    let eighths = i128::from(BAR) * 8 * i128::from(size) / i128::from(most);
    let eighths = usize::try_from(eighths.max(1)).unwrap_or(0);
    if !blocks {
        return "#".repeat(eighths.div_ceil(8));
    }
    "█".repeat(eighths / 8) + PARTS.get(eighths % 8).copied().unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locale_without_block_elements_gets_none() {
        for (variables, blocks) in [
            (["", "", ""], true),
            (["", "", "de_DE.UTF-8"], true),
            (["C", "", "de_DE.UTF-8"], false),
            (["", "C.utf8", "C"], true),
            (["", "", "en_US.ISO-8859-1"], false),
        ] {
            assert_eq!(knows_blocks(variables), blocks, "{variables:?}");
        }
    }

    #[test]
    fn bars_are_as_long_as_they_should() {
        for (size, most, text) in [
            (0, 10, ""),
            (1, 1_000_000, "▏"),
            (10, 10, "████████████████████████"),
            (1, 48, "▌"),
            (3, 32, "██▎"),
            (5, 0, ""),
        ] {
            assert_eq!(draw(size, most, true), text, "{size}/{most}");
        }
        assert_eq!(draw(3, 32, false), "###");
    }
}
