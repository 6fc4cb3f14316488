//! Changes of configuration files: shown or made, whole or not at all, with the previous version kept.

use crate::{check, diff, file};
use anyhow::Context;
use ar_core::{Failure, Stamp};
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// The future text of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The file.
    pub file: PathBuf,
    /// What it holds now, None where there is none.
    pub before: Option<String>,
    /// What it will hold.
    pub after: String,
}

impl Change {
    /// Reads what a file holds now.
    pub fn new(file: PathBuf, after: String) -> anyhow::Result<Self> {
        let before = read(&file)?;
        Ok(Self { file, before, after })
    }

    /// Whether the file will differ.
    pub fn is_needed(&self) -> bool {
        self.before.as_deref() != Some(&self.after)
    }

    /// The change as a unified diff.
    pub fn diff(&self) -> String {
        diff::unified(&self.file, self.before.as_deref(), &self.after)
    }

    /// Refuses a text that the tools could not read.
    pub fn validate(&self, dir: &Path) -> anyhow::Result<()> {
        match check::text_problems(dir, &self.file, &self.after).into_iter().next() {
            None => Ok(()),
            Some(problem) => {
                let refused = format!("nothing is changed: with it, {}", problem.message);
                Err(Failure { message: refused, ..problem }.into())
            }
        }
    }

    /// Keeps the previous version and writes the file, unless somebody wrote it since it was read.
    pub fn make(&self, dir: &Path) -> anyhow::Result<()> {
        if read(&self.file)? != self.before {
            let message = format!("'{}' was changed by somebody else meanwhile", self.file.display());
            return Err(Failure::trouble(message).hint("try again").into());
        }
        match &self.before {
            None if file::create(&self.file, &self.after)? => Ok(()),
            None => Err(Failure::trouble(format!("'{}' is there already", self.file.display())).into()),
            Some(before) => {
                keep(dir, &self.file, before)?;
                file::replace(&self.file, &self.after)
            }
        }
    }
}

/// Holds off other changes of this configuration until the lock is dropped.
pub fn lock(dir: &Path) -> anyhow::Result<File> {
    ar_core::paths::create_private_dir(dir)?;
    let lock = File::open(dir).with_context(|| format!("cannot open '{}'", dir.display()))?;
    lock.lock().with_context(|| format!("cannot lock '{}'", dir.display()))?;
    file::sweep(dir);
    Ok(lock)
}

/// Shows the changes, or validates all and makes them.
pub fn carry_out(dir: &Path, changes: &[Change], dry_run: bool, out: &mut impl Write) -> anyhow::Result<()> {
    let needed: Vec<&Change> = changes.iter().filter(|change| change.is_needed()).collect();
    for change in &needed {
        change.validate(dir)?;
    }
    for change in &needed {
        if dry_run {
            write!(out, "{}", change.diff())?;
            continue;
        }
        change.make(dir)?;
        let done = if change.before.is_some() { "changed" } else { "wrote" };
        writeln!(out, "{done} {}", change.file.display())?;
    }
    if needed.is_empty() {
        writeln!(out, "nothing to change")?;
    }
    Ok(())
}

/// Puts the text that a file had into `previous/`, under the file's path and the time.
fn keep(dir: &Path, file: &Path, text: &str) -> anyhow::Result<()> {
    let below = file.strip_prefix(dir).unwrap_or(file);
    let mut kept = dir.join("previous").join(below).into_os_string();
    kept.push(format!(".{}", Stamp::now()?));
    // One of the same millisecond is the same change tried again.
    file::create(Path::new(&kept), text)?;
    Ok(())
}

fn read(file: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read '{}'", file.display())),
    }
}
