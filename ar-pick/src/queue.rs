//! `--wait`: calls that wait for a provider stand in line, and the first of them alone looks for one.
//!
//! Each holds the lock of a file of its own for as long as it waits. Whoever stands behind it sleeps on that lock, so a
//! call that is killed makes way at once, and nobody asks again and again but the first, which the state database wakes.

use crate::doorbell::Doorbell;
use crate::fallback::Served;
use crate::request::Request;
use crate::reserve::{self, Picked};
use crate::{fallback, nobody, pool, reclaim};
use anyhow::{Context, Result};
use ar_core::config::Model;
use ar_core::paths::{create_private_dir, create_private_file};
use ar_core::record::ToolError;
use ar_core::state::State;
use ar_core::{Stamp, exit};
use rusqlite::{Connection, params};
use rustix::fs::{FlockOperation, flock};
use std::fs::{self, File};
use std::io::{ErrorKind, PipeReader, pipe};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

/// How often a full provider is looked at: the death of a run rings no bell.
const FULL_PAUSE: Duration = Duration::from_millis(500);
/// How often resting ones are: somebody may log in.
const RESTING_PAUSE: Duration = Duration::from_secs(5);

/// The nearest living call in line before this one, or the last of all for one that does not stand in it. Those that
/// were killed are taken out of the line.
pub fn ahead(db: &Connection, request: &Request, model: &Model) -> Result<Option<String>> {
    let mut select = db.prepare(
        "SELECT run FROM waiter WHERE queue = $1 AND run <> $2 \
           AND place < coalesce((SELECT place FROM waiter WHERE run = $2), 9223372036854775807) \
         ORDER BY place DESC",
    )?;
    let rows = select.query_map([&request.queue(model), request.run], |row| row.get(0))?;
    for run in rows.collect::<rusqlite::Result<Vec<String>>>()? {
        let file = file(request, &run);
        if is_alive(&file) {
            return Ok(Some(run));
        }
        leave(db, &run)?;
        remove(&file)?;
    }
    Ok(None)
}

/// How many living calls stand in the line of this one.
pub fn length(db: &Connection, request: &Request, model: &Model) -> Result<usize> {
    let mut select = db.prepare("SELECT run FROM waiter WHERE queue = $1")?;
    let rows = select.query_map([request.queue(model)], |row| row.get::<_, String>(0))?;
    let runs = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(runs.iter().filter(|run| is_alive(&file(request, run))).count())
}

/// Takes a call out of the line.
pub fn leave(db: &Connection, run: &str) -> Result<()> {
    db.prepare("DELETE FROM waiter WHERE run = $1")?.execute([run])?;
    Ok(())
}

/// Waits in line until a provider can be reserved, one of another model included that this one falls back to, or until
/// `end`.
///
/// Only what passes by itself is waited for; and who reads our record must still be there to use it.
pub fn wait(state: &mut State, request: &mut Request, model: &Model, end: Option<Instant>) -> Result<Served> {
    let line = Line::join(state, request, model)?;
    let doorbell = Doorbell::hang(&request.place.state_file)?;
    loop {
        request.now = Stamp::now()?;
        let left = end.map(|end| end.saturating_duration_since(Instant::now()));
        let (told, woken) = match ahead(state.db(), request, model)? {
            Some(before) => {
                let gone = follow(&file(request, &before))?;
                (Served::Nobody(nobody::behind(model, request.now)), doorbell.wait_for(&gone, left)?)
            }
            None => match look_everywhere(state, request, model)? {
                Served::Nobody(error) if error.code == exit::LATER => {
                    let pause = pause(&error, request.now, left);
                    (Served::Nobody(error), doorbell.wait(pause).map(|()| left != Some(Duration::ZERO))?)
                }
                served => (served, false),
            },
        };
        if !woken {
            line.end(state)?;
            return Ok(told);
        }
    }
}

/// A place in line.
struct Line {
    file: PathBuf,
    run: String,
    _lock: File,
}

impl Line {
    fn join(state: &mut State, request: &Request, model: &Model) -> Result<Self> {
        let file = file(request, request.run);
        create_private_dir(file.parent().context("the line has no directory")?)?;
        let lock = create_private_file(&file)?;
        lock.try_lock().with_context(|| format!("cannot lock '{}'", file.display()))?;
        state.write(|db| {
            db.execute(
                "INSERT INTO waiter (run, queue, place) \
                 VALUES ($1, $2, coalesce((SELECT max(place) FROM waiter WHERE queue = $2), 0) + 1)",
                params![request.run, request.queue(model)],
            )?;
            Ok(())
        })?;
        Ok(Self { file, run: request.run.to_owned(), _lock: lock })
    }

    fn end(&self, state: &mut State) -> Result<()> {
        state.write(|db| leave(db, &self.run))?;
        remove(&self.file)
    }
}

fn look_everywhere(state: &mut State, request: &Request, model: &Model) -> Result<Served> {
    // Somebody may have changed the pool since. A file that cannot be read may be one that is being written.
    let newer = Model::load(&request.place.config_dir, &model.name).ok();
    let model = newer.as_ref().unwrap_or(model);
    match look(state, request, model)? {
        Picked::One(pick) => Ok(Served::By(pick)),
        Picked::Nobody(error) | Picked::Behind(error) => fallback::others(state, request, model, error, look),
    }
}

/// A pick, which takes the write lock only if somebody can serve.
fn look(state: &mut State, request: &Request, model: &Model) -> Result<Picked> {
    let dead = reclaim::dead_runs(state.db(), &request.place.runs(), request.now)?;
    let pool = pool::read(state.db(), request, model, &dead)?;
    if pool.choose().is_none() {
        return Ok(Picked::Nobody(nobody::explain(request, model, &pool.candidates)));
    }
    reserve::pick(state, request, model)
}

/// How long the first in line sleeps when nothing wakes it.
fn pause(error: &ToolError, now: Stamp, left: Option<Duration>) -> Duration {
    let soon = error.retry_at.map_or(FULL_PAUSE, |at| at.since(now));
    let pause = soon.clamp(FULL_PAUSE, RESTING_PAUSE);
    left.map_or(pause, |left| left.min(pause))
}

/// A pipe that ends when the holder of a lock file is gone.
fn follow(file: &Path) -> Result<PipeReader> {
    let (reader, writer) = pipe().context("cannot make a pipe")?;
    let held = match File::open(file) {
        Ok(held) => held,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(reader),
        Err(error) => return Err(error).with_context(|| format!("cannot open '{}'", file.display())),
    };
    // The thread ends with the lock, or with us.
    let wait = move || {
        let _writer = writer;
        // Whatever ends the wait, the line is looked at again.
        let _ = flock(&held, FlockOperation::LockShared);
    };
    thread::Builder::new().spawn(wait).context("cannot start a thread")?;
    Ok(reader)
}

fn file(request: &Request, run: &str) -> PathBuf {
    request.place.state_file.with_file_name("waiting").join(run)
}

fn is_alive(file: &Path) -> bool {
    let Ok(held) = File::open(file) else { return false };
    flock(&held, FlockOperation::NonBlockingLockShared).is_err()
}

fn remove(file: &Path) -> Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove '{}'", file.display()))
        }
        _ => Ok(()),
    }
}
