//! The directory of a run: its files, and the lock that tells a live run from a dead one.

use anyhow::Context;
use ar_core::{Failure, loose, paths};
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// No agent has more to say of its tokens.
const MAX_USAGE_BYTES: u64 = 1024 * 1024;

/// A run's directory, locked for as long as this lives, or a copy of the lock.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    lock: File,
    /// Whether to forget it at the end.
    is_loose: bool,
}

impl RunDir {
    /// Creates the directory (0700) and locks it.
    ///
    /// The lock comes before every other file: what has no lock held is dead, and may be cleaned away.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        // The child may work elsewhere, and is told the prompt's path.
        let path = std::path::absolute(path)
            .with_context(|| format!("cannot make '{}' an absolute path", path.display()))?;
        paths::create_private_dir(&path)?;
        let lock = paths::create_private_file(&path.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let message = format!("another ar-exec is at work in '{}'", path.display());
                return Err(Failure::trouble(message).into());
            }
            Err(TryLockError::Error(error)) => {
                return Err(error).with_context(|| format!("cannot lock '{}'", path.display()));
            }
        }
        Ok(Self { path, lock, is_loose: false })
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that no reservation tells of the run, so that whoever comes next ends it where we and its keeper are killed.
    pub fn note_loose(&mut self) -> anyhow::Result<()> {
        loose::note(&self.path)?;
        self.is_loose = true;
        Ok(())
    }

    /// Leaves the directory to whoever else holds its lock.
    pub fn leave(mut self) {
        self.is_loose = false;
    }

    /// The lock once more. It is free when both are gone.
    pub fn copy_lock(&self) -> anyhow::Result<File> {
        self.lock.try_clone().context("cannot copy a file descriptor")
    }

    /// The file that holds the whole prompt.
    pub fn prompt(&self) -> PathBuf {
        self.path.join("prompt")
    }

    /// The file that the child's standard output goes to.
    pub fn stdout(&self) -> PathBuf {
        self.path.join("stdout")
    }

    /// The file that the child's standard error goes to.
    pub fn stderr(&self) -> PathBuf {
        self.path.join("stderr")
    }

    /// The file that the answer goes to.
    pub fn answer(&self) -> PathBuf {
        self.path.join("answer")
    }

    /// The file that an agent is asked to write its usage to.
    pub fn usage(&self) -> PathBuf {
        self.path.join("usage")
    }

    /// Takes the usage out of the directory, empty where the agent wrote none.
    pub fn take_usage(&self) -> anyhow::Result<Vec<u8>> {
        let path = self.usage();
        let file = match File::open(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            file => file,
        };
        let mut usage = Vec::new();
        file.and_then(|file| file.take(MAX_USAGE_BYTES).read_to_end(&mut usage))
            .and_then(|_| fs::remove_file(&path))
            .with_context(|| format!("cannot read '{}'", path.display()))?;
        Ok(usage)
    }

    /// Creates the answer as an empty file of its own, for reading and writing.
    pub fn create_answer(&self) -> anyhow::Result<File> {
        let answer = self.answer();
        match fs::remove_file(&answer) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            // Made new, so that no link to the standard output is written through.
            _ => OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(&answer),
        }
        .with_context(|| format!("cannot create '{}'", answer.display()))
    }

    /// Makes the standard output, as it stands, the answer.
    ///
    /// A hard link, because an answer can be large; a copy where the file system knows no links.
    pub fn answer_is_stdout(&self) -> anyhow::Result<()> {
        let answer = self.answer();
        match fs::remove_file(&answer) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => fs::hard_link(self.stdout(), &answer)
                .or_else(|_| fs::copy(self.stdout(), &answer).map(|_| ())),
        }
        .with_context(|| format!("cannot write '{}'", answer.display()))
    }
}

/// The lock is free after this, so that nobody takes the run for one that lost its ar-exec.
impl Drop for RunDir {
    fn drop(&mut self) {
        if self.is_loose {
            loose::forget(&self.path);
        }
    }
}
