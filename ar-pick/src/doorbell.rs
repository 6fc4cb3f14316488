//! Sleeping until the state database is written to, or until our own reader goes away.

use anyhow::{Context, Result};
use ar_core::pipe;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// Rings when a file beside the state database changes. Where the system has no such bell, a wait just ends.
pub struct Doorbell {
    bell: Option<OwnedFd>,
    stdout: io::Stdout,
}

impl Doorbell {
    /// Watches the directory, because files in it come and go.
    pub fn hang(state_file: &Path) -> Result<Self> {
        Ok(Self {
            bell: watch(state_file)
                .with_context(|| format!("cannot watch the directory of '{}'", state_file.display()))?,
            stdout: io::stdout(),
        })
    }

    /// Sleeps until the bell rings, `pause` at most. An error when our reader is gone.
    pub fn wait(&self, pause: Duration) -> Result<()> {
        let bell = self.bell.as_ref();
        let woken = self.sleep(bell.map(AsFd::as_fd), Some(pause))?;
        bell.filter(|_| woken).map_or(Ok(()), silence)
    }

    /// Sleeps until `end` has no writer any more; false after `left`. An error when our reader is gone.
    pub fn wait_for(&self, end: &impl AsFd, left: Option<Duration>) -> Result<bool> {
        self.sleep(Some(end.as_fd()), left)
    }

    /// Whether `bell` woke us before the time was over.
    fn sleep(&self, bell: Option<BorrowedFd>, time: Option<Duration>) -> Result<bool> {
        let time = time.map(Timespec::try_from).transpose().context("cannot wait")?;
        let mut fds = Vec::from_iter(bell.map(|bell| PollFd::from_borrowed_fd(bell, PollFlags::IN)));
        fds.extend(pipe::reader(&self.stdout));
        match poll(&mut fds, time.as_ref()) {
            // Whoever sent the signal that did not end us wants nothing; looking again is harmless.
            Err(Errno::INTR) => return Ok(true),
            polled => polled.context("cannot wait")?,
        };
        let mut told = fds.iter().map(|fd| !fd.revents().is_empty());
        let rings = bell.is_some() && told.next() == Some(true);
        if told.next() == Some(true) {
            return Err(io::Error::from(ErrorKind::BrokenPipe)).context("nobody reads the record");
        }
        Ok(rings)
    }
}

fn silence(bell: &OwnedFd) -> Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match rustix::io::read(bell, &mut buffer) {
            Ok(0) | Err(Errno::AGAIN) => return Ok(()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error).context("cannot watch the state database"),
        }
    }
}

#[cfg(target_os = "linux")]
fn watch(state_file: &Path) -> Result<Option<OwnedFd>> {
    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    let inotify = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let dir = state_file.parent().context("it has none")?;
    add_watch(&inotify, dir, WatchFlags::MODIFY | WatchFlags::CREATE)?;
    Ok(Some(inotify))
}

#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
fn watch(_state_file: &Path) -> Result<Option<OwnedFd>> {
    Ok(None)
}
