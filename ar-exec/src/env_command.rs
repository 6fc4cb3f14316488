//! A template's `env_command`: a variable whose value a password manager prints.

use crate::signals::{Signals, is_readable, sleep};
use anyhow::{Context, bail};
use ar_core::processes::{self, Below};
use ar_core::{Failure, Stamp, record};
use rustix::process::{Pid, Signal};
use std::ffi::OsString;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStringExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long the command may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// More than this is no value of a variable.
const MAX_BYTES: usize = 65_536;

/// What the command prints, without its last newline. It is executed without a shell, and its standard error is ours, so
/// that it can say what is wrong. What it leaves behind may go on, as an agent that keeps a passphrase does, unless it
/// failed.
pub fn output(command: &[String], signals: &Signals) -> anyhow::Result<OsString> {
    let Some((program, args)) = command.split_first() else { bail!("the command is empty") };
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run '{program}'"))?;
    let read = read(&mut child, signals);
    if read.is_err() {
        // Both may find nothing that is alive; the error that led here is the one to tell.
        let _ = kill_children(&child);
        let _ = child.kill();
    }
    let status = child.wait().with_context(|| format!("cannot wait for '{program}'"))?;
    let mut value = read.with_context(|| format!("'{program}' has not printed a value"))?;
    if !status.success() {
        return Err(Failure::trouble(format!("'{program}' failed: {status}")).into());
    }
    if value.ends_with(b"\n") {
        value.pop();
    }
    if value.is_empty() {
        bail!("'{program}' has not printed a value: it printed nothing");
    }
    if value.contains(&0) {
        bail!("'{program}' printed a NUL byte");
    }
    Ok(OsString::from_vec(value))
}

/// Kills what descends from the command.
fn kill_children(child: &Child) -> anyhow::Result<()> {
    let Some(root) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return Ok(()) };
    // No process carries this mark: its parents are what counts.
    let mark = record::new_id(Stamp::now()?)?;
    processes::signal(&mark, Some(Below { root, spared: None }), Signal::KILL).map(|_| ())
}

fn read(child: &mut Child, signals: &Signals) -> anyhow::Result<Vec<u8>> {
    let mut stdout = child.stdout.take().context("it has no output")?;
    let until = Instant::now() + TIMEOUT;
    let mut value = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            bail!("it took longer than {} s", TIMEOUT.as_secs());
        }
        // Somebody else may hold the other end of the pipe for as long as he lives.
        let has_ended = child.try_wait().context("cannot wait for it")?.is_some();
        if !sleep_for_input(stdout.as_fd(), signals, if has_ended { Duration::ZERO } else { left })? {
            if has_ended {
                return Ok(value);
            }
            continue;
        }
        match stdout.read(&mut piece).context("cannot read its output")? {
            0 => return Ok(value),
            n => value.extend_from_slice(piece.get(..n).unwrap_or_default()),
        }
        if value.len() > MAX_BYTES {
            bail!("it printed more than {MAX_BYTES} bytes");
        }
    }
}

/// Waits for something to read, or for the end of the command; a signal that ends the run ends this too.
fn sleep_for_input(input: BorrowedFd, signals: &Signals, left: Duration) -> anyhow::Result<bool> {
    sleep(&[input, signals.ending(), signals.child()], Some(left))?;
    signals.forget_child();
    if signals.was_told_to_end() {
        bail!("a signal came first");
    }
    Ok(is_readable(input))
}
