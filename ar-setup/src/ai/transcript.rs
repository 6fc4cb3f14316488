//! What was said and done: kept in a file, and told to the model at each turn.

use anyhow::Context;
use ar_core::Stamp;
use ar_core::paths::{create_private_dir, create_private_file};
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};

/// How much of it a model is told, in bytes; the oldest goes first.
const TOLD: usize = 48 * 1024;
/// What stands where a secret stood.
const HIDDEN: &str = "[secret]";

/// A growing transcript. No secret that a person typed enters it.
#[derive(Debug)]
pub struct Transcript {
    path: PathBuf,
    file: File,
    lines: Vec<String>,
    secrets: Vec<String>,
}

impl Transcript {
    /// Starts a transcript below `setup/` beside the state database.
    pub fn start(state: &Path) -> anyhow::Result<Self> {
        let dir = state.with_file_name("setup");
        create_private_dir(&dir)?;
        let path = dir.join(format!("{}.jsonl", Stamp::now()?));
        let file = create_private_file(&path)?;
        Ok(Self { path, file, lines: Vec::new(), secrets: Vec::new() })
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Never lets this text appear.
    pub fn hide(&mut self, secret: &str) {
        // A very short one would blot out ordinary words; nothing is protected by three letters.
        if secret.len() > 3 {
            self.secrets.push(secret.to_owned());
        }
    }

    /// A text without the secrets.
    pub fn clean(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, HIDDEN))
    }

    /// Adds what somebody said or what came of an action.
    pub fn add(&mut self, from: &str, what: &Value) -> anyhow::Result<()> {
        let line = json!({"at": Stamp::now()?, "from": from, "what": what}).to_string();
        let line = self.clean(&line);
        writeln!(self.file, "{line}").with_context(|| format!("cannot write '{}'", self.path.display()))?;
        self.lines.push(json!({"from": from, "what": what}).to_string());
        Ok(())
    }

    /// The end of it, as the model is told.
    pub fn told(&self) -> String {
        let mut size = 0;
        let recent = self.lines.iter().rev().take_while(|line| {
            size += line.len() + 1;
            size <= TOLD
        });
        let mut recent: Vec<&str> = recent.map(String::as_str).collect();
        recent.reverse();
        self.clean(&recent.join("\n"))
    }
}
