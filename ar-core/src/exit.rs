//! The closed list of exit statuses, and the one place that words and prints an error.

use std::fmt;
use std::io::{self, Write};
use std::process::ExitCode;

/// All is well.
pub const OK: u8 = 0;
/// An answer that is "no", not an error: `ar-diagnose --text` could not classify the text.
pub const NO: u8 = 1;
/// The tool's own trouble, usage errors included.
pub const TROUBLE: u8 = 2;
/// Nobody can serve until a person acts (`EX_UNAVAILABLE` of sysexits(3)).
pub const UNAVAILABLE: u8 = 69;
/// Nobody can serve now, later somebody will (`EX_TEMPFAIL` of sysexits(3)).
pub const LATER: u8 = 75;
/// The run reached a time limit, as timeout(1) reports it.
pub const TIMEOUT: u8 = 124;
/// The trouble of a wrapper, as env(1) and timeout(1) report their own.
pub const WRAPPER: u8 = 125;
/// The command was found and could not be executed, as sh(1) reports it.
pub const NOT_EXECUTABLE: u8 = 126;
/// The command was not found, as sh(1) reports it.
pub const NOT_FOUND: u8 = 127;

/// An error that knows its exit status and, where there is one, the way out.
#[derive(Debug, Clone)]
pub struct Failure {
    /// The exit status of the tool that fails so.
    pub code: u8,
    /// What failed, with the subject in single quotes.
    pub message: String,
    /// What the reader can do about it.
    pub hint: Option<String>,
}

impl Failure {
    /// Makes a failure that ends the tool with `code`.
    pub fn new(code: u8, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), hint: None }
    }

    /// Makes a failure of the tool itself or of its arguments: exit status 2.
    pub fn trouble(message: impl Into<String>) -> Self {
        Self::new(TROUBLE, message)
    }

    /// Adds the way out.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The failure inside `error`, or one of status 2 that carries the whole chain of causes.
    pub fn of(error: &anyhow::Error) -> Self {
        let inner = error.chain().find_map(|cause| cause.downcast_ref::<Self>());
        Self {
            code: inner.map_or(TROUBLE, |failure| failure.code),
            message: one_line(&format!("{error:#}")),
            hint: inner.and_then(|failure| failure.hint.clone()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

/// Ends `main`: flushes standard output, prints `tool: error chain` and gives the exit status.
///
/// A closed pipe is no error: the reader has what it wanted. Output that cannot be written is one, even when it only
/// shows at the last flush.
pub fn report(tool: &str, result: anyhow::Result<ExitCode>) -> ExitCode {
    let result = result.and_then(|code| {
        io::stdout()
            .flush()
            .map_err(|error| anyhow::Error::new(error).context("cannot write to standard output"))?;
        Ok(code)
    });
    match result {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let failure = Failure::of(&error);
            warn(tool, &failure);
            ExitCode::from(failure.code)
        }
    }
}

/// The end of a program whose command line asks for its help, or is wrong: `printed` is what came of saying so, and `code`
/// the status. A help that cannot be written is an error; a complaint that nobody can read is still one.
pub fn told(printed: io::Result<()>, code: u8) -> anyhow::Result<ExitCode> {
    match printed {
        Err(error) if code == OK => Err(anyhow::Error::new(error).context("cannot write to standard output")),
        _ => Ok(ExitCode::from(code)),
    }
}

/// Prints `tool: message` and the hint on standard error.
pub fn warn(tool: &str, failure: &Failure) {
    let mut text = format!("{tool}: {}\n", failure.message);
    if let Some(hint) = &failure.hint {
        text.push_str("hint: ");
        text.push_str(hint);
        text.push('\n');
    }
    // Where standard error cannot be written to, there is nobody left to tell.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Whether the reader of our output went away.
pub fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<io::Error>())
        .any(|cause| cause.kind() == io::ErrorKind::BrokenPipe)
}

/// Whether a character is none that shows, but one that a terminal or a browser obeys: the control characters, and those of
/// Unicode that begin a line or turn the direction of what follows, so that a text looks like another.
pub fn is_obeyed(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Folds control characters, so that a message stays one line and no terminal obeys it.
pub fn one_line(text: &str) -> String {
    text.chars()
        .map(|c| if is_obeyed(c) { ' ' } else { c })
        .collect::<String>()
        .split(' ')
        .filter(|word| !word.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_failure_keeps_code_and_hint_through_contexts() {
        let error: anyhow::Error = Failure::new(LATER, "all are cooling").hint("wait").into();
        let error = Err::<(), _>(error).context("cannot pick").unwrap_err();
        let failure = Failure::of(&error);
        assert_eq!(failure.code, LATER);
        assert_eq!(failure.message, "cannot pick: all are cooling");
        assert_eq!(failure.hint.as_deref(), Some("wait"));
    }

    #[test]
    fn a_help_that_cannot_be_written_is_an_error_and_a_complaint_keeps_its_status() {
        let full = || Err(io::ErrorKind::StorageFull.into());
        assert!(told(full(), OK).is_err());
        assert_eq!(told(full(), TROUBLE).unwrap(), ExitCode::from(TROUBLE));
        assert_eq!(told(Ok(()), OK).unwrap(), ExitCode::SUCCESS);
    }

    #[test]
    fn a_message_is_one_line() {
        assert_eq!(one_line("a\nb\x1b[31m  c\r\n"), "a b [31m c");
        assert_eq!(one_line("pay \u{202e}eno\u{2066}\u{2028}two \u{5d0}"), "pay eno two \u{5d0}");
    }
}
