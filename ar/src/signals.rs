//! Signals that ask us to end.

use anyhow::{Context, Result};
use ar_core::signals::is_ignored;
use rustix::process::Signal;
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::low_level::{emulate_default_handler, pipe};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The signals that arrived, as a descriptor to poll.
pub struct Signals {
    wake: UnixStream,
    last: Arc<AtomicUsize>,
}

impl Signals {
    /// Takes INT, TERM, HUP and QUIT from now on.
    ///
    /// A hang-up stays ignored where nohup(1) asked for that. An ignored interrupt does not: a shell has its background jobs
    /// ignore what a terminal sends, and that is no reason to ignore what somebody sends to us.
    pub fn catch() -> Result<Self> {
        let cannot = "cannot handle signals";
        let (wake, write) = UnixStream::pair().context(cannot)?;
        wake.set_nonblocking(true).context(cannot)?;
        let last = Arc::new(AtomicUsize::new(0));
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] {
            if signal == SIGHUP && is_ignored(signal) {
                continue;
            }
            let number = usize::try_from(signal).context(cannot)?;
            signal_hook::flag::register_usize(signal, Arc::clone(&last), number).context(cannot)?;
            pipe::register(signal, write.try_clone().context(cannot)?).context(cannot)?;
        }
        Ok(Self { wake, last })
    }

    /// The last signal that arrived, if one did.
    pub fn arrived(&self) -> Option<Signal> {
        Signal::from_named_raw(i32::try_from(self.last.load(Ordering::Relaxed)).ok()?)
    }

    /// Makes the descriptor quiet until the next signal.
    pub fn acknowledge(&mut self) -> Result<()> {
        let mut bytes = [0; 64];
        // It was readable, so this does not block; how many signals it tells of is of no interest.
        self.wake.read(&mut bytes).context("cannot handle signals").map(|_| ())
    }

    /// Ends this process by the signal that arrived, so that a shell's loop around us ends, too.
    pub fn die(signal: Signal) -> Result<()> {
        emulate_default_handler(signal.as_raw()).context("cannot end by the signal")
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
