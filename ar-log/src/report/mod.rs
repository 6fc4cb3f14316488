//! The report: one HTML file that needs nothing else.

mod chart;
mod runs;

use crate::cli::By;
use crate::list::{dollars, precise, show_cost, show_count, took};
use crate::select::Selection;
use crate::sums::{Sum, Sums, sums};
use crate::when;
use anyhow::{Context, Result};
use ar_core::Stamp;
use ar_core::state::State;
use chart::{Bar, Column, Figure, bars, columns, escape, key};
use std::fs::{self, OpenOptions};
use std::io::{Write, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

const STYLE: &str = include_str!("page.css");
/// Outcomes as they are stacked, the good ones at the bottom. What is not here is `other`.
const OUTCOMES: [&str; 7] = [
    "ok",
    "rate_limit",
    "quota_exhausted",
    "auth_expired",
    "cli_version_mismatch",
    "network_error",
    "unknown",
];
/// Beyond so many columns, a column is of several days.
const MOST_COLUMNS: i64 = 60;
const MOST_BARS: usize = 30;

/// `ar log report`: writes the report to a file, or to standard output.
pub fn report(state_file: &Path, selection: &Selection, now: Stamp, to: Option<&Path>) -> Result<()> {
    let state = State::open_to_read(state_file)?;
    let html = page(&state, state_file, selection, now)?;
    let Some(to) = to else {
        return stdout().lock().write_all(html.as_bytes()).context("cannot write to standard output");
    };
    // Beside and renamed, so that nobody finds half a report.
    let mut beside = to.as_os_str().to_owned();
    beside.push(format!(".{}", std::process::id()));
    let cannot = || format!("cannot write '{}'", to.display());
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside).with_context(cannot)?;
    let written = file.write_all(html.as_bytes()).and_then(|()| fs::rename(&beside, to)).with_context(cannot);
    if written.is_err() {
        // The error is told either way.
        let _ = fs::remove_file(&beside);
    }
    written
}

fn page(state: &State, state_file: &Path, selection: &Selection, now: Stamp) -> Result<String> {
    let db = state.db();
    // The lists and the charts tell of the same runs.
    let selection = &selection.last(db)?;
    let by_day = sums(db, selection, &[By::Day, By::Class], false)?;
    let by_provider = sums(db, selection, &[By::Provider], true)?;
    let by_account = sums(db, selection, &[By::Account], false)?;
    let all = sums(db, selection, &[], true)?.into_values().next().unwrap_or_default();
    let charts = [
        over_time(&by_day),
        success(&by_provider),
        latency(&by_provider),
        tokens(&by_account),
        costs(&by_account),
        runs::cooldowns(db, selection, now)?,
        runs::hops(db, selection)?,
    ];
    let slowest = runs::slowest(db, selection)?;
    let failed = runs::failed(db, selection)?;
    Ok(format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Agent runs</title><link rel=\"icon\" href=\"data:,\"><style>\n{STYLE}</style></head><body>\n\
         <h1>Agent runs</h1><p>{}</p>\n{}<div class=\"charts\">\n{}</div>\n{}</body></html>\n",
        escape(&span(selection, now)),
        figures(&all),
        charts.concat(),
        runs::lists(&slowest, &failed, state_file)?,
    ))
}

fn span(selection: &Selection, now: Stamp) -> String {
    let until = selection.until.unwrap_or(now);
    let since = selection.since.map_or_else(|| "the beginning".to_owned(), when::show);
    format!("From {since} to {}, made {}. Days are those of UTC.", when::show(until), when::show(now))
}

fn figures(all: &Sum) -> String {
    let length = |ms: Option<i64>| ms.map_or_else(|| "–".to_owned(), took);
    let figures = [
        (all.runs.to_string(), "runs"),
        (if all.runs == 0 { "–".to_owned() } else { percent(all) }, "good"),
        (length(all.p50_ms), "median length"),
        (length(all.p95_ms), "95th percentile"),
        (if all.tokens() == 0 { "unknown".to_owned() } else { show_count(all.tokens()) }, "tokens"),
        (all.cost().map_or_else(|| "unknown".to_owned(), show_cost), "cost"),
        (all.hops.to_string(), "hops"),
    ];
    let items =
        figures.iter().map(|(figure, name)| format!("<li><b>{}</b><span>{name}</span></li>", escape(figure)));
    format!("<ul class=\"figures\">{}</ul>\n", items.collect::<String>())
}

fn percent(sum: &Sum) -> String {
    format!("{:.1} %", 100.0 * precise(sum.good) / precise(sum.runs.max(1)))
}

fn over_time(by_day: &Sums) -> String {
    let days: Vec<i64> = by_day.keys().filter_map(|key| key.first()?.parse().ok()).collect();
    let (first, last) = (days.iter().min().copied().unwrap_or(0), days.iter().max().copied().unwrap_or(0));
    let width = ((last - first) / MOST_COLUMNS + 1).max(1);
    let mut stacks: Vec<[i64; 8]> = vec![[0; 8]; usize::try_from((last - first) / width + 1).unwrap_or(1)];
    for (key, sum) in by_day {
        let [day, outcome] = key.as_slice() else { continue };
        let place = OUTCOMES.iter().position(|known| known == outcome).unwrap_or(OUTCOMES.len());
        let column = day.parse::<i64>().ok().and_then(|day| usize::try_from((day - first) / width).ok());
        if let Some(count) = column.and_then(|column| stacks.get_mut(column)?.get_mut(place)) {
            *count += sum.runs;
        }
    }
    let names = || OUTCOMES.iter().copied().chain(["other"]);
    let made: Vec<Column> = stacks
        .iter()
        .zip(0_i64..)
        .map(|(counts, index)| Column {
            label: when::show_day(first + index * width),
            parts: names().zip(counts.iter().copied()).collect(),
        })
        .collect();
    let rows = if by_day.is_empty() { &[][..] } else { &made[..] };
    let rows: Vec<Vec<String>> = rows
        .iter()
        .map(|column| {
            let counts = column.parts.iter().map(|(_, count)| count.to_string());
            std::iter::once(column.label.clone()).chain(counts).collect()
        })
        .collect();
    let counted = |name: &&str| {
        made.iter().any(|column| column.parts.iter().any(|(part, count)| part == name && *count > 0))
    };
    let below = key(names().filter(counted));
    let total: i64 = by_day.values().map(|sum| sum.runs).sum();
    let units = if width == 1 { "runs a day".to_owned() } else { format!("runs in {width} days") };
    let heads: Vec<&str> = std::iter::once("day").chain(names()).collect();
    let figure = Figure {
        title: "Runs over time by outcome",
        units: &units,
        says: format!("{total} runs from {} to {}.", when::show_day(first), when::show_day(last)),
        heads: &heads,
        rows,
    };
    let (height, drawing) = columns(&made);
    figure.html("time", height, &drawing, &below)
}

/// A chart of bars, one for each key, the longest first.
fn ranking(
    id: &str,
    (title, units): (&str, &str),
    sums: &Sums,
    size: impl Fn(&Sum) -> f64,
    words: impl Fn(&Sum) -> String,
    most: Option<f64>,
) -> String {
    let mut ranked: Vec<Bar> = sums
        .iter()
        .map(|(key, sum)| Bar {
            name: key.first().filter(|name| !name.is_empty()).map_or("nobody", String::as_str).to_owned(),
            words: words(sum),
            size: size(sum),
        })
        .collect();
    ranked.sort_by(|a, b| b.size.total_cmp(&a.size));
    let rows: Vec<Vec<String>> = ranked.iter().map(|bar| vec![bar.name.clone(), bar.words.clone()]).collect();
    let heads = ["name", units];
    let shown = format!("{units}; the first {MOST_BARS} of {}", ranked.len());
    let units = if ranked.len() > MOST_BARS { &shown } else { units };
    ranked.truncate(MOST_BARS);
    let said: Vec<String> = ranked.iter().map(|bar| format!("{} {}", bar.name, bar.words)).collect();
    let most = most.unwrap_or_else(|| ranked.iter().map(|bar| bar.size).fold(0.0, f64::max));
    let (height, drawing) = bars(&ranked, most);
    let says = format!("{}.", said.join("; "));
    Figure { title, units, says, heads: &heads, rows }.html(id, height, &drawing, "")
}

fn success(sums: &Sums) -> String {
    let rate = |sum: &Sum| precise(sum.good) / precise(sum.runs.max(1));
    let words = |sum: &Sum| format!("{} of {}", percent(sum), sum.runs);
    ranking("good", ("Success rate by provider", "share of good runs in %"), sums, rate, words, Some(1.0))
}

fn latency(sums: &Sums) -> String {
    let size = |sum: &Sum| sum.p50_ms.map_or(0.0, precise);
    let length = |ms: Option<i64>| ms.map_or_else(|| "–".to_owned(), took);
    let words = |sum: &Sum| format!("{}, p95 {}", length(sum.p50_ms), length(sum.p95_ms));
    ranking(
        "long",
        ("Length by provider", "median of the runs, and 95th percentile"),
        sums,
        size,
        words,
        None,
    )
}

fn tokens(sums: &Sums) -> String {
    let words = |sum: &Sum| {
        // Agents that read and wrote none did not tell.
        if sum.tokens() == 0 {
            return "unknown".to_owned();
        }
        let read = sum.input_tokens + sum.cache_read_tokens + sum.cache_write_tokens;
        format!("{} read, {} written", show_count(read), show_count(sum.output_tokens))
    };
    ranking("tokens", ("Tokens by account", "tokens"), sums, |sum| precise(sum.tokens()), words, None)
}

fn costs(sums: &Sums) -> String {
    let words = |sum: &Sum| sum.cost().map_or_else(|| "unknown".to_owned(), show_cost);
    ranking("cost", ("Cost by account", "US dollars"), sums, |sum| dollars(sum.cost_micros), words, None)
}
