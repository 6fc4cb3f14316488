//! Where the answer goes.

use crate::cli::Run;
use anyhow::{Context, Result};
use ar_core::Failure;
use rustix::io::{FdFlags, fcntl_setfd};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, IsTerminal, stdout};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tempfile::NamedTempFile;

/// Where the answer of a call goes.
pub enum Output {
    /// Our standard output, once the answer is known to be good.
    Pipe,
    /// The terminal, as it comes: a copy of standard output for ar-exec to inherit.
    Terminal(OwnedFd),
    /// A file beside the one asked for, which takes its name in the end.
    File(NamedTempFile, PathBuf),
    /// Something that is there and no regular file, such as /dev/null or a named pipe.
    Device(File),
}

impl Output {
    /// Opens what the command line asks for.
    pub fn open(cli: &Run) -> Result<Self> {
        if let Some(path) = &cli.output {
            return Self::to_file(path);
        }
        if cli.json || !stdout().is_terminal() {
            return Ok(Self::Pipe);
        }
        let copy = stdout().as_fd().try_clone_to_owned().context("cannot duplicate standard output")?;
        fcntl_setfd(&copy, FdFlags::empty()).context("cannot hand the terminal on")?;
        Ok(Self::Terminal(copy))
    }

    fn to_file(path: &Path) -> Result<Self> {
        let cannot = || format!("cannot write '{}'", path.display());
        if path.as_os_str().as_bytes().ends_with(b"/") {
            return Err(
                Failure::trouble(format!("cannot write '{}': it is a directory", path.display())).into()
            );
        }
        let target = target(path).with_context(cannot)?;
        let mode = match fs::metadata(&target) {
            Ok(there) if !there.is_file() => {
                return OpenOptions::new().write(true).open(&target).map(Self::Device).with_context(cannot);
            }
            Ok(there) => there.permissions(),
            Err(_) => Permissions::from_mode(0o666),
        };
        let dir = match target.parent() {
            Some(dir) if !dir.as_os_str().is_empty() => dir,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".ar-")
            .permissions(mode)
            .tempfile_in(dir)
            .with_context(cannot)?;
        Ok(Self::File(file, target))
    }

    /// What ar-log writes the answer to.
    pub fn for_log(&self) -> Result<Stdio> {
        let cannot = "cannot hand the output on";
        Ok(match self {
            Self::Pipe => Stdio::inherit(),
            Self::Terminal(_) => Stdio::null(),
            Self::File(file, _) => file.as_file().try_clone().context(cannot)?.into(),
            Self::Device(file) => file.try_clone().context(cannot)?.into(),
        })
    }

    /// The descriptor to which ar-exec copies the answer as it comes.
    pub fn live(&self) -> Option<i32> {
        match self {
            Self::Terminal(copy) => Some(copy.as_raw_fd()),
            _ => None,
        }
    }

    /// Gives a finished file its name.
    pub fn finish(self) -> Result<()> {
        if let Self::File(file, target) = self {
            file.persist(&target)
                .map_err(|error| error.error)
                .with_context(|| format!("cannot write '{}'", target.display()))?;
        }
        Ok(())
    }
}

/// Where the answer goes: a symbolic link stays one, and the file that it leads to, there or not, gets the answer.
fn target(path: &Path) -> io::Result<PathBuf> {
    match fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(match fs::read_link(path) {
            Ok(link) => path.parent().unwrap_or(Path::new("")).join(link),
            Err(_) => path.to_owned(),
        }),
        found => found,
    }
}
