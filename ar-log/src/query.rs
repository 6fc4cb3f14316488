//! ar-log's verbs, and the statements that only read.

use anyhow::{Context, Result};
use ar_core::state::State;
use ar_core::{Failure, Stamp, clock, paths};
use rusqlite::Row;
use serde_json::{Map, Value, json};
use std::fs;
use std::io::{Write, stdout};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

/// A run as it is listed.
struct Run {
    id: String,
    call: String,
    attempt: u32,
    model: Option<String>,
    provider: Option<String>,
    status: String,
    picked_at: Stamp,
    elapsed_ms: Option<u32>,
    code: Option<u8>,
    verdict: Option<String>,
    class: Option<String>,
    detail: Option<String>,
    record: Option<String>,
}

const COLUMNS: &str = "id, call_id, attempt, model, provider, status, picked_at, elapsed_ms, code, verdict, class, detail, record";

impl Run {
    fn from_row(row: &Row) -> rusqlite::Result<Self> {
        Ok(Self {
            id: row.get(0)?,
            call: row.get(1)?,
            attempt: row.get(2)?,
            model: row.get(3)?,
            provider: row.get(4)?,
            status: row.get(5)?,
            picked_at: Stamp(row.get(6)?),
            elapsed_ms: row.get(7)?,
            code: row.get(8)?,
            verdict: row.get(9)?,
            class: row.get(10)?,
            detail: row.get(11)?,
            record: row.get(12)?,
        })
    }

    /// What became of it, in two words at most.
    fn outcome(&self) -> String {
        let word = match (self.verdict.as_deref(), self.class.as_deref()) {
            (Some("ok"), _) => "ok",
            (Some("task"), _) => "task",
            (_, Some(class)) => class,
            _ => self.status.as_str(),
        };
        match &self.detail {
            Some(detail) if word != "ok" => format!("{word} ({detail})"),
            _ => word.to_owned(),
        }
    }

    fn took(&self) -> String {
        self.elapsed_ms.map_or("-".to_owned(), |ms| match ms {
            0..10_000 => format!("{ms} ms"),
            _ => clock::show_duration(Duration::from_millis(ms.into())),
        })
    }

    fn to_json(&self) -> Result<Value> {
        let record: Value = match &self.record {
            Some(line) => serde_json::from_str(line)
                .with_context(|| format!("the record of run '{}' is damaged", self.id))?,
            None => Value::Null,
        };
        Ok(json!({
            "v": 1, "run": self.id, "call": self.call, "attempt": self.attempt, "model": self.model,
            "provider": self.provider, "status": self.status, "picked_at": self.picked_at,
            "elapsed_ms": self.elapsed_ms, "code": self.code, "verdict": self.verdict, "class": self.class,
            "detail": self.detail, "record": record,
        }))
    }
}

/// `ar log list`: the last runs, newest last.
pub fn list(state_file: &Path, number: u32, json: bool) -> Result<ExitCode> {
    let state = State::open(state_file)?;
    let sql = format!("SELECT {COLUMNS} FROM run ORDER BY picked_at DESC, id DESC LIMIT $1");
    let mut select = state.db().prepare(&sql)?;
    let mut runs = select.query_map([number], Run::from_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    runs.reverse();
    let mut out = stdout().lock();
    if json {
        for run in &runs {
            writeln!(out, "{}", run.to_json()?)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let rows = runs.iter().map(|run| {
        let name = |name: &Option<String>| name.clone().unwrap_or_else(|| "-".to_owned());
        let code = run.code.map_or("-".to_owned(), |code| code.to_string());
        let cells = [
            run.picked_at.to_string(),
            name(&run.model),
            name(&run.provider),
            run.outcome(),
            code,
            run.took(),
        ];
        (cells, run.id.clone())
    });
    write_table(&mut out, rows.collect())
}

fn write_table(out: &mut impl Write, rows: Vec<([String; 6], String)>) -> Result<ExitCode> {
    let head = ["TIME", "MODEL", "PROVIDER", "RESULT", "STATUS", "TOOK"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once((head, "RUN".to_owned())).chain(rows).collect();
    let mut widths = [0; 6];
    for (cells, _) in &rows {
        for (width, cell) in widths.iter_mut().zip(cells) {
            *width = cell.chars().count().max(*width);
        }
    }
    for (cells, run) in rows {
        for (cell, width) in cells.iter().zip(widths) {
            write!(out, "{cell:width$}  ")?;
        }
        writeln!(out, "{run}")?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `ar log show`: one run and its files.
pub fn show(state_file: &Path, which: &str, json: bool) -> Result<ExitCode> {
    let state = State::open(state_file)?;
    let run = find(&state, which)?;
    let dir = paths::run_dir(state_file, &run.id);
    let mut files = Map::new();
    for name in ["prompt", "stdout", "stderr", "answer"] {
        if let Ok(file) = fs::metadata(dir.join(name)) {
            files.insert(name.to_owned(), file.len().into());
        }
    }
    let mut out = stdout().lock();
    if json {
        let mut value = run.to_json()?;
        if let Some(map) = value.as_object_mut() {
            map.insert("dir".to_owned(), dir.display().to_string().into());
            map.insert("files".to_owned(), files.into());
        }
        writeln!(out, "{value}")?;
        return Ok(ExitCode::SUCCESS);
    }
    let record: Value = run.to_json()?.get("record").cloned().unwrap_or(Value::Null);
    let at = |path: &str| {
        record.pointer(path).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let lines = [
        ("run", Some(format!("{} (attempt {} of call {})", run.id, run.attempt, run.call))),
        ("model", run.model.clone()),
        ("provider", run.provider.clone()),
        ("picked", Some(run.picked_at.to_string())),
        ("because", at("/pick/reason")),
        ("took", run.elapsed_ms.map(|_| run.took())),
        ("end", at("/exec/end")),
        ("result", Some(run.outcome())),
        ("status", run.code.map(|code| code.to_string())),
        ("evidence", at("/diagnosis/evidence")),
        ("by", at("/diagnosis/by")),
        ("retry at", at("/diagnosis/retry_at")),
        ("error", at("/error/message")),
        ("tags", at("/tags")),
    ];
    for (name, value) in lines {
        if let Some(value) = value.filter(|value| value != "null") {
            writeln!(out, "{name:9} {value}")?;
        }
    }
    for (name, size) in files {
        writeln!(out, "{name:9} {} ({size} bytes)", dir.join(&name).display())?;
    }
    Ok(ExitCode::SUCCESS)
}

/// `ar log path`: where the database is, or the directory of a run.
pub fn path(state_file: &Path, which: Option<&str>) -> Result<ExitCode> {
    let path = match which {
        None => state_file.to_owned(),
        Some(which) => paths::run_dir(state_file, &find(&State::open(state_file)?, which)?.id),
    };
    writeln!(stdout().lock(), "{}", path.display())?;
    Ok(ExitCode::SUCCESS)
}

/// The run that an id, the start of one, or `-N` (the Nth from the end) means.
fn find(state: &State, which: &str) -> Result<Run> {
    let none = || Failure::trouble(format!("there is no run '{which}'")).hint("'ar log' lists the last runs");
    let db = state.db();
    if let Some(back) = which.strip_prefix('-') {
        let back: u32 = back.parse().ok().filter(|back| *back > 0).ok_or_else(none)?;
        let sql = format!("SELECT {COLUMNS} FROM run ORDER BY picked_at DESC, id DESC LIMIT 1 OFFSET $1");
        let mut select = db.prepare(&sql)?;
        let mut runs = select.query_map([back - 1], Run::from_row)?;
        return Ok(runs.next().ok_or_else(none)??);
    }
    let start = which.to_ascii_uppercase();
    if start.is_empty() || !start.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(none().into());
    }
    let sql = format!("SELECT {COLUMNS} FROM run WHERE id >= $1 AND id < $2 ORDER BY id LIMIT 2");
    let mut select = db.prepare(&sql)?;
    // A brace sorts after every letter and digit of an id.
    let mut runs = select.query_map([&start, &format!("{start}{{")], Run::from_row)?;
    let first = runs.next().ok_or_else(none)??;
    if runs.next().is_some() {
        return Err(Failure::trouble(format!("several runs begin with '{which}'"))
            .hint("give more letters")
            .into());
    }
    Ok(first)
}
