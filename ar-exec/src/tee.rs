//! Follows the child's standard output as it grows, and writes it on.
//!
//! A thread of its own does the writing, because a stopped terminal or a slow reader may block it for any time, and no
//! limit of the run may wait for that.

use crate::prompt::keep_from_child;
use crate::signals::Signals;
use anyhow::Context;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::thread;

/// Where the output goes.
#[derive(Debug)]
pub struct Tee(File);

/// A tee at work.
#[derive(Debug)]
pub struct Following {
    /// Closed to say that the file grows no more.
    more: PipeWriter,
    /// At its end when everything is written, or cannot be.
    done: PipeReader,
}

impl Tee {
    /// Opens the file, or takes over the open descriptor of that number.
    pub fn open(target: &Path) -> anyhow::Result<Self> {
        let file = match target.to_str().and_then(|text| text.parse().ok()).filter(|number| *number >= 0) {
            Some(number) => {
                keep_from_child(number)
                    .with_context(|| format!("cannot write to file descriptor {number}"))?;
                take(number)
            }
            None => OpenOptions::new()
                .create(true)
                .append(true)
                .open(target)
                .with_context(|| format!("cannot open '{}'", target.display()))?,
        };
        Ok(Self(file))
    }

    /// Starts to follow a file.
    pub fn follow(&self, path: &Path) -> anyhow::Result<Following> {
        let start = || -> io::Result<Following> {
            let (stop, more) = io::pipe()?;
            let (done, finished) = io::pipe()?;
            let follower = Follower { from: Growing::open(path)?, to: self.0.try_clone()?, stop };
            thread::Builder::new().name("tee".to_owned()).spawn(move || {
                follower.run();
                drop(finished);
            })?;
            Ok(Following { more, done })
        };
        start().with_context(|| format!("cannot follow '{}'", path.display()))
    }
}

impl Following {
    /// Waits until all that the child wrote is written on. A signal gives up on a reader that does not read.
    pub fn finish(self, signals: &Signals) -> anyhow::Result<()> {
        drop(self.more);
        loop {
            let mut fds = [
                PollFd::new(&self.done, PollFlags::IN),
                PollFd::from_borrowed_fd(signals.ending(), PollFlags::IN),
            ];
            match poll(&mut fds, None) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error).context("cannot wait for the output to be written"),
            }
        }
    }
}

struct Follower {
    from: Growing,
    to: File,
    stop: PipeReader,
}

impl Follower {
    /// Copies until the file grows no more. A target that cannot be written to ends the tee and nothing else: the run's
    /// own files have everything.
    fn run(mut self) {
        let mut buffer = vec![0; 65_536];
        let mut last = false;
        loop {
            match self.from.file.read(&mut buffer) {
                Ok(0) if last => return,
                Ok(0) => last = self.from.wait(&self.stop),
                Ok(n) => {
                    let written = buffer.get(..n).map(|bytes| self.to.write_all(bytes));
                    if !matches!(written, Some(Ok(()))) {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// A file that grows, and the events that tell when.
struct Growing {
    file: File,
    events: OwnedFd,
}

#[cfg(target_os = "linux")]
impl Growing {
    fn open(path: &Path) -> io::Result<Self> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        let events = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        add_watch(&events, path, WatchFlags::MODIFY)?;
        Ok(Self { file: File::open(path)?, events })
    }

    /// Waits until the file has grown, or `stop` closes: then true.
    fn wait(&self, stop: &PipeReader) -> bool {
        let mut fds = [PollFd::new(&self.events, PollFlags::IN), PollFd::new(stop, PollFlags::IN)];
        if poll(&mut fds, None).is_err_and(|error| error != Errno::INTR) {
            return true;
        }
        let stopped = !fds[1].revents().is_empty();
        let mut events = [0; 4096];
        // What the events say does not matter, only that they came: the file is read to its end after each.
        while rustix::io::read(self.events.as_fd(), &mut events).is_ok_and(|n| n > 0) {}
        stopped
    }
}

#[allow(unsafe_code, reason = "a descriptor's number comes from the command line")]
fn take(number: i32) -> File {
    // SAFETY: fcntl(2) has just found the descriptor open; it was inherited for this use, and nothing else owns it.
    unsafe { File::from_raw_fd(number) }
}
