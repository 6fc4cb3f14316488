//! Waits for the child: its end, its limits, and whoever wants the run ended.

use crate::child::Streams;
use crate::family::{Ended, Family, pause};
use crate::follow::Following;
use crate::plan::Limits;
use crate::signals::{Signals, poll, sleep};
use ar_core::pipe;
use ar_core::record::End;
use rustix::event::{PollFd, PollFlags};
use rustix::process::{Signal, getpid, kill_process};
use std::fs::File;
use std::io;
use std::time::{Duration, Instant, SystemTime};

/// From SIGTERM to SIGKILL.
const GRACE: Duration = Duration::from_secs(5);
/// The shorter grace of what the child left behind: it had its time to linger.
const LEFTOVER_GRACE: Duration = Duration::from_secs(1);
/// How long processes that were about to end anyway may take before they count as left behind.
const SETTLE: Duration = Duration::from_millis(100);
/// The pause between two looks at the size of the streams. An event for each write would cost more: the kernel takes about
/// 9 ms to close an inotify descriptor.
const LOOK: Duration = Duration::from_millis(250);

/// How long a run goes without a keeper. One that is over by then is spared the cost, and an agent has hardly begun.
const UNKEPT: Duration = Duration::from_millis(5);

/// How a run ended.
#[derive(Debug)]
pub struct Fate {
    /// What ended the run.
    pub end: End,
    /// The signal that cancelled it, where one did.
    pub cancelled_by: Option<i32>,
    /// The child's own end; none where even SIGKILL did not bring it.
    pub child: Option<Ended>,
    /// Wall time from the child's start to the run's end.
    pub elapsed: Duration,
    /// How many processes the child left behind.
    pub leftover: u64,
}

/// What the wait wakes up for.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Event {
    Child,
    Signal,
    Stop,
    Exceeded,
    NoReader,
}

/// The wait for one child.
pub struct Watch<'a> {
    family: Family,
    limits: &'a Limits,
    streams: &'a Streams,
    following: Option<&'a Following>,
    signals: &'a Signals,
    wall_at: Option<Instant>,
    idle_at: Option<Instant>,
    sizes: (u64, u64),
    look_at: Option<Instant>,
    keep_at: Option<Instant>,
    stdout: io::Stdout,
}

impl<'a> Watch<'a> {
    /// Starts the clocks.
    pub fn new(
        family: Family,
        limits: &'a Limits,
        streams: &'a Streams,
        following: Option<&'a Following>,
        signals: &'a Signals,
    ) -> Self {
        Self {
            wall_at: limits.timeout.and_then(|limit| family.since().checked_add(limit)),
            idle_at: limits.idle_timeout.and_then(|limit| family.since().checked_add(limit)),
            look_at: limits.max_output.map(|_| Instant::now() + LOOK),
            keep_at: family.since().checked_add(UNKEPT),
            sizes: (0, 0),
            family,
            limits,
            streams,
            following,
            signals,
            stdout: io::stdout(),
        }
    }

    /// Waits until the run is over, and gives the family along with the fate, because some of it may be left.
    pub fn wait(mut self) -> anyhow::Result<(Fate, Family)> {
        let end = loop {
            self.family.reap(self.signals)?;
            if let Some(ended) = self.family.ended() {
                break if ended.status.code().is_some() { End::Exit } else { End::Signal };
            }
            if self.keep_at.take_if(|at| Instant::now() >= *at).is_some() {
                self.family.keep();
            }
            if let Some(end) = self.reached_limit(Instant::now())? {
                break self.end(end)?;
            }
            if let Some(end) = self.sleep()? {
                break self.end(end)?;
            }
        };
        let child = self.family.ended();
        let elapsed = child.map_or_else(|| self.family.since().elapsed(), |child| child.elapsed);
        let leftover = self.leftover()?;
        let cancelled_by = if end == End::Cancelled { self.signals.cancelled_by() } else { None };
        Ok((Fate { end, cancelled_by, child, elapsed, leftover }, self.family))
    }

    fn end(&mut self, end: End) -> anyhow::Result<End> {
        self.family.end(GRACE, self.signals)?;
        Ok(end)
    }

    /// How many processes are left once those that were about to end have ended.
    fn leftover(&mut self) -> anyhow::Result<u64> {
        let since = Instant::now();
        while !self.family.is_gone() && since.elapsed() < SETTLE {
            sleep(&[self.signals.child()], Some(pause(SETTLE.saturating_sub(since.elapsed()))))?;
            self.family.reap(self.signals)?;
        }
        self.family.count()
    }

    fn reached_limit(&mut self, now: Instant) -> anyhow::Result<Option<End>> {
        if self.wall_at.is_some_and(|at| now >= at) {
            return Ok(Some(End::Timeout));
        }
        if self.idle_at.is_some_and(|at| now >= at) && self.is_silent(now)? {
            return Ok(Some(End::Idle));
        }
        if self.look_at.is_some_and(|at| now >= at) {
            self.look_at = Some(now + LOOK);
            let (stdout, stderr) = self.streams.sizes()?;
            if self.limits.max_output.is_some_and(|limit| stdout.max(stderr) > limit) {
                return Ok(Some(End::MaxOutput));
            }
        }
        Ok(None)
    }

    /// Whether nothing came for as long as the limit; sets the clock to when that can be the case.
    fn is_silent(&mut self, now: Instant) -> anyhow::Result<bool> {
        let Some(limit) = self.limits.idle_timeout else { return Ok(false) };
        let sizes = self.streams.sizes()?;
        if sizes == self.sizes {
            return Ok(true);
        }
        self.sizes = sizes;
        let quiet = [&self.streams.stdout, &self.streams.stderr].map(quiet_for).into_iter().flatten().min();
        self.idle_at = now.checked_add(limit.saturating_sub(quiet.unwrap_or(Duration::ZERO)));
        Ok(false)
    }

    /// Sleeps until something happens or the next limit is reached; gives what ends the run.
    fn sleep(&mut self) -> anyhow::Result<Option<End>> {
        let next = [self.wall_at, self.idle_at, self.look_at, self.keep_at].into_iter().flatten().min();
        let (events, mut fds): (Vec<Event>, Vec<PollFd>) = self.events().into_iter().unzip();
        poll(&mut fds, next.map(|at| at.saturating_duration_since(Instant::now())))?;
        let came: Vec<Event> = events
            .into_iter()
            .zip(fds)
            .filter_map(|(event, fd)| (!fd.revents().is_empty()).then_some(event))
            .collect();
        if came.contains(&Event::Stop) && self.signals.take_stopping() {
            self.stop();
        }
        if came.contains(&Event::NoReader) || came.contains(&Event::Signal) && self.signals.take_ending() {
            return Ok(Some(End::Cancelled));
        }
        if let Some(following) = self.following.filter(|_| came.contains(&Event::Exceeded)) {
            let limit = following.limit();
            // Without one the follower has ended early; its error is told when it is asked for what it read.
            self.following = self.following.filter(|_| limit.is_some());
            return Ok(limit);
        }
        Ok(None)
    }

    fn events(&self) -> Vec<(Event, PollFd<'_>)> {
        let input = |event, fd| (event, PollFd::from_borrowed_fd(fd, PollFlags::IN));
        let mut events = vec![
            input(Event::Child, self.signals.child()),
            input(Event::Signal, self.signals.ending()),
            input(Event::Stop, self.signals.stopping()),
        ];
        events.extend(self.following.map(|following| input(Event::Exceeded, following.exceeded())));
        events.extend(pipe::reader(&self.stdout).map(|reader| (Event::NoReader, reader)));
        events
    }

    /// Stops with the run, as a terminal asks for; the clocks stand still until it goes on.
    fn stop(&mut self) {
        let since = Instant::now();
        self.family.signal(Signal::STOP);
        // It can fail for no reason, and then the run just goes on.
        let _ = kill_process(getpid(), Signal::STOP);
        self.family.signal(Signal::CONT);
        let stopped = since.elapsed();
        for clock in [&mut self.wall_at, &mut self.idle_at] {
            *clock = clock.and_then(|at| at.checked_add(stopped));
        }
    }
}

/// Who ends what a child left behind.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ender {
    /// We have.
    Us,
    /// The keeper will.
    Keeper,
}

/// Sees to it that what a child left behind ends, after it had its time to end by itself. A signal cuts that short.
pub fn end_leftover(mut family: Family, linger: Duration, signals: &Signals) -> anyhow::Result<Ender> {
    if !family.is_gone() && !signals.was_told_to_end() {
        match family.leave(linger) {
            Ok(()) => return Ok(Ender::Keeper),
            Err(back) => family = *back,
        }
    }
    let since = Instant::now();
    while !family.is_gone() && since.elapsed() < linger && !signals.was_told_to_end() {
        let left = linger.saturating_sub(since.elapsed());
        sleep(&[signals.child(), signals.ending()], Some(pause(left)))?;
        family.reap(signals)?;
    }
    if !family.is_gone() {
        family.end(LEFTOVER_GRACE, signals)?;
    }
    Ok(Ender::Us)
}

/// How long ago a file was last written to; None where its clock is ahead of ours.
fn quiet_for(file: &File) -> Option<Duration> {
    SystemTime::now().duration_since(file.metadata().ok()?.modified().ok()?).ok()
}
