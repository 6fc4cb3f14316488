//! A terminal for a child that refuses to write to anything else. What it writes there still ends in its file.

use crate::signals::poll;
use anyhow::{Context, anyhow};
use rustix::event::{PollFd, PollFlags};
use rustix::io::{Errno, FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, Winsize, tcgetattr, tcgetwinsize, tcsetattr, tcsetwinsize};
use signal_hook::consts::SIGWINCH;
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The size where we have no terminal ourselves.
const SIZE: Winsize = Winsize { ws_row: 40, ws_col: 120, ws_xpixel: 0, ws_ypixel: 0 };
/// How long the last output of a child that has ended may take through the kernel.
const SETTLE: Duration = Duration::from_millis(50);

/// Both ends of a terminal.
#[derive(Debug)]
pub struct Terminal {
    ours: OwnedFd,
    child_end: File,
    /// Becomes readable when our own terminal gets another size.
    resized: UnixStream,
}

/// The thread that brings what the child writes into its file.
#[derive(Debug)]
pub struct Pump {
    /// Closed to say that the child has ended.
    more: PipeWriter,
    thread: JoinHandle<io::Result<()>>,
}

impl Terminal {
    /// Opens a terminal of our own terminal's size that passes every byte on as it is.
    pub fn open() -> anyhow::Result<Self> {
        Self::new().context("cannot open a terminal for the child")
    }

    fn new() -> io::Result<Self> {
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        // Not every system can do so in one step; nothing is started meanwhile.
        fcntl_setfd(&ours, FdFlags::CLOEXEC)?;
        grantpt(&ours)?;
        unlockpt(&ours)?;
        let name = ptsname(&ours, Vec::new())?;
        let child_end = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NOCTTY)
            .open(std::ffi::OsStr::from_bytes(name.as_bytes()))?;
        let mut modes = tcgetattr(&child_end)?;
        modes.make_raw();
        tcsetattr(&child_end, OptionalActions::Now, &modes)?;
        let (resized, writer) = UnixStream::pair()?;
        resized.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(SIGWINCH, writer)?;
        tcsetwinsize(&child_end, our_size().unwrap_or(SIZE))?;
        Ok(Self { ours, child_end, resized })
    }

    /// The child's end.
    pub fn child_end(&self) -> BorrowedFd<'_> {
        self.child_end.as_fd()
    }

    /// Starts to bring what the child writes into a file.
    pub fn pump(self, to: File) -> anyhow::Result<Pump> {
        let start = || -> io::Result<Pump> {
            let (stop, more) = io::pipe()?;
            let (from, child_end, resized) = (File::from(self.ours), self.child_end, self.resized);
            let thread = thread::Builder::new()
                .name("terminal".to_owned())
                .spawn(move || pump(from, child_end, to, &stop, &resized))?;
            Ok(Pump { more, thread })
        };
        start().context("cannot read the child's terminal")
    }
}

impl Pump {
    /// Waits until all that the child wrote is in the file.
    pub fn finish(self) -> anyhow::Result<()> {
        drop(self.more);
        let pumped = self.thread.join().map_err(|_| anyhow!("the thread that reads the terminal died"))?;
        pumped.context("cannot keep what the child wrote to its terminal")
    }
}

/// The size of our own terminal, if we have one.
fn our_size() -> Option<Winsize> {
    tcgetwinsize(io::stderr()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 0)
}

/// Gives the child's terminal the size that ours has now, of which the system tells the child.
fn resize(terminal: &File, mut resized: &UnixStream) -> io::Result<()> {
    let mut bytes = [0; 64];
    while resized.read(&mut bytes).is_ok_and(|n| n > 0) {}
    our_size().map_or(Ok(()), |size| Ok(tcsetwinsize(terminal, size)?))
}

/// Copies until the child has ended, and then what is left.
///
/// We hold the child's end open for as long as the child lives: a terminal whose last user closes it hangs up, which would
/// kill a child that is done with its output and not with its work.
fn pump(
    mut from: File,
    child_end: File,
    mut to: File,
    stop: &PipeReader,
    resized: &UnixStream,
) -> io::Result<()> {
    let mut child_end = Some(child_end);
    let mut piece = vec![0; 65_536];
    let mut ended = false;
    loop {
        let mut fds = vec![PollFd::new(&from, PollFlags::IN), PollFd::new(resized, PollFlags::IN)];
        if !ended {
            fds.push(PollFd::new(stop, PollFlags::IN));
        }
        poll(&mut fds, ended.then_some(SETTLE)).map_err(io::Error::other)?;
        let came = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
        let [readable, has_new_size, stopped] = [0, 1, 2].map(came);
        if has_new_size {
            resize(&from, resized)?;
        }
        if ended && !readable {
            return Ok(());
        }
        if stopped {
            ended = true;
            drop(child_end.take());
        }
        if !readable {
            continue;
        }
        match from.read(&mut piece) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(piece.get(..n).unwrap_or_default())?,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // The other end is closed.
            Err(error) if error.raw_os_error() == Some(Errno::IO.raw_os_error()) => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}
