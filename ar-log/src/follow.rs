//! Watching: runs as they begin and end, or the output of one run as it grows.

use crate::cli::Format;
use crate::list::{COLUMNS as HEADS, FIELDS, cells, to_json};
use crate::paper::{CANNOT, Cell, Paper};
use crate::payload;
use crate::row::Run;
use crate::select::{Selection, find};
use anyhow::{Context, Result};
use ar_core::state::State;
use ar_core::{Failure, Stamp, paths, pipe};
use rustix::event::{Timespec, poll};
use std::collections::HashMap;
use std::io::{self, Write, stdout};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

/// How often the database is asked whether it changed. Asking reads one number from shared memory.
const PAUSE: Duration = Duration::from_millis(40);
/// Runs that were picked this long before the newest one and were never seen come from an import.
const BACK: Duration = Duration::from_mins(1);

/// `ar log follow`: prints each run when it begins and when it ends, for ever.
pub fn follow(state_file: &Path, mut selection: Selection, paper: &Paper) -> Result<()> {
    let state = State::open_to_read(state_file)?;
    let first = selection.number.take().unwrap_or(0);
    let horizon = newest(&state)?.plus(Duration::from_millis(1));
    let mut seen = Seen { status: HashMap::new(), horizon };
    let mut changes = 0;
    seen.print_last(&state, &selection, first)?.iter().try_for_each(|run| print(run, state_file, paper))?;
    loop {
        let now: i64 = state.db().query_row("PRAGMA data_version", [], |row| row.get(0))?;
        if now != changes {
            changes = now;
            for run in seen.news(&state, &selection)? {
                print(&run, state_file, paper)?;
            }
        }
        if reader_is_gone() {
            return Ok(());
        }
        sleep(PAUSE);
    }
}

/// Whether nobody reads what we print any more: 'follow | head -1' ends with head, not with the run after it.
fn reader_is_gone() -> bool {
    let out = stdout();
    let is_gone = |reader| poll(&mut [reader], Some(&Timespec::default())).is_ok_and(|told| told > 0);
    pipe::reader(&out).is_some_and(is_gone)
}

/// What was printed of whom.
struct Seen {
    status: HashMap<String, (Stamp, String)>,
    /// Runs that were picked before are looked at only while they are known to be alive.
    horizon: Stamp,
}

impl Seen {
    /// The last runs, and those that are alive now, so that their ends are news.
    fn print_last(&mut self, state: &State, selection: &Selection, number: u32) -> Result<Vec<Run>> {
        let mut last = selection.clone();
        last.number = Some(number);
        let mut alive = selection.clone();
        alive.alive();
        for run in alive.runs(state.db())? {
            self.status.insert(run.id, (run.picked_at, run.status));
        }
        last.runs(state.db())
    }

    /// The runs that are new or ended since.
    fn news(&mut self, state: &State, selection: &Selection) -> Result<Vec<Run>> {
        let mut recent = selection.clone();
        recent.since = Some(self.horizon);
        let (mut runs, mut old) = (Vec::new(), Vec::new());
        for (id, (at, status)) in &self.status {
            if *at < self.horizon && status == "picked" {
                old.push(id.clone());
            }
        }
        for id in old {
            match find(state, &id) {
                Ok(run) => runs.push(run),
                // It was lost and removed since we looked.
                Err(error) if error.is::<Failure>() => drop(self.status.remove(&id)),
                Err(error) => return Err(error),
            }
        }
        runs.extend(recent.runs(state.db())?);
        runs.retain(|run| self.status.get(&run.id).is_none_or(|(_, status)| *status != run.status));
        for run in &runs {
            self.status.insert(run.id.clone(), (run.picked_at, run.status.clone()));
        }
        let newest = self.status.values().map(|(at, _)| *at).max().unwrap_or(self.horizon);
        let back = i64::try_from(BACK.as_millis()).unwrap_or(0);
        self.horizon = self.horizon.max(Stamp(newest.0.saturating_sub(back)));
        let horizon = self.horizon;
        self.status.retain(|_, (at, status)| status == "picked" || *at >= horizon);
        Ok(runs)
    }
}

fn print(run: &Run, state_file: &Path, paper: &Paper) -> Result<()> {
    if paper.format == Format::Table {
        let row: Vec<Cell> = cells(run, paper);
        writeln!(stdout().lock(), "{}", paper.loose_line(&HEADS, &row)).context(CANNOT)?;
    } else {
        paper.objects(FIELDS, [to_json(run, state_file)])?;
    }
    stdout().lock().flush().context(CANNOT)
}

fn newest(state: &State) -> Result<Stamp> {
    let newest: Option<i64> = state.db().query_row("SELECT max(picked_at) FROM run", [], |row| row.get(0))?;
    Ok(Stamp(newest.unwrap_or(0)))
}

/// `ar log follow RUN`: the child's standard output as it grows, to the end of the run.
pub fn output(state_file: &Path, which: &str) -> Result<()> {
    let state = State::open_to_read(state_file)?;
    let run = find(&state, which)?;
    let dir = paths::run_dir(state_file, &run.id);
    let mut file = None;
    loop {
        // Asked before reading: what was written until the end is then read, too.
        let over = find(&state, &run.id)?.status != "picked";
        if file.is_none() {
            file = payload::find(&dir, "stdout")?;
        }
        if let Some(file) = &mut file {
            let mut out = stdout().lock();
            io::copy(file, &mut out).and_then(|_| out.flush()).with_context(|| {
                format!("cannot copy '{}' to standard output", dir.join("stdout").display())
            })?;
        }
        if over || reader_is_gone() {
            return Ok(());
        }
        sleep(PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_that_is_removed_while_it_is_watched_is_no_trouble() {
        let dir = tempfile::tempdir().unwrap();
        let state = State::open(&dir.path().join("state.db")).unwrap();
        let alive = (Stamp(1), "picked".to_owned());
        let mut seen = Seen { status: HashMap::from([("R1".to_owned(), alive)]), horizon: Stamp(100_000) };
        assert!(seen.news(&state, &Selection::default()).unwrap().is_empty());
        assert!(seen.status.is_empty());
    }
}
