//! What is known of a run when it is judged, and how its streams are read.

use anyhow::Context;
use ar_core::Failure;
use ar_core::record::{End, Exec, ExecError};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

/// So much is read of the end of a stream.
const TAIL_BYTES: u64 = 65_536;
/// So much where the end lies inside one line, which may be a whole JSON body.
const LONG_TAIL_BYTES: u64 = 1_048_576;

/// What is known of a run.
#[derive(Debug, Clone, Default)]
pub struct Evidence {
    /// The family of the command that was run.
    pub cli: Option<String>,
    /// How the child ended, where that is known.
    pub end: Option<End>,
    /// The child's exit status.
    pub exit_code: Option<i32>,
    /// The signal that ended the child.
    pub signal: Option<i32>,
    /// What the CLI's own result format said of an error.
    pub error: Option<ExecError>,
    /// Whether an empty answer is a good one.
    pub allow_empty: bool,
    /// Whether there is an answer; the text tells where this is not known.
    pub answered: Option<bool>,
    /// The end of standard output.
    pub stdout: Vec<u8>,
    /// The end of standard error.
    pub stderr: Vec<u8>,
    /// The end of a text that does not say which stream it is.
    pub text: Vec<u8>,
}

impl Evidence {
    /// Collects what ar-exec left of a run: its object in the record, and the files of the run's directory.
    pub fn of_run(exec: &Exec, dir: Option<&Path>) -> anyhow::Result<Self> {
        let mut evidence = Self {
            cli: Some(crate::find::family(&exec.argv0.to_lowercase()).to_owned()),
            end: Some(exec.end),
            exit_code: exec.exit_code,
            signal: exec.signal,
            error: exec.error.clone(),
            allow_empty: exec.allow_empty,
            ..Self::default()
        };
        if let Some(dir) = dir {
            evidence.stdout = tail_of(&dir.join("stdout"))?;
            evidence.stderr = tail_of(&dir.join("stderr"))?;
            evidence.answered = has_text(&dir.join("answer"))?;
        }
        Ok(evidence)
    }
}

/// The end of a file; one that is missing is empty.
fn tail_of(path: &Path) -> anyhow::Result<Vec<u8>> {
    let Some(mut file) = open(path)? else { return Ok(Vec::new()) };
    let subject = || format!("cannot read '{}'", path.display());
    let size = file.metadata().with_context(subject)?.len();
    let mut tail = read_from(&mut file, size.saturating_sub(TAIL_BYTES)).with_context(subject)?;
    if size > TAIL_BYTES && !is_cut_well(&tail) {
        tail = read_from(&mut file, size.saturating_sub(LONG_TAIL_BYTES)).with_context(subject)?;
    }
    Ok(whole_lines(tail, size))
}

/// Whether the tail holds more than the end of one line.
fn is_cut_well(tail: &[u8]) -> bool {
    tail.trim_ascii_end().contains(&b'\n')
}

/// Takes off the first line of a tail, the start of which is missing, unless there is no other.
fn whole_lines(mut tail: Vec<u8>, size: u64) -> Vec<u8> {
    if (tail.len() as u64) < size
        && let Some(end) = tail.trim_ascii_end().iter().position(|b| *b == b'\n')
    {
        tail.drain(..=end);
    }
    tail
}

fn read_from(file: &mut File, offset: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(offset))?;
    file.take(LONG_TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Whether a file holds anything but white space; none where it is missing.
fn has_text(path: &Path) -> anyhow::Result<Option<bool>> {
    let Some(mut file) = open(path)? else { return Ok(None) };
    let mut buffer = [0; 8192];
    loop {
        let count = file.read(&mut buffer).with_context(|| format!("cannot read '{}'", path.display()))?;
        if count == 0 {
            return Ok(Some(false));
        }
        if buffer.iter().take(count).any(|byte| !byte.is_ascii_whitespace()) {
            return Ok(Some(true));
        }
    }
}

/// Opens a file of a run, none where it is missing. One that ar-log has compressed is not missing: judged without it, the
/// run would have been silent.
fn open(path: &Path) -> anyhow::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(_) if path.with_added_extension("zst").exists() => {
            let failure = Failure::trouble(format!("cannot read '{}': it is compressed", path.display()));
            Err(failure.hint("'ar log show RUN --stderr | ar diagnose --text' judges an old run").into())
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot open '{}'", path.display())),
    }
}

/// The end of a stream that cannot be rewound, in memory of a bounded size.
pub fn tail_of_stream(input: &mut impl Read) -> std::io::Result<Vec<u8>> {
    let keep = usize::try_from(LONG_TAIL_BYTES).unwrap_or(usize::MAX);
    let mut tail: Vec<u8> = Vec::new();
    let mut buffer = vec![0; 65_536];
    let mut size: u64 = 0;
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        size += count as u64;
        tail.extend_from_slice(buffer.get(..count).unwrap_or(&[]));
        if tail.len() > 2 * keep {
            tail.drain(..tail.len() - keep);
        }
    }
    Ok(shortest_tail(tail, size))
}

/// The last [`TAIL_BYTES`] where they hold whole lines, else up to [`LONG_TAIL_BYTES`].
fn shortest_tail(mut tail: Vec<u8>, size: u64) -> Vec<u8> {
    let short = usize::try_from(TAIL_BYTES).unwrap_or(usize::MAX);
    let long = usize::try_from(LONG_TAIL_BYTES).unwrap_or(usize::MAX);
    let cut = |keep: usize| tail.len().saturating_sub(keep);
    let at = if tail.get(cut(short)..).is_some_and(is_cut_well) { cut(short) } else { cut(long) };
    tail.drain(..at);
    whole_lines(tail, size)
}
