//! What the history keeps of a run's files: first words, sizes, and text to search.

use crate::payload;
use crate::redact::Secrets;
use anyhow::{Context, Result};
use ar_core::exit::one_line;
use rusqlite::{Connection, OptionalExtension, params};
use std::fs;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The files of a run that hold what was said.
pub const FILES: [&str; 4] = ["prompt", "stdout", "stderr", "answer"];
/// What ar-exec writes beside files in which there are secrets that only it knows.
const MASKED: [&str; 2] = ["prompt.masked", "answer.masked"];
/// How many characters of the prompt a row keeps.
const FIRST_WORDS: usize = 100;
/// How much is read beyond what can be searched, for a secret that the cut goes through.
const LONGEST_SECRET: u64 = 4096;

/// What was said in a run, without secrets.
#[derive(Debug, Default, PartialEq)]
pub struct Content {
    /// The first words of the prompt, on one line.
    pub words: String,
    /// The beginnings of prompt and answer.
    pub prompt: String,
    pub answer: String,
}

impl Content {
    /// Reads the first `most` bytes of prompt and answer. A file that is not there said nothing.
    pub fn read(dir: &Path, most: u64, secrets: &Secrets) -> Result<Self> {
        let prompt = beginning(dir, "prompt", most, secrets)?;
        let answer = beginning(dir, "answer", most, secrets)?;
        let start: String = prompt.chars().take(4 * FIRST_WORDS).collect();
        let words = one_line(&start).chars().take(FIRST_WORDS).collect();
        Ok(Self { words, prompt, answer })
    }
}

impl Content {
    /// Puts the text where it can be searched.
    pub fn insert(&self, db: &Connection, run: &str) -> Result<()> {
        if self.prompt.is_empty() && self.answer.is_empty() {
            return Ok(());
        }
        db.execute(
            "INSERT INTO content (doc, run, prompt, answer) \
             SELECT (SELECT coalesce(max(doc), 0) + 1 FROM content), $1, $2, $3 \
               WHERE NOT EXISTS (SELECT 1 FROM content WHERE run = $1)",
            params![run, self.prompt, self.answer],
        )
        .with_context(|| format!("cannot store what run '{run}' said"))?;
        Ok(())
    }

    /// What is stored of a run.
    pub fn load(db: &Connection, run: &str) -> Result<Option<Self>> {
        db.query_row("SELECT prompt, answer FROM content WHERE run = $1", [run], |row| {
            Ok(Self { words: String::new(), prompt: row.get(0)?, answer: row.get(1)? })
        })
        .optional()
        .with_context(|| format!("cannot read what run '{run}' said"))
    }
}

/// How many bytes the files of a run take. A hard link counts once.
pub fn payload_bytes(dir: &Path) -> Result<u64> {
    use std::os::unix::fs::MetadataExt;
    let mut seen = Vec::new();
    let mut bytes = 0;
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        entries => entries.with_context(|| format!("cannot read '{}'", dir.display()))?,
    };
    for entry in entries {
        // Files come and go while ar-exec ends; one that is gone takes no room.
        let Ok(entry) = entry else { continue };
        if MASKED.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let Ok(file) = entry.metadata() else { continue };
        if !seen.contains(&file.ino()) {
            seen.push(file.ino());
            bytes += file.len();
        }
    }
    Ok(bytes)
}

/// The first bytes of a file as text without secrets. What is not UTF-8 is replaced, and a character that is cut at the
/// end left out.
fn beginning(dir: &Path, name: &str, most: u64, secrets: &Secrets) -> Result<String> {
    let masked = format!("{name}.masked");
    let names = [masked.as_str(), name];
    let Some(file) = names.into_iter().find_map(|name| payload::find(dir, name).transpose()) else {
        return Ok(String::new());
    };
    let mut bytes = Vec::new();
    // A secret that begins before the cut is seen as a whole.
    file?
        .take(most.saturating_add(LONGEST_SECRET))
        .read_to_end(&mut bytes)
        .with_context(|| format!("cannot read '{}'", dir.join(name).display()))?;
    let mut text = secrets.redact(&String::from_utf8_lossy(&bytes));
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    if text.len() > most {
        text.truncate(text.floor_char_boundary(most));
    }
    Ok(text)
}

/// Removes what ar-exec wrote for [`Content::read`].
pub fn forget_masked(dir: &Path) -> Result<()> {
    for name in MASKED {
        match fs::remove_file(dir.join(name)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove '{}'", dir.join(name).display()));
            }
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_words_are_one_line_without_secrets() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("prompt"), "\n  explain\tthis: sk-abcdefghijklmnop0123\n").unwrap();
        let content = Content::read(dir.path(), 100, &Secrets::default()).unwrap();
        assert_eq!(content.words, "explain this: ***");
        assert_eq!(content.answer, "");
    }

    #[test]
    fn a_secret_is_never_cut_into_one_that_nobody_knows() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("prompt"), "key sk-abcdefghijklmnop0123 end").unwrap();
        for most in 0..40 {
            let prompt = Content::read(dir.path(), most, &Secrets::default()).unwrap().prompt;
            assert!("key *** end".starts_with(&prompt), "{most}: {prompt}");
        }
        fs::write(dir.path().join("prompt.masked"), "key ***").unwrap();
        assert_eq!(Content::read(dir.path(), 99, &Secrets::default()).unwrap().prompt, "key ***");
        forget_masked(dir.path()).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_there_of_a_run_stays() {
        let dir = tempfile::tempdir().unwrap();
        let state = ar_core::state::State::open(&dir.path().join("state.db")).unwrap();
        let said = |prompt: &str| Content { prompt: prompt.to_owned(), ..Content::default() };
        for (run, prompt) in [("A", "first"), ("B", "second"), ("B", "third")] {
            said(prompt).insert(state.db(), run).unwrap();
        }
        assert_eq!(Content::load(state.db(), "B").unwrap(), Some(said("second")));
    }

    #[test]
    fn a_cut_character_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("prompt"), "aé漢").unwrap();
        for (most, text) in [(1, "a"), (2, "a"), (3, "aé"), (4, "aé"), (6, "aé漢"), (9, "aé漢")] {
            assert_eq!(Content::read(dir.path(), most, &Secrets::default()).unwrap().prompt, text, "{most}");
        }
    }

    #[test]
    fn a_hard_link_takes_no_room() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("stdout"), "12345").unwrap();
        fs::hard_link(dir.path().join("stdout"), dir.path().join("answer")).unwrap();
        assert_eq!(payload_bytes(dir.path()).unwrap(), 5);
        assert_eq!(payload_bytes(&dir.path().join("none")).unwrap(), 0);
    }
}
