//! A template's `env_file`: variables that stand in no configuration.

use crate::signals::{Signals, is_readable, sleep};
use anyhow::{Context, bail};
use ar_core::Failure;
use ar_core::config::assignments;
use rustix::process::geteuid;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long whoever writes to a pipe may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// More than this is no file of variables.
const MAX_BYTES: usize = 1024 * 1024;

/// Reads a file of `NAME=value` lines. Empty lines and lines that start with `#` are passed over, as is a leading
/// `export`; one pair of quotes around a value goes away, and nothing in it is expanded.
///
/// A file that others can read, or that belongs to somebody else, is refused: it is there to hold secrets.
pub fn read(file: &Path, signals: &Signals) -> anyhow::Result<Vec<(OsString, OsString)>> {
    let cannot_read = || format!("cannot read the env_file '{}'", file.display());
    // The opening of a named pipe waits for its writer, and no signal would end that.
    let open =
        OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(file).with_context(cannot_read)?;
    check_private(file, &open.metadata().with_context(cannot_read)?)?;
    let bytes = read_all(open, signals).with_context(cannot_read)?;
    parse(file, &bytes)
}

/// All of a file, or of what is written to a pipe.
fn read_all(mut from: File, signals: &Signals) -> anyhow::Result<Vec<u8>> {
    let until = Instant::now() + TIMEOUT;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        sleep(&[from.as_fd(), signals.ending()], Some(until.saturating_duration_since(Instant::now())))?;
        if signals.was_told_to_end() {
            bail!("a signal came first");
        }
        if !is_readable(from.as_fd()) {
            if until <= Instant::now() {
                bail!("nobody has written to it for {} s", TIMEOUT.as_secs());
            }
            continue;
        }
        match from.read(&mut piece) {
            Ok(0) => return Ok(bytes),
            Ok(n) => bytes.extend_from_slice(piece.get(..n).unwrap_or_default()),
            Err(error) if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error.into()),
        }
        if bytes.len() > MAX_BYTES {
            bail!("it has more than {MAX_BYTES} bytes");
        }
    }
}

fn parse(file: &Path, bytes: &[u8]) -> anyhow::Result<Vec<(OsString, OsString)>> {
    let variables = assignments(bytes).map(|(number, variable)| {
        // The line may hold a secret, so the message has its number alone.
        let (name, value) = variable.ok_or_else(|| {
            Failure::trouble(format!("{}:{number}: this is not NAME=value", file.display()))
        })?;
        Ok((OsString::from(name), OsString::from_vec(value.to_vec())))
    });
    variables.collect()
}

fn check_private(file: &Path, meta: &fs::Metadata) -> Result<(), Failure> {
    let shown = file.display();
    if meta.uid() != geteuid().as_raw() && meta.uid() != 0 {
        return Err(Failure::trouble(format!("the env_file '{shown}' belongs to another user")));
    }
    // A pipe, as in a test or from a password manager, has no readers but us.
    if meta.is_file() && meta.mode() & 0o077 != 0 {
        return Err(Failure::trouble(format!("others can read the env_file '{shown}'"))
            .hint(format!("chmod 600 '{shown}'")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_bad_line_is_named_by_its_number_and_not_by_its_text() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("env");
        fs::write(&file, "# keys\n\nA=1\nhunter2\n").unwrap();
        let signals = Signals::catch().unwrap();
        let error = read(&file, &signals).unwrap_err().to_string();
        assert_eq!(error, format!("others can read the env_file '{}'", file.display()));
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        let error = read(&file, &signals).unwrap_err().to_string();
        assert_eq!(error, format!("{}:4: this is not NAME=value", file.display()));
    }
}
