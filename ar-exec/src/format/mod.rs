//! What agents say of their own runs: the readers of their result formats.
//!
//! A [`Reader`] takes the bytes of a run's standard output as they come, and tells answer, session, tokens, cost, turns,
//! tool calls and the agent's own error. What it does not know it passes over: agents add events and fields with every
//! version. It works in constant memory, and no line is too long, broken or cut for it.

mod aider;
mod answer;
mod claude;
mod codex;
mod copilot;
mod dialect;
mod gemini;
mod kept;
mod llm;
mod opencode;
mod outcome;
mod scanner;
mod unescape;

pub use dialect::Format;
pub use outcome::Outcome;

use answer::Answer;
use dialect::{Dialect, Text};
use scanner::{Event, Scanner};
use std::fs::File;
use std::io::{self, Write};

/// Reads one run's standard output.
pub struct Reader {
    scanner: Scanner,
    objects: Objects,
}

/// The state between two events of the scanner.
struct Objects {
    dialect: Box<dyn Dialect>,
    answer: Answer,
    outcome: Outcome,
    /// The last byte that was shown.
    shown: Option<u8>,
    /// Pieces of a message were shown, so the whole of it, which follows, is not.
    in_pieces: bool,
}

impl Reader {
    /// Starts to read a format. The answer goes to an empty file that is open for reading and writing.
    pub fn new(format: Format, answer: File) -> Self {
        Self {
            scanner: Scanner::new(format.framing()),
            objects: Objects {
                dialect: format.dialect(),
                answer: Answer::new(answer),
                outcome: Outcome::default(),
                shown: None,
                in_pieces: false,
            },
        }
    }

    /// Takes the next bytes, and writes to `live` what they complete of the agent's text.
    ///
    /// Fails where the answer's file or `live` cannot be written.
    pub fn feed(&mut self, bytes: &[u8], live: &mut dyn Write) -> io::Result<()> {
        self.scanner.feed(bytes, &mut |event| self.objects.take(&event, live))
    }

    /// What is known so far.
    pub fn so_far(&self) -> &Outcome {
        &self.objects.outcome
    }

    /// Tells that the output is over, and what is known in the end. What was cut off is not part of the answer; where
    /// nothing else came, it is no text either, but an error.
    pub fn finish(mut self, live: &mut dyn Write) -> io::Result<Outcome> {
        let is_cut = self.scanner.is_inside_object();
        self.scanner.finish(&mut |event| self.objects.take(&event, live))?;
        let mut outcome = self.objects.outcome;
        if is_cut && !outcome.is_known {
            outcome.is_known = true;
            outcome.fail("cut", "the output stops in the middle of its only object", None, None);
        }
        Ok(outcome)
    }
}

impl Objects {
    fn take(&mut self, event: &Event, live: &mut dyn Write) -> io::Result<()> {
        match *event {
            Event::Piece(path, text) if self.dialect.is_text(path) => self.answer.add(text),
            Event::Piece(..) => Ok(()),
            Event::Value(path, value) => {
                self.dialect.field(path, value, &mut self.outcome);
                Ok(())
            }
            Event::End(true) => {
                let text = self.dialect.end(&mut self.outcome);
                self.outcome.is_known |= self.dialect.is_known();
                self.settle(text, live)
            }
            Event::End(false) => {
                self.dialect.forget();
                self.answer.forget()
            }
        }
    }

    /// Does with the text of an object what the format says.
    fn settle(&mut self, text: Text, live: &mut dyn Write) -> io::Result<()> {
        match text {
            Text::Nothing => self.answer.forget(),
            Text::Piece => {
                self.show(!self.in_pieces, live)?;
                self.in_pieces |= !self.answer.is_empty();
                self.answer.forget()
            }
            // A message may be made of tools alone.
            Text::Message if self.answer.is_empty() => Ok(()),
            Text::Message => {
                if !std::mem::take(&mut self.in_pieces) {
                    self.show(true, live)?;
                }
                self.answer.replace()
            }
            Text::More => {
                self.show(false, live)?;
                self.answer.append()
            }
            Text::Final => {
                if self.shown.is_none() {
                    self.show(true, live)?;
                }
                self.answer.replace()
            }
        }
    }

    /// Shows the text at hand, a new message on a line of its own.
    fn show(&mut self, is_new: bool, live: &mut dyn Write) -> io::Result<()> {
        if self.answer.is_empty() {
            return Ok(());
        }
        if is_new && self.shown.is_some_and(|byte| byte != b'\n') {
            live.write_all(b"\n")?;
        }
        self.shown = self.answer.show(live)?;
        live.flush()
    }
}

#[cfg(test)]
mod tests;
