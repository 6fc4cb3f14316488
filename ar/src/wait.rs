//! Waiting for a provider, without missing a signal.

use crate::signals::Signals;
use anyhow::{Context, Result};
use ar_core::clock::parse_duration;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::time::{Duration, Instant};

/// How long to sleep at most before looking again: a provider may be free earlier than it said.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How long to sleep at least.
const BREATH: Duration = Duration::from_millis(100);

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

    /// A pause of about `wait` that stays within it.
    pub fn bound(&self, wait: Duration) -> Duration {
        let pause = wait.clamp(BREATH, LOOK_AGAIN);
        match self {
            Self::Until(end) => pause.min(end.saturating_duration_since(Instant::now())),
            Self::None | Self::Endless => pause,
        }
    }
}

/// Sleeps, but for a signal.
pub fn pause(length: Duration, signals: &mut Signals) -> Result<()> {
    let timeout = Timespec::try_from(length).context("cannot wait")?;
    let mut fds = [PollFd::new(&*signals, PollFlags::IN)];
    let woken = match poll(&mut fds, Some(&timeout)) {
        Err(rustix::io::Errno::INTR) => 0,
        polled => polled.context("cannot wait")?,
    };
    if woken > 0 { signals.acknowledge() } else { Ok(()) }
}
