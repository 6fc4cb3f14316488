//! What accounts tell of their quotas: asked by a command now and then, and kept for all picks until the next time.

use crate::request::Request;
use anyhow::{Context, Result, bail};
use ar_core::config::{Cooldown, Model};
use ar_core::state::State;
use ar_core::{Failure, Stamp};
use rusqlite::{Connection, OptionalExtension, params};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap};
use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::thread::{self, ScopedJoinHandle, sleep};
use std::time::{Duration, Instant};

/// How long an answer holds. One pick in this time waits for the command.
const FRESH: Duration = Duration::from_mins(5);
/// How long a quota command may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// A longer answer than so many bytes is none.
const LONGEST: usize = 65_536;

/// What a quota command prints.
#[derive(Debug, Serialize, Deserialize)]
struct Answer {
    windows: Vec<Window>,
}

/// A window of a quota.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Window {
    pub name: String,
    pub used_percent: f64,
    #[serde(default)]
    pub resets_at: Option<Stamp>,
}

/// What is known of an account's quota.
#[derive(Debug, Serialize)]
pub struct Quota {
    pub account: String,
    pub windows: Vec<Window>,
    /// Why the last question went without an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Asks for the quotas of a model's accounts that were asked for too long ago, all at once. Of simultaneous picks one asks,
/// and the others go by what was told last.
pub fn refresh(state: &mut State, request: &Request, model: &Model) -> Result<()> {
    let mut due = Vec::new();
    for (account, command) in commands(request, model) {
        if !is_fresh(state.db(), account, request.now)? && claim(state, account, request.now)? {
            due.push((account, command));
        }
    }
    let answers: Vec<_> = thread::scope(|scope| {
        let asks = due.iter().map(|(_, command)| thread::Builder::new().spawn_scoped(scope, || ask(command)));
        let asked: Vec<_> = asks.collect();
        let answer = |thread: io::Result<ScopedJoinHandle<_>>| {
            let thread = thread.context("cannot start a thread")?;
            thread.join().unwrap_or_else(|_| bail!("its thread died"))
        };
        asked.into_iter().map(answer).collect()
    });
    for ((account, _), answer) in due.iter().zip(answers) {
        store(state, account, answer, request.now)?;
    }
    Ok(())
}

/// Whether it is ours to ask for an account's quota.
fn claim(state: &mut State, account: &str, now: Stamp) -> Result<bool> {
    state.write(|db| {
        if is_fresh(db, account, now)? {
            return Ok(false);
        }
        let upsert = "INSERT INTO quota (account, asked_at) VALUES ($1, $2) \
                      ON CONFLICT (account) DO UPDATE SET asked_at = excluded.asked_at";
        db.execute(upsert, params![account, now.0])?;
        Ok(true)
    })
}

/// The quotas of a model's accounts as far as they are asked for.
pub fn of_model(db: &Connection, request: &Request, model: &Model) -> Result<Vec<Quota>> {
    let mut all = windows(db, &request.place.config.cooldown, request.now)?;
    let quota = |(account, _): (&str, _)| {
        let select = "SELECT problem FROM quota WHERE account = $1";
        let problem = db.query_row(select, [account], |row| row.get(0)).optional()?.flatten();
        Ok(Quota { account: account.to_owned(), windows: all.remove(account).unwrap_or_default(), problem })
    };
    commands(request, model).into_iter().map(quota).collect()
}

fn commands<'a>(request: &Request<'a>, model: &'a Model) -> Vec<(&'a str, &'a [String])> {
    let accounts: BTreeSet<&str> = model.providers.iter().map(|provider| provider.account.as_str()).collect();
    let command = |name| request.place.config.accounts.get(name)?.quota_command.as_deref();
    accounts.into_iter().filter_map(|name| Some((name, command(name)?))).collect()
}

/// Whether an account was asked lately. A question in the future was asked before the clock was set back.
fn is_fresh(db: &Connection, account: &str, now: Stamp) -> Result<bool> {
    let select = "SELECT asked_at FROM quota WHERE account = $1";
    let asked_at: Option<i64> = db.query_row(select, [account], |row| row.get(0)).optional()?;
    Ok(asked_at.is_some_and(|at| Stamp(at) <= now.plus(Cooldown::SKEW) && now.since(Stamp(at)) < FRESH))
}

fn store(state: &mut State, account: &str, told: Result<Answer>, now: Stamp) -> Result<()> {
    let told = told.and_then(|answer| Ok(serde_json::to_string(&answer.windows)?));
    state.write(|db| {
        match &told {
            Ok(windows) => db.execute(
                "UPDATE quota SET told_at = $1, windows = $2, problem = NULL WHERE account = $3",
                params![now.0, windows, account],
            )?,
            Err(error) => db.execute(
                "UPDATE quota SET problem = $1 WHERE account = $2",
                params![Failure::of(error).message, account],
            )?,
        };
        Ok(())
    })
}

/// Runs a quota command, without a shell.
fn ask(command: &[String]) -> Result<Answer> {
    let (program, args) = command.split_first().context("'quota_command' is empty")?;
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot run '{program}'"))?;
    let text = listen(&mut child, Instant::now() + PATIENCE);
    if let Some(group) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) {
        // What is over already has no group left.
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait().with_context(|| format!("cannot wait for '{program}'"))?;
    let text = text.with_context(|| format!("'{program}' told nothing"))?;
    if !status.success() {
        bail!("'{program}' ended with {status}");
    }
    serde_json::from_slice(&text).with_context(|| format!("'{program}' did not print a quota"))
}

/// All that a child prints until it ends.
fn listen(child: &mut Child, end: Instant) -> Result<Vec<u8>> {
    let mut out = child.stdout.take().context("it has no standard output")?;
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = Timespec::try_from(end.saturating_duration_since(Instant::now()))?;
        if poll(&mut [PollFd::new(&out, PollFlags::IN)], Some(&left))? == 0 {
            bail!("it took longer than {} seconds", PATIENCE.as_secs());
        }
        let read = out.read(&mut buffer)?;
        text.extend_from_slice(buffer.get(..read).unwrap_or(&buffer));
        if text.len() > LONGEST {
            bail!("it printed more than {LONGEST} bytes");
        }
        if read == 0 {
            break;
        }
    }
    // Its output is over; what it still does then is of interest only for its status.
    while child.try_wait()?.is_none() {
        if Instant::now() >= end {
            bail!("it took longer than {} seconds", PATIENCE.as_secs());
        }
        sleep(Duration::from_millis(1));
    }
    Ok(text)
}

/// The windows of all accounts that told of theirs and were not silent for longer than the longest cooldown.
pub fn windows(db: &Connection, rules: &Cooldown, now: Stamp) -> Result<HashMap<String, Vec<Window>>> {
    let mut select = db.prepare(
        "SELECT account, told_at, windows FROM quota WHERE windows IS NOT NULL AND told_at IS NOT NULL",
    )?;
    let mut rows = select.query([])?;
    let mut all = HashMap::new();
    while let Some(row) = rows.next()? {
        let (account, told_at, windows): (String, i64, String) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if rules.due(Stamp(told_at), Stamp(i64::MAX), now) <= now {
            continue;
        }
        let windows = serde_json::from_str(&windows)
            .with_context(|| format!("the quota of '{account}' in the state database is damaged"))?;
        all.insert(account, windows);
    }
    Ok(all)
}

/// When the next window is refilled.
pub fn refill(windows: &[Window], now: Stamp) -> Option<Stamp> {
    windows.iter().filter_map(|window| window.resets_at).filter(|at| *at > now).min()
}

/// The window that is used up and refilled last, if any is. One that does not say when does not count: it would never
/// end.
pub fn spent(windows: &[Window], now: Stamp) -> Option<(String, Stamp)> {
    windows
        .iter()
        .filter(|window| window.used_percent >= 100.0)
        .filter_map(|window| Some((window.name.clone(), window.resets_at.filter(|at| *at > now)?)))
        .max_by_key(|(_, at)| *at)
}
