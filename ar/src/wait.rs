//! How long a call waits, and pauses that miss no signal.

use crate::signals::Signals;
use anyhow::{Context, Result};
use ar_core::clock::parse_duration;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::time::{Duration, Instant};

/// When a whole call ends, whatever it does then.
pub struct Deadline(Option<Instant>);

impl Deadline {
    /// Reads `--deadline`, counted from now; 0 is none, as for all limits.
    pub fn new(time: Option<&str>) -> Result<Self> {
        let length = time.map(parse_duration).transpose()?.filter(|length| !length.is_zero());
        // A deadline that no clock can show is none.
        Ok(Self(length.and_then(|length| Instant::now().checked_add(length))))
    }

    /// What is left of it, none where there is no deadline.
    pub fn left(&self) -> Option<Duration> {
        self.0.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Whether it has passed.
    pub fn is_over(&self) -> bool {
        self.left().is_some_and(|left| left.is_zero())
    }
}

/// How long a call waits for a provider.
pub enum Patience {
    None,
    Until(Instant),
    Endless,
}

impl Patience {
    /// Reads `--wait[=MAX]`.
    pub fn new(wait: Option<&str>) -> Result<Self> {
        Ok(match wait {
            None => Self::None,
            Some("") => Self::Endless,
            Some(most) => match Instant::now().checked_add(parse_duration(most)?) {
                Some(end) => Self::Until(end),
                None => Self::Endless,
            },
        })
    }

    /// Whether there is any left.
    pub fn lasts(&self) -> bool {
        match self {
            Self::None => false,
            Self::Until(end) => Instant::now() < *end,
            Self::Endless => true,
        }
    }

    /// What is left of it, none where it is endless.
    pub fn left(&self) -> Option<Duration> {
        match self {
            Self::None => Some(Duration::ZERO),
            Self::Until(end) => Some(end.saturating_duration_since(Instant::now())),
            Self::Endless => None,
        }
    }
}

/// Sleeps, but for a signal and not beyond the deadline.
pub fn pause(length: Duration, deadline: &Deadline, signals: &mut Signals) -> Result<()> {
    let length = deadline.left().map_or(length, |left| left.min(length));
    let timeout = Timespec::try_from(length).context("cannot wait")?;
    let mut fds = [PollFd::new(&*signals, PollFlags::IN)];
    let woken = match poll(&mut fds, Some(&timeout)) {
        Err(rustix::io::Errno::INTR) => 0,
        polled => polled.context("cannot wait")?,
    };
    if woken > 0 { signals.acknowledge() } else { Ok(()) }
}
