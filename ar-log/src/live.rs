//! What is running now.

use crate::cli::Format;
use crate::list::took;
use crate::paper::{Cell, Ink, Paper};
use crate::row::{COLUMNS, Run};
use anyhow::{Context, Result};
use ar_core::exit::one_line;
use ar_core::state::State;
use ar_core::{Stamp, paths};
use rustix::fs::{FlockOperation, flock};
use serde_json::json;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// The last line of an output is looked for in this many bytes.
const TAIL_BYTES: u64 = 4096;

/// `ar log live`: the runs that are reserved and not over, oldest first.
pub fn live(state_file: &Path, now: Stamp, paper: &Paper) -> Result<()> {
    let state = State::open_to_read(state_file)?;
    let sql = format!("SELECT {COLUMNS} FROM run WHERE status = 'picked' ORDER BY picked_at, id");
    let mut select = state.db().prepare(&sql)?;
    let runs = select.query_map([], Run::from_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut objects = Vec::new();
    let mut rows: Vec<Vec<Cell>> = Vec::new();
    for run in runs {
        let dir = paths::run_dir(state_file, &run.id);
        let (phase, elapsed) = (phase(&dir), now.since(run.picked_at));
        let last = last_line(&dir.join("stdout")).unwrap_or_default();
        let elapsed_ms = i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX);
        objects.push(Ok(json!({
            "v": 1, "run": run.id, "model": run.model, "provider": run.provider, "account": run.account,
            "phase": phase, "picked_at": run.picked_at, "elapsed_ms": elapsed_ms, "last_line": last,
        })));
        rows.push(vec![
            run.id.into(),
            run.model.into(),
            run.provider.into(),
            Cell(phase.to_owned(), if phase == "running" { Ink::Good } else { Ink::Busy }),
            took(elapsed_ms).into(),
            last.into(),
        ]);
    }
    if paper.format == Format::Table {
        let columns = [
            ("(RUN)", false),
            ("(MODEL)", false),
            ("PROVIDER", false),
            ("PHASE", false),
            ("SINCE", true),
            ("[LAST LINE]", false),
        ];
        return paper.table(&columns, &rows);
    }
    let names = ["v", "run", "model", "provider", "account", "phase", "picked_at", "elapsed_ms", "last_line"];
    paper.objects(&names, objects)
}

/// How far a run is, told by the lock in its directory: ar-exec holds it while it lives.
fn phase(dir: &Path) -> &'static str {
    let Ok(lock) = File::open(dir.join("lock")) else { return "starting" };
    match flock(&lock, FlockOperation::NonBlockingLockShared) {
        Ok(()) => "ending",
        Err(_) => "running",
    }
}

/// The last line of a file that is not empty, fit for a terminal.
fn last_line(path: &Path) -> Result<String> {
    let cannot = || format!("cannot read '{}'", path.display());
    let mut file = File::open(path).with_context(cannot)?;
    let length = file.metadata().with_context(cannot)?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES))).with_context(cannot)?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).with_context(cannot)?;
    let text = String::from_utf8_lossy(&bytes);
    Ok(text.lines().rev().map(one_line).find(|line| !line.is_empty()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_last_that_says_something() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("stdout");
        for (bytes, line) in [
            (&b"one\ntwo\n\n \n"[..], "two"),
            (b"\x1b[31mred\x1b[0m\n", "[31mred [0m"),
            (b"", ""),
            (b"half\xff", "half\u{fffd}"),
        ] {
            std::fs::write(&file, bytes).unwrap();
            assert_eq!(last_line(&file).unwrap(), line);
        }
        assert!(last_line(&dir.path().join("none")).is_err());
    }
}
