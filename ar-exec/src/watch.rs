//! Waits for the child: its end, its limits, and whoever wants the run ended. Nothing here sleeps or asks again and again.

use crate::child::{Child, Streams};
use crate::plan::Plan;
use crate::signals::Signals;
use anyhow::Context;
use ar_core::record::End;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, WaitStatus, kill_process_group, wait};
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::{Duration, Instant, SystemTime};

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// How long what was killed may take to die, before it is left to the system.
const LAST: Duration = Duration::from_secs(1);
/// Signals closer together than this are one: timeout(1) and a terminal may both deliver the same one.
const SECOND_SIGNAL: Duration = Duration::from_millis(250);

/// How a child ended.
#[derive(Debug)]
pub struct Fate {
    /// What ended the run.
    pub end: End,
    /// The child's wait status; none where even SIGKILL did not end it.
    pub status: Option<WaitStatus>,
    /// Wall time from the child's start to its end.
    pub elapsed: Duration,
}

/// The wait for one child.
pub struct Watch<'a> {
    child: Child,
    streams: &'a Streams,
    signals: &'a Signals,
    idle_timeout: Option<Duration>,
    wall_at: Option<Instant>,
    idle_at: Option<Instant>,
    sizes: (u64, u64),
    ending: Option<Ending>,
    ended: Option<(WaitStatus, Duration)>,
    alone: bool,
    stdout: io::Stdout,
    has_reader: bool,
}

/// How far the end of the run has come.
#[derive(Debug, Clone, Copy)]
struct Ending {
    end: End,
    since: Instant,
    killed: Option<Instant>,
}

impl<'a> Watch<'a> {
    /// Starts the clocks.
    pub fn new(child: Child, plan: &Plan, streams: &'a Streams, signals: &'a Signals) -> Self {
        let stdout = io::stdout();
        Self {
            wall_at: plan.timeout.and_then(|limit| child.since.checked_add(limit)),
            idle_at: plan.idle_timeout.and_then(|limit| child.since.checked_add(limit)),
            idle_timeout: plan.idle_timeout,
            has_reader: is_pipe(stdout.as_fd()),
            child,
            streams,
            signals,
            sizes: (0, 0),
            ending: None,
            ended: None,
            alone: false,
            stdout,
        }
    }

    /// Waits until the child has ended, and where it was made to, its process group too.
    pub fn wait(mut self) -> anyhow::Result<Fate> {
        loop {
            self.reap()?;
            if let Some(fate) = self.fate() {
                if self.ending.is_some() {
                    // Where orphans do not come to us, the last of the group may have outlived its leader.
                    self.signal(Signal::KILL);
                }
                return Ok(fate);
            }
            self.check_limits(Instant::now())?;
            self.sleep()?;
        }
    }

    /// The fate, once nothing is left to wait for.
    fn fate(&self) -> Option<Fate> {
        let (status, elapsed) = match self.ended {
            Some((status, elapsed)) => (Some(status), elapsed),
            None => (None, self.child.since.elapsed()),
        };
        let end = match self.ending {
            Some(ending) => {
                let given_up = ending.killed.is_some_and(|killed| killed.elapsed() >= LAST);
                let over = status.is_some() && self.alone;
                (over || given_up).then_some(ending.end)?
            }
            None if status?.signaled() => End::Signal,
            None => End::Exit,
        };
        Some(Fate { end, status, elapsed })
    }

    /// Takes the status of every process that has ended, and learns whether any is left.
    fn reap(&mut self) -> anyhow::Result<()> {
        self.signals.forget_child();
        loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((pid, status))) if pid == self.child.pid => {
                    self.ended = Some((status, self.child.since.elapsed()));
                }
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return Ok(()),
                Err(Errno::CHILD) => {
                    self.alone = true;
                    return Ok(());
                }
                Err(error) => return Err(error).context("cannot wait for the child"),
            }
        }
    }

    fn check_limits(&mut self, now: Instant) -> anyhow::Result<()> {
        match self.ending {
            Some(Ending { since, killed: None, .. }) if now >= since + GRACE => self.kill(now),
            None if self.wall_at.is_some_and(|at| now >= at) => self.end(End::Timeout, now),
            None if self.idle_at.is_some_and(|at| now >= at) => self.check_silence(now)?,
            Some(_) | None => {}
        }
        Ok(())
    }

    /// Ends the run if nothing came for as long as the limit, or sets the clock to when that can be the case.
    fn check_silence(&mut self, now: Instant) -> anyhow::Result<()> {
        let Some(limit) = self.idle_timeout else { return Ok(()) };
        let sizes = self.streams.sizes()?;
        if sizes == self.sizes {
            self.end(End::Idle, now);
            return Ok(());
        }
        self.sizes = sizes;
        let quiet = [&self.streams.stdout, &self.streams.stderr].map(quiet_for).into_iter().flatten().min();
        self.idle_at = now.checked_add(limit.saturating_sub(quiet.unwrap_or(Duration::ZERO)));
        Ok(())
    }

    fn end(&mut self, end: End, now: Instant) {
        self.ending = Some(Ending { end, since: now, killed: None });
        self.signal(Signal::TERM);
        // One that is stopped would not take notice before the grace is over.
        self.signal(Signal::CONT);
    }

    fn kill(&mut self, now: Instant) {
        if let Some(ending) = &mut self.ending {
            ending.killed = Some(now);
        }
        self.signal(Signal::KILL);
    }

    fn signal(&self, signal: Signal) {
        // The group may be gone by now, which is what is wanted.
        let _ = kill_process_group(self.child.pid, signal);
    }

    /// Somebody wants the run ended: politely the first time, at once the second.
    fn told_to_end(&mut self, now: Instant) {
        match self.ending {
            None => self.end(End::Cancelled, now),
            Some(ending) if ending.killed.is_none() && now >= ending.since + SECOND_SIGNAL => self.kill(now),
            Some(_) => {}
        }
    }

    /// Sleeps until something happens or the next limit is reached.
    fn sleep(&mut self) -> anyhow::Result<()> {
        let timeout = self.next_at().map(|at| timespec(at.saturating_duration_since(Instant::now())));
        let mut fds = vec![
            PollFd::from_borrowed_fd(self.signals.child(), PollFlags::IN),
            PollFd::from_borrowed_fd(self.signals.ending(), PollFlags::IN),
        ];
        if self.has_reader {
            // Asked for nothing, a pipe still reports that its reader is gone.
            fds.push(PollFd::new(&self.stdout, PollFlags::empty()));
        }
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot wait for the child"),
        }
        let reader_gone = fds.get(2).is_some_and(|fd| !fd.revents().is_empty());
        drop(fds);
        let now = Instant::now();
        if self.signals.take_ending() {
            self.told_to_end(now);
        }
        if reader_gone {
            self.has_reader = false;
            if self.ending.is_none() {
                self.end(End::Cancelled, now);
            }
        }
        Ok(())
    }

    fn next_at(&self) -> Option<Instant> {
        match self.ending {
            None => [self.wall_at, self.idle_at].into_iter().flatten().min(),
            Some(Ending { killed: Some(killed), .. }) => Some(killed + LAST),
            Some(Ending { since, .. }) => Some(since + GRACE),
        }
    }
}

/// How long ago a file was last written to; None where its clock is ahead of ours.
fn quiet_for(file: &File) -> Option<Duration> {
    SystemTime::now().duration_since(file.metadata().ok()?.modified().ok()?).ok()
}

fn is_pipe(fd: BorrowedFd) -> bool {
    fstat(fd)
        .is_ok_and(|stat| matches!(FileType::from_raw_mode(stat.st_mode), FileType::Fifo | FileType::Socket))
}

fn timespec(duration: Duration) -> Timespec {
    Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    }
}
