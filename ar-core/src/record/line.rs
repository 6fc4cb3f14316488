//! A record as a line: read from a pipe, and written so short that the lines of several writers never mix.

use super::Record;
use crate::exit::{Failure, one_line};
use anyhow::{Context, bail};
use serde_json::Value;
use std::io::{BufRead, Read, Write};

/// A line with its newline stays below this many bytes (`PIPE_BUF` of Linux), so lines of concurrent writers never mix.
pub const MAX_BYTES: usize = 4096;
/// A longer line on standard input is not a record, and is not read into memory.
const MAX_INPUT_BYTES: u64 = 65_536;
/// What the stages may add to a record after ar-pick: `exec`, `diagnosis` and `error` with their texts cut.
const ROOM_BYTES: usize = 1536;
/// Texts for people; where a line would be too long, they are what is cut. Names are not: who a cut name means, nobody
/// knows.
const FREE_TEXTS: [&str; 6] = [
    "/pick/reason",
    "/exec/error/message",
    "/diagnosis/evidence",
    "/diagnosis/detail",
    "/error/message",
    "/error/hint",
];
/// The shortest that a text is cut to, in bytes.
const MIN_TEXT_BYTES: usize = 32;

impl Record {
    /// Whether the stages to come can add their objects without making the line too long.
    pub fn check_room(&self) -> anyhow::Result<()> {
        let mut value = self.as_value();
        cut_texts(&mut value, MIN_TEXT_BYTES);
        let bytes = value.to_string().len() + 1;
        if bytes + ROOM_BYTES < MAX_BYTES {
            return Ok(());
        }
        let message = format!(
            "the record of run '{}' has {bytes} bytes, which leaves no room below {MAX_BYTES} for what a run adds",
            self.run()
        );
        Err(Failure::trouble(message)
            .hint("put less of your own into the record, such as the path of a file")
            .into())
    }

    /// The record as one line without its newline, below [`MAX_BYTES`] with it.
    ///
    /// Where it would be longer, texts for people are cut, the longest first; names, and fields that are not ours, never
    /// are. What is still too long then is an error.
    pub fn to_line(&self) -> anyhow::Result<String> {
        let mut value = self.as_value();
        loop {
            let line = value.to_string();
            if line.len() + 1 < MAX_BYTES {
                return Ok(line);
            }
            let texts = FREE_TEXTS.iter().filter_map(|path| value.pointer(path)?.as_str());
            let longest = texts.map(str::len).max().unwrap_or(0);
            if longest <= MIN_TEXT_BYTES {
                bail!(
                    "the record of run '{}' has {} bytes, and {} is the limit",
                    self.run(),
                    line.len() + 1,
                    MAX_BYTES
                );
            }
            cut_texts(&mut value, (longest / 2).max(MIN_TEXT_BYTES));
        }
    }

    /// Writes the line in one piece and flushes it.
    pub fn write(&self, mut output: impl Write) -> anyhow::Result<()> {
        let mut line = self.to_line()?;
        line.push('\n');
        output
            .write_all(line.as_bytes())
            .and_then(|()| output.flush())
            .context("cannot write the record to standard output")
    }
}

/// Reads the next record of a stream; none at its end. Empty lines are passed over.
pub fn read(input: &mut impl BufRead) -> anyhow::Result<Option<Record>> {
    loop {
        let mut line = Vec::new();
        input
            .by_ref()
            .take(MAX_INPUT_BYTES)
            .read_until(b'\n', &mut line)
            .context("cannot read standard input")?;
        if line.is_empty() {
            return Ok(None);
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        if line.len() as u64 == MAX_INPUT_BYTES {
            bail!("standard input holds no record: its line is longer than {MAX_INPUT_BYTES} bytes");
        }
        let text = str::from_utf8(&line).context("standard input holds no record")?;
        return Record::parse(text).context("standard input holds no record").map(Some);
    }
}

/// The error of a tool whose standard input ended before the first record.
pub fn no_record() -> Failure {
    Failure::trouble("no record on standard input")
        .hint("start the pipeline with 'ar-pick -m MODEL', see ar(7)")
}

/// Prepares a text from outside for the record: one line without control characters, at most `max_bytes` of UTF-8.
pub fn bounded(text: &str, max_bytes: usize) -> String {
    let mut text = one_line(text);
    cut(&mut text, max_bytes);
    text
}

fn cut(text: &mut String, max_bytes: usize) {
    if text.len() > max_bytes {
        text.truncate(text.floor_char_boundary(max_bytes.saturating_sub('…'.len_utf8())));
        text.push('…');
    }
}

fn cut_texts(record: &mut Value, max_bytes: usize) {
    for path in FREE_TEXTS {
        if let Some(Value::String(text)) = record.pointer_mut(path) {
            cut(text, max_bytes);
        }
    }
}
