//! Follows the child's standard output as it grows, and writes it on.
//!
//! A thread of its own does the writing, because a stopped terminal or a slow reader may block it for any time, and no
//! limit of the run may wait for that.

use crate::growth::Growth;
use crate::prompt::keep_from_child;
use crate::signals::{Signals, poll};
use anyhow::Context;
use rustix::event::{PollFd, PollFlags};
use std::fs::{File, OpenOptions};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::FromRawFd;
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
            let growth = Growth::of(&[path])?;
            let follower = Follower { from: File::open(path)?, growth, to: self.0.try_clone()?, stop };
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
            poll(&mut fds, None)?;
            if fds.iter().any(|fd| !fd.revents().is_empty()) {
                return Ok(());
            }
        }
    }
}

struct Follower {
    from: File,
    growth: Growth,
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
            match self.from.read(&mut buffer) {
                Ok(0) if last => return,
                Ok(0) => last = self.wait(),
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

impl Follower {
    /// Waits until the file has grown, or grows no more: then true.
    fn wait(&self) -> bool {
        let mut fds = [PollFd::new(&self.growth, PollFlags::IN), PollFd::new(&self.stop, PollFlags::IN)];
        if poll(&mut fds, None).is_err() {
            return true;
        }
        let stopped = !fds[1].revents().is_empty();
        self.growth.forget();
        stopped
    }
}

#[allow(unsafe_code, reason = "a descriptor's number comes from the command line")]
fn take(number: i32) -> File {
    // SAFETY: fcntl(2) has just found the descriptor open; it was inherited for this use, and nothing else owns it.
    unsafe { File::from_raw_fd(number) }
}
