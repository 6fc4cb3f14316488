//! One run: its story, its files, its raw text.

use crate::cli::{Format, Raw};
use crate::content::{Content, FILES};
use crate::list::{FIELDS, ink, outcome, show_cost, show_count, to_json, took};
use crate::paper::{CANNOT, Cell, Ink, Paper};
use crate::row::{COLUMNS, Run};
use crate::select::find;
use crate::{NAME, payload, when, why};
use anyhow::{Context, Result};
use ar_core::exit::one_line;
use ar_core::state::State;
use ar_core::{Failure, exit, paths};
use serde_json::{Map, Value};
use std::io::{self, Write, stdout};
use std::path::Path;

/// `ar log show`: one run and its files, or one of them as it is.
pub fn show(state_file: &Path, which: &str, raw: Raw, paper: &Paper) -> Result<()> {
    let state = State::open_to_read(state_file)?;
    let run = find(&state, which)?;
    let dir = paths::run_dir(state_file, &run.id);
    for (asked, file) in [(raw.answer, "answer"), (raw.stderr, "stderr"), (raw.prompt, "prompt")] {
        if asked {
            return copy(&state, &run, &dir, file);
        }
    }
    if raw.why {
        return why::print(&run, paper);
    }
    let files = sizes(&dir);
    let mut value = to_json(&run, state_file)?;
    if paper.format != Format::Table {
        value["dir"] = dir.display().to_string().into();
        value["files"] = files.into();
        let names = [FIELDS, &["dir", "files"]].concat();
        return paper.objects(&names, [Ok(value)]);
    }
    let attempts = attempts(&state, &run.call)?;
    let mut out = stdout().lock();
    for (name, text) in facts(&run, &value, attempts.len(), paper) {
        writeln!(out, "{} {text}", paper.paint(&format!("{name:9}"), Ink::Faint)).context(CANNOT)?;
    }
    for (name, size) in files {
        let path = dir.join(&name);
        writeln!(out, "{} {} ({size} bytes)", paper.paint(&format!("{name:9}"), Ink::Faint), path.display())
            .context(CANNOT)?;
    }
    drop(out);
    if attempts.len() > 1 { story(&attempts, &run, paper) } else { Ok(()) }
}

/// `ar log path`: where the database is, or the directory of a run.
pub fn path(state_file: &Path, which: Option<&str>) -> Result<()> {
    let path = match which {
        None => state_file.to_owned(),
        Some(which) => paths::run_dir(state_file, &find(&State::open_to_read(state_file)?, which)?.id),
    };
    writeln!(stdout().lock(), "{}", path.display()).context(CANNOT)
}

/// Prints a file as it is; of a run whose files are on another machine, what was imported of it.
fn copy(state: &State, run: &Run, dir: &Path, name: &str) -> Result<()> {
    let cannot = || format!("cannot copy '{}' to standard output", dir.join(name).display());
    let mut out = stdout().lock();
    let file = payload::find(dir, name)?;
    if let (None, Some("elsewhere"), Some(content)) =
        (&file, run.files.as_deref(), Content::load(state.db(), &run.id)?)
        && let Some(text) = [("prompt", content.prompt), ("answer", content.answer)]
            .into_iter()
            .find_map(|(imported, text)| (imported == name).then_some(text))
    {
        out.write_all(text.as_bytes()).and_then(|()| out.flush()).with_context(cannot)?;
        let notice = "this is what was imported: the beginning, without secrets";
        exit::warn(NAME, &Failure::new(exit::OK, notice));
        return Ok(());
    }
    let mut file = file.map_or_else(|| payload::open(dir, name), Ok)?;
    io::copy(&mut file, &mut out).and_then(|_| out.flush()).with_context(cannot)
}

/// What is known of a run, by name, in the order in which it happened.
fn facts(run: &Run, value: &Value, attempts: usize, paper: &Paper) -> Vec<(&'static str, String)> {
    let at = |path: &str| {
        let value = value.get("record")?.pointer(path)?;
        // What an agent said may hold escape sequences.
        Some(value.as_str().map_or_else(|| value.to_string(), one_line))
    };
    let tokens = [
        ("read", run.input_tokens),
        ("written", run.output_tokens),
        ("from cache", run.cache_read_tokens),
        ("to cache", run.cache_write_tokens),
    ];
    let tokens = tokens.into_iter().filter_map(|(what, count)| {
        count.filter(|count| *count > 0).map(|count| format!("{} {what}", show_count(count)))
    });
    let tokens = tokens.collect::<Vec<_>>().join(", ");
    let estimated = at("/exec/usage/estimated").is_some_and(|estimated| estimated == "true");
    let cost = run.cost_micros.map(|cost| show_cost(cost) + if estimated { " (estimated)" } else { "" });
    let story = [
        ("run", Some(format!("{} (attempt {} of {attempts}, call {})", run.id, run.attempt, run.call))),
        ("prompt", run.prompt.clone()),
        ("model", run.model.clone()),
        ("provider", run.provider.clone()),
        ("account", run.account.clone()),
        ("picked", Some(when::show(run.picked_at))),
        ("because", at("/pick/reason")),
        ("ended", run.ended_at.map(when::show)),
        ("took", run.elapsed_ms.map(took)),
        ("end", at("/exec/end")),
        ("result", Some(paper.paint(&one_line(&outcome(run)), ink(run)))),
        ("status", run.code.map(|code| code.to_string())),
        ("evidence", at("/diagnosis/evidence")),
        ("by", at("/diagnosis/by")),
        ("retry at", at("/diagnosis/retry_at")),
        ("cooled to", run.cooled_until.map(when::show)),
        ("error", at("/error/message")),
        ("tokens", Some(tokens).filter(|tokens| !tokens.is_empty())),
        ("cost", cost),
        ("session", run.session.clone()),
        ("host", run.host.clone()),
        ("tags", run.tags.clone()),
    ];
    // What another program wrote into the record may hold orders for a terminal; the result has colours of our own.
    let clean = |name, text: String| if name == "result" { text } else { one_line(&text) };
    let said = story.into_iter().filter_map(|(name, text)| Some((name, clean(name, text?))));
    said.filter(|(_, text)| text != "null").collect()
}

/// The attempts of the call that a run belongs to.
fn story(attempts: &[Run], shown: &Run, paper: &Paper) -> Result<()> {
    writeln!(stdout().lock()).context(CANNOT)?;
    let rows: Vec<Vec<Cell>> = attempts
        .iter()
        .map(|run| {
            let mark = if run.id == shown.id { "*" } else { "" };
            vec![
                run.attempt.to_string().into(),
                mark.into(),
                run.id.clone().into(),
                run.provider.as_deref().into(),
                Cell(outcome(run), ink(run)),
                run.elapsed_ms.map(took).into(),
            ]
        })
        .collect();
    let columns = [
        ("(ATTEMPT)", true),
        ("", false),
        ("RUN", false),
        ("PROVIDER", false),
        ("RESULT", false),
        ("(TOOK)", true),
    ];
    paper.table(&columns, &rows)
}

fn attempts(state: &State, call: &str) -> Result<Vec<Run>> {
    let sql = format!("SELECT {COLUMNS} FROM run WHERE call_id = $1 ORDER BY attempt, id");
    let mut select = state.db().prepare(&sql)?;
    let runs = select.query_map([call], Run::from_row)?;
    runs.collect::<rusqlite::Result<_>>().context("cannot read the attempts")
}

/// The sizes of a run's files. One that is not there was never written, or was pruned.
fn sizes(dir: &Path) -> Map<String, Value> {
    FILES.iter().filter_map(|name| Some(((*name).to_owned(), payload::length(dir, name)?.into()))).collect()
}
