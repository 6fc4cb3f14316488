//! The child and all that descends from it: signalled together, reaped together, ended together.

use crate::keeper::Keeper;
use crate::signals::{Signals, sleep};
use anyhow::Context;
use ar_core::processes::{self, Below};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, getpid, kill_process_group, waitid};
use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

/// Whether orphans of the run become our children, so that the system tells of their ends.
const ADOPTS: bool = cfg!(target_os = "linux");
/// How long the end of an orphan may go unnoticed where it is not ours.
const UNNOTICED: Duration = Duration::from_millis(100);
/// How long what was killed may take to die, before it is left to the system.
const LAST: Duration = Duration::from_secs(2);
/// The pause between two looks for what was forked meanwhile, while all is being killed.
const AGAIN: Duration = Duration::from_millis(20);
/// Signals closer together than this are one: timeout(1) and a terminal may both deliver the same one.
const SECOND_SIGNAL: Duration = Duration::from_millis(250);

/// The processes of a run.
#[derive(Debug)]
pub struct Family {
    run: String,
    /// The run's directory and its lock, for its keeper.
    dir: PathBuf,
    lock: File,
    /// Below whom all of the family is; None where children are there that we did not start.
    root: Option<Pid>,
    leader: Pid,
    since: Instant,
    ended: Option<Ended>,
    alone: bool,
    /// Who ends what is left where we cannot.
    keeper: Option<Keeper>,
    /// Whether to start one has been tried; a second try would come too late.
    has_tried: bool,
}

/// The end of the child itself.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// Its wait status.
    pub status: ExitStatus,
    /// Wall time from its start.
    pub elapsed: Duration,
    /// Processor time of it and of those that it waited for.
    pub cpu: Duration,
    /// The most memory that one of these ever held, in bytes.
    pub peak_memory: u64,
}

/// Whether we have children already, because a shell started some and then became us by exec.
pub fn has_children() -> bool {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    !matches!(waitid(WaitId::All, options), Err(Errno::CHILD))
}

impl Family {
    /// The family of a child that was just started for a run, with the run's directory and a copy of its lock;
    /// `has_strangers` as [`has_children`] said before.
    pub fn of(run: &str, dir: &Path, lock: File, leader: Pid, since: Instant, has_strangers: bool) -> Self {
        let root = (!has_strangers).then(getpid);
        Self {
            run: run.to_owned(),
            dir: dir.to_owned(),
            lock,
            root,
            leader,
            since,
            ended: None,
            alone: false,
            keeper: None,
            has_tried: false,
        }
    }

    /// When the child was started.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The child's end, once it has come.
    pub fn ended(&self) -> Option<Ended> {
        self.ended
    }

    /// Whether nothing of the family is left.
    pub fn is_gone(&self) -> bool {
        self.alone
    }

    /// How many processes are left.
    pub fn count(&self) -> anyhow::Result<u64> {
        if self.alone {
            return Ok(0);
        }
        Ok(processes::count(&self.run, self.below())? as u64)
    }

    fn below(&self) -> Option<Below> {
        let spared = self.keeper.as_ref().map(Keeper::pid);
        self.root.map(|root| Below { root, spared })
    }

    /// Has a keeper stand by, while there is one thread only. Without one, what is left of a killed ar-exec is ended by
    /// whoever called it, or by the next tool.
    pub fn keep(&mut self) {
        if !std::mem::replace(&mut self.has_tried, true) {
            self.keeper = Keeper::start(&self.run, &self.dir, &self.lock).ok();
        }
    }

    /// Leaves what is left of the family to a keeper, so that nobody has to wait for its end. Not where there is none, or
    /// where some processes do not carry the mark of the run: then the family is given back. Call this while there is one
    /// thread only.
    pub fn leave(mut self, linger: Duration) -> Result<(), Box<Self>> {
        self.keep();
        let can_be_found = match self.below() {
            Some(below) => matches!(processes::unmarked(&self.run, below), Ok(0)),
            // What is not known by its parents is known by its mark alone.
            None => true,
        };
        match self.keeper.take_if(|keeper| can_be_found && keeper.leave(linger)) {
            Some(_) => {
                self.alone = true;
                Ok(())
            }
            None => Err(Box::new(self)),
        }
    }

    /// Takes the status of every process that has ended, and learns whether any is left.
    pub fn reap(&mut self, signals: &Signals) -> anyhow::Result<()> {
        signals.forget_child();
        while let Some((pid, ended)) = self.reap_one()? {
            if pid == self.leader.as_raw_nonzero().get() {
                self.ended = Some(ended);
            }
        }
        if self.ended.is_some() && (self.root.is_none() || !ADOPTS) {
            // The system counts strangers, too, or no orphans.
            self.alone = processes::count(&self.run, self.below())? == 0;
        }
        Ok(())
    }

    #[allow(unsafe_code, reason = "only wait4 tells what a process has used")]
    fn reap_one(&mut self) -> anyhow::Result<Option<(i32, Ended)>> {
        let mut status = 0;
        // SAFETY: rusage is plain numbers, for which zeros are valid, and wait4 writes to the two places it is given.
        let (pid, usage) = unsafe {
            let mut usage: libc::rusage = std::mem::zeroed();
            (libc::wait4(-1, &raw mut status, libc::WNOHANG, &raw mut usage), usage)
        };
        if pid < 0 {
            let error = io::Error::last_os_error();
            self.alone = error.raw_os_error() == Some(libc::ECHILD);
            return if self.alone { Ok(None) } else { Err(error).context("cannot wait for the child") };
        }
        let ended = Ended {
            status: ExitStatus::from_raw(status),
            elapsed: self.since.elapsed(),
            cpu: duration(usage.ru_utime) + duration(usage.ru_stime),
            peak_memory: peak_memory(&usage),
        };
        Ok((pid > 0).then_some((pid, ended)))
    }

    /// Sends a signal to all of the family.
    pub fn signal(&self, signal: Signal) {
        let reached = processes::signal(&self.run, self.below(), signal);
        if signal == Signal::KILL || !matches!(reached, Ok(count) if count > 0) {
            // The group may be gone by now, which is what is wanted.
            let _ = kill_process_group(self.leader, signal);
        }
    }

    /// Asks all of the family to end, and kills what is left after `grace`, or when a signal comes that is not the one
    /// that led here.
    pub fn end(&mut self, grace: Duration, signals: &Signals) -> anyhow::Result<()> {
        let asked = Instant::now();
        self.signal(Signal::TERM);
        // One that is stopped would not take notice before the grace is over.
        self.signal(Signal::CONT);
        while !self.is_over() && asked.elapsed() < grace {
            sleep(&[signals.child(), signals.ending()], Some(pause(grace.saturating_sub(asked.elapsed()))))?;
            if signals.take_ending() && asked.elapsed() >= SECOND_SIGNAL {
                break;
            }
            self.reap(signals)?;
        }
        self.kill(signals)
    }

    /// Kills all of the family, however fast it forks.
    fn kill(&mut self, signals: &Signals) -> anyhow::Result<()> {
        let since = Instant::now();
        while !self.is_over() && since.elapsed() < LAST {
            self.signal(Signal::KILL);
            sleep(&[signals.child()], Some(AGAIN))?;
            self.reap(signals)?;
        }
        // Where orphans do not come to us, the last of the group may have outlived its leader.
        let _ = kill_process_group(self.leader, Signal::KILL);
        Ok(())
    }

    fn is_over(&self) -> bool {
        self.ended.is_some() && self.alone
    }
}

/// Whatever goes wrong on our side, the run does not go on without us.
impl Drop for Family {
    fn drop(&mut self) {
        if !self.alone {
            self.signal(Signal::KILL);
        }
        if let Some(keeper) = self.keeper.take() {
            keeper.dismiss();
        }
    }
}

/// How long to sleep for the end of the family, of which the system may not tell, when so much time is `left`.
pub fn pause(left: Duration) -> Duration {
    if ADOPTS { left } else { left.min(UNNOTICED) }
}

fn duration(time: libc::timeval) -> Duration {
    let micros = i128::from(time.tv_sec) * 1_000_000 + i128::from(time.tv_usec);
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

fn peak_memory(usage: &libc::rusage) -> u64 {
    // Linux counts in KiB, the BSD family in bytes.
    let unit = if cfg!(target_os = "macos") { 1 } else { 1024 };
    u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(unit)
}
