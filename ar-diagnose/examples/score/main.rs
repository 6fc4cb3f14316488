//! Scores the rules on labelled texts: `score PATH…`, each a directory `CLI/CLASS/*.txt` or a file of JSON lines.
//!
//! A line has `text`, or `stdout` and `stderr`; `class` or `expected_class`; and perhaps `cli`, `exit_code`, and, with
//! `delay_kind` "server", `retry_after_s` or `resets_at`. The times of a directory stand in its `times.toml`. All texts
//! are judged at noon of June 1, 2026; a zone that a text does not tell is the one of `TZ`.

mod tally;

use anyhow::{Context, Result};
use std::io::{self, Write};
use std::path::PathBuf;

fn main() -> Result<()> {
    let tally = tally::of(std::env::args_os().skip(1).map(PathBuf::from))?;
    let mut out = io::stdout().lock();
    for line in &tally.wrong {
        writeln!(out, "{line}").context("cannot write to standard output")?;
    }
    tally.print(&mut out).context("cannot write to standard output")
}
