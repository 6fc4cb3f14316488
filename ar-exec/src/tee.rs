//! Where the output is written to as it comes.

use crate::prompt::keep_from_child;
use anyhow::Context;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::FromRawFd;
use std::path::Path;

/// A file or an open descriptor.
#[derive(Debug)]
pub struct Tee(File);

/// What is written to a tee, or to nobody. Where it cannot be written to, the tee ends and nothing else: the run's own
/// files have everything.
#[derive(Debug)]
pub struct Live(Option<File>);

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
}

impl Live {
    /// Writes to the tee, if there is one.
    pub fn of(tee: Option<&Tee>) -> anyhow::Result<Self> {
        let file = tee.map(|tee| tee.0.try_clone()).transpose().context("cannot copy a file descriptor")?;
        Ok(Self(file))
    }
}

impl Write for Live {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.0.as_mut().map(|file| file.write(bytes)) {
            Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Some(Ok(written)) if written > 0 => Ok(written),
            _ => {
                self.0 = None;
                Ok(bytes.len())
            }
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[allow(unsafe_code, reason = "a descriptor's number comes from the command line")]
fn take(number: i32) -> File {
    // SAFETY: fcntl(2) has just found the descriptor open; it was inherited for this use, and nothing else owns it.
    unsafe { File::from_raw_fd(number) }
}
