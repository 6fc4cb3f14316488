//! The signals that concern a run, each kind a pipe that poll(2) can wait for.

use anyhow::Context;
use ar_core::signals::is_ignored;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
use std::cell::Cell;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// What ends a run when it is sent to ar-exec.
const ENDING: [i32; 4] = [SIGINT, SIGTERM, SIGHUP, SIGQUIT];

/// The signals caught from here on.
#[derive(Debug)]
pub struct Signals {
    child: UnixStream,
    ending: UnixStream,
    stopping: UnixStream,
    last: Arc<AtomicUsize>,
    told_to_end: Cell<Option<usize>>,
}

impl Signals {
    /// Catches the signals for the rest of the process's life.
    ///
    /// SIGHUP stays ignored where it is, because nohup(1) asked for that; a shell that starts a job in the background
    /// ignores SIGINT and SIGQUIT as well, yet whoever sends one of those to us means it.
    pub fn catch() -> anyhow::Result<Self> {
        let (child, child_writer) = pair()?;
        let (ending, ending_writer) = pair()?;
        let (stopping, stopping_writer) = pair()?;
        let last = Arc::new(AtomicUsize::new(0));
        register(SIGCHLD, &child_writer)?;
        for signal in ENDING {
            if signal != SIGHUP || !is_ignored(signal) {
                tell(signal, &last)?;
                register(signal, &ending_writer)?;
            }
        }
        if !is_ignored(SIGTSTP) {
            register(SIGTSTP, &stopping_writer)?;
        }
        unblock(&[&[SIGCHLD, SIGTSTP], &ENDING[..]].concat());
        Ok(Self { child, ending, stopping, last, told_to_end: Cell::new(None) })
    }

    /// Becomes readable when a child ends, stops or goes on.
    pub fn child(&self) -> BorrowedFd<'_> {
        self.child.as_fd()
    }

    /// Becomes readable when somebody wants the run ended.
    pub fn ending(&self) -> BorrowedFd<'_> {
        self.ending.as_fd()
    }

    /// Becomes readable when the terminal wants us stopped.
    pub fn stopping(&self) -> BorrowedFd<'_> {
        self.stopping.as_fd()
    }

    /// Takes what came through [`Self::stopping`], and tells whether anything did.
    pub fn take_stopping(&self) -> bool {
        drain(&self.stopping)
    }

    /// Empties the pipe of [`Self::child`].
    pub fn forget_child(&self) {
        drain(&self.child);
    }

    /// Takes what came through [`Self::ending`], and tells whether anything did.
    pub fn take_ending(&self) -> bool {
        let came = drain(&self.ending);
        if came && self.told_to_end.get().is_none() {
            self.told_to_end.set(Some(self.last.load(Ordering::Relaxed)));
        }
        came
    }

    /// The signal that was the first to say that a run shall end.
    pub fn cancelled_by(&self) -> Option<i32> {
        i32::try_from(self.told_to_end.get()?).ok()
    }

    /// Whether anybody has ever wanted a run ended.
    pub fn was_told_to_end(&self) -> bool {
        self.take_ending() || self.told_to_end.get().is_some()
    }
}

/// Waits until one of the descriptors can be read, or the time is over.
pub fn sleep(fds: &[BorrowedFd], timeout: Option<Duration>) -> anyhow::Result<()> {
    let mut fds: Vec<PollFd> = fds.iter().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    poll(&mut fds, timeout)
}

/// Whether something can be read now.
pub fn is_readable(fd: BorrowedFd) -> bool {
    let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
    poll(&mut fds, Some(Duration::ZERO)).is_ok() && fds.iter().any(|fd| !fd.revents().is_empty())
}

/// poll(2), for which an interruption is as good as any other reason to return.
pub fn poll(fds: &mut [PollFd], timeout: Option<Duration>) -> anyhow::Result<()> {
    let timeout = timeout.map(|duration| Timespec {
        tv_sec: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: duration.subsec_nanos().into(),
    });
    match rustix::event::poll(fds, timeout.as_ref()) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(error).context("cannot wait for anything to happen"),
    }
}

fn pair() -> anyhow::Result<(UnixStream, UnixStream)> {
    let pair = UnixStream::pair().and_then(|(reader, writer)| {
        reader.set_nonblocking(true)?;
        Ok((reader, writer))
    });
    pair.context("cannot make a pipe for signals")
}

fn register(signal: i32, writer: &UnixStream) -> anyhow::Result<()> {
    writer
        .try_clone()
        .and_then(|writer| signal_hook::low_level::pipe::register(signal, writer))
        .with_context(|| format!("cannot catch signal {signal}"))?;
    Ok(())
}

/// Has a signal leave its number, before it is heard of.
fn tell(signal: i32, last: &Arc<AtomicUsize>) -> anyhow::Result<()> {
    let number = usize::try_from(signal).context("a signal has no number")?;
    signal_hook::flag::register_usize(signal, Arc::clone(last), number)
        .with_context(|| format!("cannot catch signal {signal}"))?;
    Ok(())
}

/// Reads what is there, and tells whether anything was.
fn drain(mut reader: &UnixStream) -> bool {
    let mut came = false;
    let mut buffer = [0; 64];
    loop {
        match reader.read(&mut buffer) {
            Ok(0) => return came,
            Ok(_) => came = true,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Nothing is left: the stream does not block, and has no other way to fail.
            Err(_) => return came,
        }
    }
}

/// Lifts a block that whoever started us left behind: blocked signals would never reach the pipes.
#[allow(unsafe_code, reason = "the standard library cannot change the signal mask")]
fn unblock(signals: &[i32]) {
    // SAFETY: sigemptyset initialises the set before anything reads it, and the old mask is not asked for.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in signals {
            libc::sigaddset(&raw mut set, *signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
    }
}
