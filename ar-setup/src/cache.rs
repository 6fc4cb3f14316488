//! What programs said of themselves, kept until their file changes: a `--help` of some agents takes seconds.
//!
//! A cache that cannot be read or written costs time and nothing else, so neither is an error.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// What a program said of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Its version; None where it named none.
    pub version: Option<String>,
    /// The options that its help names; None where it printed no help.
    pub flags: Option<Vec<String>>,
    /// The models that it offers; None where it was not asked or took too long.
    #[serde(default)]
    pub models: Option<Vec<String>>,
}

/// The cache's file, read.
#[derive(Debug, Default)]
pub struct Cache {
    file: Option<PathBuf>,
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Entry {
    modified_ms: u64,
    bytes: u64,
    said: Said,
}

impl Cache {
    /// Reads the cache in `dir`; None for none.
    pub fn open(dir: Option<&Path>) -> Self {
        let file = dir.map(|dir| dir.join("agents.json"));
        let text = file.as_ref().and_then(|file| fs::read_to_string(file).ok());
        let entries = text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Self { file, entries }
    }

    /// What is known of a program, unless its file changed since.
    pub fn get(&self, program: &Path) -> Option<Said> {
        let (modified_ms, bytes) = identity(program)?;
        let entry = self.entries.get(&key(program))?;
        (entry.modified_ms == modified_ms && entry.bytes == bytes).then(|| entry.said.clone())
    }

    /// Keeps what a program said.
    pub fn put(&mut self, program: &Path, said: Said) {
        if let Some((modified_ms, bytes)) = identity(program) {
            self.entries.insert(key(program), Entry { modified_ms, bytes, said });
        }
    }

    /// Writes the cache.
    pub fn save(&self) {
        // A home directory that does not exist is not for us to make.
        if let Some(file) =
            self.file.as_ref().filter(|_| ar_core::paths::home().is_none_or(|home| home.is_dir()))
            && let Ok(text) = serde_json::to_string_pretty(&self.entries)
        {
            // See the module's comment: the next call asks again.
            let _ = crate::file::replace(file, &text);
        }
    }
}

fn key(program: &Path) -> String {
    program.to_string_lossy().into_owned()
}

/// By what a changed program is told: the time and the size of the file behind all links.
fn identity(program: &Path) -> Option<(u64, u64)> {
    let found = program.metadata().ok()?;
    let modified = found.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((u64::try_from(modified.as_millis()).ok()?, found.len()))
}
