//! The keeper of systems other than Linux, which have no children that the wait for a run's own leaves out. Whoever called
//! ar-exec ends what a killed one leaves behind.

use rustix::process::Pid;
use std::fs::File;
use std::io;
use std::path::Path;
use std::time::Duration;

/// A keeper, of which there is never one.
#[derive(Debug)]
pub enum Keeper {}

impl Keeper {
    /// Fails.
    pub fn start(_run: &str, _dir: &Path, _lock: &File) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    /// As on Linux.
    pub fn pid(&self) -> Pid {
        match *self {}
    }

    /// As on Linux.
    pub fn leave(&mut self, _linger: Duration) -> bool {
        match *self {}
    }

    /// As on Linux.
    pub fn dismiss(self) {
        match self {}
    }
}
