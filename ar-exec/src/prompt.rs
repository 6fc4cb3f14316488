//! The prompt: where it comes from, and how it becomes a file of the run.

use crate::run_dir::RunDir;
use crate::signals::{Signals, poll};
use anyhow::{Context, bail};
use ar_core::paths;
use rustix::event::{PollFd, PollFlags};
use rustix::io::{FdFlags, fcntl_getfd, fcntl_setfd};
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Where the prompt comes from.
#[derive(Debug)]
pub enum Prompt {
    /// Nowhere: the child reads an empty input.
    None,
    /// The words of the command line.
    Words(Vec<u8>),
    /// A file.
    File(PathBuf),
    /// Our standard input.
    Stdin,
}

impl Prompt {
    /// The words joined by single spaces, byte for byte and without a newline.
    pub fn words(words: &[OsString]) -> Self {
        Self::Words(words.join(OsStr::new(" ")).into_vec())
    }

    /// A file. One that is an open descriptor of ours, `/dev/fd/N`, is kept from the child.
    pub fn file(path: PathBuf) -> anyhow::Result<Self> {
        if let Some(number) = descriptor(&path).filter(|number| *number > 2) {
            keep_from_child(number).with_context(|| format!("cannot read '{}'", path.display()))?;
        }
        Ok(Self::File(path))
    }

    /// Writes `preface` and the prompt into the run's directory, and becomes that file: the next run of the same prompt
    /// finds it there, even where it came through a pipe.
    pub fn write(&mut self, preface: &str, dir: &RunDir, signals: &Signals) -> anyhow::Result<()> {
        let path = dir.prompt();
        if matches!(self, Self::File(file) if *file == path) {
            return Ok(());
        }
        let cannot_write = || format!("cannot write '{}'", path.display());
        let mut to = paths::create_private_file(&path)?;
        to.write_all(preface.as_bytes()).with_context(cannot_write)?;
        match self {
            Self::None => {}
            Self::Words(words) => to.write_all(words).with_context(cannot_write)?,
            Self::File(file) => {
                let cannot_open = || format!("cannot open '{}'", file.display());
                // The opening of a named pipe waits for its writer, and no signal would end that.
                let mut from = OpenOptions::new()
                    .read(true)
                    .custom_flags(libc::O_NONBLOCK)
                    .open(&*file)
                    .with_context(cannot_open)?;
                let is_file = from.metadata().with_context(cannot_open)?.is_file();
                let copied = if is_file {
                    io::copy(&mut from, &mut to).map(|_| ()).map_err(anyhow::Error::new)
                } else {
                    spool(from, &mut to, signals)
                };
                copied.with_context(|| {
                    format!("cannot copy the prompt '{}' to '{}'", file.display(), path.display())
                })?;
            }
            Self::Stdin => {
                spool(io::stdin().lock(), &mut to, signals).with_context(cannot_write)?;
            }
        }
        *self = Self::File(path);
        Ok(())
    }
}

/// Copies what may be a terminal or a slow pipe, until it ends or somebody wants the run ended.
fn spool(mut from: impl Read + AsFd, to: &mut File, signals: &Signals) -> anyhow::Result<()> {
    let mut buffer = vec![0; 65_536];
    loop {
        let mut fds =
            [PollFd::new(&from, PollFlags::IN), PollFd::from_borrowed_fd(signals.ending(), PollFlags::IN)];
        poll(&mut fds, None)?;
        let [input, ending] = fds.map(|fd| fd.revents());
        if !ending.is_empty() {
            bail!("a signal came before the prompt was read");
        }
        if input.is_empty() {
            continue;
        }
        match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => to.write_all(buffer.get(..n).unwrap_or(&[]))?,
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error).context("cannot read the prompt"),
        }
    }
}

/// The descriptor that a path such as `/dev/fd/3` stands for.
fn descriptor(path: &Path) -> Option<RawFd> {
    let number = path.strip_prefix("/dev/fd").or_else(|_| path.strip_prefix("/proc/self/fd")).ok()?;
    number.to_str()?.parse().ok().filter(|number| *number >= 0)
}

/// Sets close-on-exec on a descriptor that we inherited.
pub fn keep_from_child(number: RawFd) -> io::Result<()> {
    let fd = borrow(number);
    fcntl_setfd(fd, fcntl_getfd(fd)? | FdFlags::CLOEXEC)?;
    Ok(())
}

#[allow(unsafe_code, reason = "a descriptor's number comes from the command line")]
fn borrow<'a>(number: RawFd) -> BorrowedFd<'a> {
    // SAFETY: the number is not negative, nothing in this process closes a descriptor that it inherited, and fcntl(2)
    // answers EBADF where there is none of that number.
    unsafe { BorrowedFd::borrow_raw(number) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_of_open_descriptors_are_known() {
        for (path, number) in [("/dev/fd/3", Some(3)), ("/proc/self/fd/12", Some(12))] {
            assert_eq!(descriptor(Path::new(path)), number);
        }
        for path in ["/dev/fd/-3", "/dev/fd/", "/dev/stdin", "fd/3", "/dev/fd/3/x", "3"] {
            assert_eq!(descriptor(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn words_keep_their_bytes() {
        let words = vec![OsString::from("a b"), OsString::from_vec(vec![0xff]), OsString::from("")];
        assert!(matches!(Prompt::words(&words), Prompt::Words(bytes) if bytes == b"a b \xff "));
    }
}
