//! Printing what a run left in its directory.

use crate::payload;
use anyhow::{Context, Result};
use ar_core::record::{Diagnosis, End, Exec};
use ar_core::{Failure, Record, exit, paths};
use std::io::{self, Read, Write, stderr, stdout};
use std::path::{Path, PathBuf};

/// How much of a failed run's output is shown where its standard error is empty.
const TAIL_BYTES: u64 = 4096;
/// How much of the answer is escaped for JSON at a time.
const CHUNK_BYTES: u64 = 65_536;

/// Copies the answer to standard output, byte for byte.
pub fn print(record: &Record) -> Result<()> {
    let (path, mut answer) = open(record, "answer")?;
    let mut out = stdout().lock();
    io::copy(&mut answer, &mut out)
        .and_then(|_| out.flush())
        .with_context(|| format!("cannot copy the answer '{}' to standard output", path.display()))
}

/// Shows a failed run: one line of ours, then what the child said on standard error, or the end of its output where it
/// said nothing there (some agents print their errors on standard output).
pub fn print_failure(tool: &str, record: &Record) -> Result<()> {
    let Some(diagnosis) = record.get::<Diagnosis>("diagnosis")? else { return Ok(()) };
    let Some(exec) = record.get::<Exec>("exec")? else { return Ok(()) };
    let limit = limit(&exec);
    let told = limit.as_ref().map_or_else(|| sentence(record, &diagnosis), |limit| said_of(record, limit));
    exit::warn(tool, &Failure::new(exit::NO, told));
    if exec.end == End::Spawn || limit.is_some() {
        return Ok(());
    }
    let mut err = Told(stderr().lock());
    if exec.stderr_bytes > 0 {
        let (path, mut file) = open(record, "stderr")?;
        io::copy(&mut file, &mut err).with_context(|| format!("cannot copy '{}'", path.display()))?;
    } else if exec.stdout_bytes > 0 {
        let (path, file) = open(record, "stdout")?;
        payload::copy_from(file, exec.stdout_bytes.saturating_sub(TAIL_BYTES), &mut err)
            .with_context(|| format!("cannot copy '{}'", path.display()))?;
    }
    Ok(())
}

/// A stream for people. Where it cannot be written to there is nobody left to tell, and the status stays the child's.
struct Told<W>(W);

impl<W: Write> Write for Told<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // See above.
        let _ = self.0.write_all(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Which of the limits on what it may do has ended a run that went well until then: what it printed is not about that.
fn limit(exec: &Exec) -> Option<String> {
    let ended = |limit, reached: String| Some(format!("ended at {limit}, after {reached}"));
    match exec.end {
        End::MaxTurns => ended("max_turns", format!("{} turns", exec.turns.unwrap_or(0))),
        End::MaxCost => {
            let cost = exec.usage.as_ref().and_then(|usage| usage.cost_usd);
            ended("max_cost_usd", cost.map_or_else(|| "more".to_owned(), |cost| format!("${cost:.4}")))
        }
        End::MaxOutput => ended("max_output", format!("{} bytes", exec.stdout_bytes.max(exec.stderr_bytes))),
        _ => None,
    }
}

/// `codex1: rate_limit (throttle): the line that decided`.
fn sentence(record: &Record, diagnosis: &Diagnosis) -> String {
    let class = diagnosis.class.map_or("failed", |class| class.name());
    let detail = diagnosis.detail.as_ref().map_or_else(String::new, |detail| format!(" ({detail})"));
    let evidence = diagnosis.evidence.as_ref().map_or_else(String::new, |evidence| format!(": {evidence}"));
    said_of(record, &format!("{class}{detail}{evidence}"))
}

/// A sentence about the provider of a run.
fn said_of(record: &Record, what: &str) -> String {
    let who = record.at("pick.provider").or(record.at("exec.argv0")).and_then(|value| value.as_str());
    format!("{}: {what}", who.unwrap_or("run"))
}

/// Prints the record and the answer as one JSON object, in constant memory. Bytes that are not UTF-8 become U+FFFD.
pub fn print_json(record: &Record, good: bool) -> Result<()> {
    let mut out = stdout().lock();
    let line = record.as_value().to_string();
    let cannot = "cannot write to standard output";
    let Some(head) = line.strip_suffix('}').filter(|_| good) else {
        return writeln!(out, "{line}").context(cannot);
    };
    let (path, mut answer) = open(record, "answer")?;
    write!(out, "{head},\"answer\":\"").context(cannot)?;
    let mut rest = Vec::new();
    loop {
        let mut chunk = std::mem::take(&mut rest);
        let read = Read::take(&mut answer, CHUNK_BYTES)
            .read_to_end(&mut chunk)
            .with_context(|| format!("cannot read the answer '{}'", path.display()))?;
        let text = decode(&chunk, read == 0, &mut rest);
        let quoted = serde_json::to_string(&text)?;
        let inside = quoted.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or("");
        write!(out, "{inside}").context(cannot)?;
        if read == 0 {
            return out.write_all(b"\"}\n").context(cannot);
        }
    }
}

/// Decodes UTF-8; a character that is cut at the end waits in `rest` for its other bytes, unless these are the last.
fn decode(bytes: &[u8], last: bool, rest: &mut Vec<u8>) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut chunks = bytes.utf8_chunks().peekable();
    while let Some(chunk) = chunks.next() {
        text.push_str(chunk.valid());
        let cut = chunks.peek().is_none() && !last && is_start_of_character(chunk.invalid());
        if cut {
            rest.extend_from_slice(chunk.invalid());
        } else if !chunk.invalid().is_empty() {
            text.push(char::REPLACEMENT_CHARACTER);
        }
    }
    text
}

fn is_start_of_character(bytes: &[u8]) -> bool {
    let length = match bytes.first() {
        Some(0xC2..=0xDF) => 2,
        Some(0xE0..=0xEF) => 3,
        Some(0xF0..=0xF4) => 4,
        _ => 0,
    };
    bytes.len() < length
}

/// Removes a run's directory: the one beside the state database, never one that only the record names.
pub fn forget(state_file: &Path, record: &Record) -> Result<()> {
    let dir = paths::run_dir(state_file, record.run());
    payload::remove_dir(&dir)?;
    // What is gone now, by whatever path the record knew it, is forgotten; what is still there is not ours to remove.
    match record.dir() {
        Some(other) if other != dir && other.exists() => {
            let message =
                format!("the run's directory '{}' is not beside the state database", other.display());
            Err(Failure::trouble(message)
                .hint("remove it yourself, or give ar-exec and ar-log the same --state")
                .into())
        }
        _ => Ok(()),
    }
}

fn open(record: &Record, name: &str) -> Result<(PathBuf, Box<dyn Read>)> {
    let dir = record.dir().ok_or_else(|| Failure::trouble("the record names no directory"))?;
    Ok((dir.join(name), payload::open(&dir, name)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_survive_any_cut_and_garbage_is_marked() {
        let text = "aé漢🦀\u{0}z".as_bytes();
        for at in 0..=text.len() {
            let mut rest = Vec::new();
            let mut decoded = decode(&text[..at], false, &mut rest);
            rest.extend_from_slice(&text[at..]);
            let bytes = std::mem::take(&mut rest);
            decoded.push_str(&decode(&bytes, true, &mut rest));
            assert_eq!(decoded.as_bytes(), text, "{at}");
        }
        assert_eq!(decode(b"a\xffb\xf0\x9f", true, &mut Vec::new()), "a\u{fffd}b\u{fffd}");
    }
}
