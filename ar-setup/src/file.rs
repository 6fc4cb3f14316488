//! Writing files of the configuration: private, and whole or not at all.

use anyhow::Context;
use ar_core::paths::create_private_dir;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::Path;
use tempfile::{Builder, NamedTempFile};

/// How the name of a file begins that is not whole yet.
const UNFINISHED: &str = ".ar-setup-";
/// Where in the configuration files are written.
const PLACES: [&str; 6] = ["", "models", "agents", "previous", "previous/models", "previous/agents"];

/// Creates a file (0600, in 0700 directories) unless there is one. Tells whether it did.
pub fn create(path: &Path, text: &str) -> anyhow::Result<bool> {
    // A dangling symbolic link counts as a file: somebody meant something by it.
    if path.symlink_metadata().is_ok() {
        return Ok(false);
    }
    match prepare(path, text)?.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error).with_context(|| cannot_write(path)),
    }
}

/// Writes a file anew (0600). Who reads it meanwhile sees the old text or the new one, whole.
///
/// What a symbolic link leads to is written, so that a configuration kept elsewhere stays there.
pub fn replace(path: &Path, text: &str) -> anyhow::Result<()> {
    let real = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    prepare(&real, text)?.persist(&real).with_context(|| cannot_write(path))?;
    Ok(())
}

/// A file beside `path` with its future text, safe on the disk. It is deleted unless it is renamed.
fn prepare(path: &Path, text: &str) -> anyhow::Result<NamedTempFile> {
    let dir = path.parent().with_context(|| cannot_write(path))?;
    create_private_dir(dir)?;
    let file = Builder::new().prefix(UNFINISHED).tempfile_in(dir);
    let mut file = file.with_context(|| cannot_write(path))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.as_file().sync_all())
        .with_context(|| cannot_write(path))?;
    Ok(file)
}

/// Removes what writers left that were killed. Whoever calls it holds the lock of the configuration, so nobody writes.
pub fn sweep(dir: &Path) {
    for entry in PLACES.iter().filter_map(|place| fs::read_dir(dir.join(place)).ok()).flatten().flatten() {
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            // It is in nobody's way; who cannot remove it cannot write there either, and is told of that.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn cannot_write(path: &Path) -> String {
    format!("cannot write '{}'", path.display())
}
