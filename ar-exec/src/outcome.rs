//! What the record says of a run.

use crate::child::Streams;
use crate::plan::Plan;
use crate::watch::Fate;
use ar_core::record::{End, Exec, ExecError, bounded};
use ar_core::{Stamp, exit};
use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

/// The longest command that the record holds.
const MAX_ARGV0_BYTES: usize = 200;
/// The longest text of an error that the record holds.
const MAX_MESSAGE_BYTES: usize = 500;

/// The outcome of a child that ran.
pub fn ended(plan: &Plan, started: Stamp, fate: &Fate, streams: &Streams) -> anyhow::Result<Exec> {
    let (stdout_bytes, stderr_bytes) = streams.sizes()?;
    Ok(Exec {
        end: fate.end,
        elapsed_ms: millis(fate.elapsed),
        exit_code: fate.child.and_then(|child| child.status.code()),
        signal: fate.child.and_then(|child| child.status.signal()),
        cancelled_by: fate.cancelled_by,
        stdout_bytes,
        stderr_bytes,
        cpu_ms: fate.child.map(|child| millis(child.cpu)),
        peak_memory_bytes: fate.child.map(|child| child.peak_memory),
        leftover: fate.leftover,
        ..blank(plan, started)
    })
}

/// The outcome of a child that was not wanted any more before it was started.
pub fn cancelled(plan: &Plan, started: Stamp, by: Option<i32>) -> Exec {
    Exec { end: End::Cancelled, cancelled_by: by, ..blank(plan, started) }
}

/// The outcome of a child that could not be started.
pub fn not_started(plan: &Plan, started: Stamp, error: ExecError) -> Exec {
    Exec { end: End::Spawn, error: Some(error), ..blank(plan, started) }
}

/// An error of the attempt to start the child.
pub fn spawn_error(kind: &str, message: impl AsRef<str>) -> ExecError {
    ExecError {
        kind: kind.to_owned(),
        message: bounded(&exit::one_line(message.as_ref()), MAX_MESSAGE_BYTES),
        status: None,
        resets_at: None,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn blank(plan: &Plan, started: Stamp) -> Exec {
    Exec {
        argv0: bounded(&plan.command.to_string_lossy(), MAX_ARGV0_BYTES),
        started,
        elapsed_ms: 0,
        end: End::Spawn,
        exit_code: None,
        signal: None,
        cancelled_by: None,
        stdout_bytes: 0,
        stderr_bytes: 0,
        session: None,
        usage: None,
        turns: None,
        tool_calls: None,
        error: None,
        allow_empty: plan.allow_empty,
        cpu_ms: None,
        peak_memory_bytes: None,
        leftover: 0,
        git: None,
    }
}
