//! `aider --message …`, which prints its banner, its errors and the answer as one text, and ends with 0 whatever happens.

use super::dialect::{Dialect, Text};
use super::outcome::{Outcome, count};
use super::scanner::LINE;
use ar_core::record::Usage;

/// Begins the banner, which ends with the next empty line.
const BANNER: &str = "Aider v";
/// Between the banner and the answer.
const NOTICES: [&str; 4] = [
    "Initial repo scan can be slow",
    "Repo-map can't include",
    "Has it been deleted",
    "Empty response received from LLM",
];
/// Ends an error of the provider and its wrapped lines.
const AFTER_ERROR: [&str; 2] = ["The API provider", "Retrying in"];

/// How far the output has come.
#[derive(Debug, Default)]
pub struct Aider {
    line: String,
    part: Part,
    /// The error at hand: its kind and its text, which is wrapped.
    error: Option<(String, String)>,
    has_answer: bool,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Part {
    #[default]
    Before,
    Banner,
    Body,
}

impl Aider {
    fn body(&mut self, line: &str, outcome: &mut Outcome) -> Text {
        if let Some((input_tokens, output_tokens)) = tokens(line) {
            outcome.turn();
            outcome.error = None;
            outcome.used(&Usage { input_tokens, output_tokens, ..Usage::default() });
            return Text::Nothing;
        }
        if line.ends_with(" has hit a token limit!") {
            outcome.fail("token_limit", line, None, None);
            return Text::Nothing;
        }
        if let Some((kind, text)) = error(line) {
            self.error = Some((kind.to_owned(), text.to_owned()));
            return Text::Nothing;
        }
        if let Some((kind, text)) = &mut self.error {
            if !line.is_empty() && !AFTER_ERROR.iter().any(|start| line.starts_with(start)) {
                text.push(' ');
                text.push_str(line);
                return Text::Nothing;
            }
            outcome.fail(kind, text, None, None);
            self.error = None;
        }
        let is_notice = NOTICES.iter().chain(&AFTER_ERROR).any(|start| line.starts_with(start));
        if is_notice || line.is_empty() && !self.has_answer {
            return Text::Nothing;
        }
        if std::mem::replace(&mut self.has_answer, true) { Text::More } else { Text::Message }
    }
}

impl Dialect for Aider {
    fn is_text(&self, path: &str) -> bool {
        path == LINE
    }

    fn field(&mut self, _path: &str, value: &str, _outcome: &mut Outcome) {
        value.trim_end().clone_into(&mut self.line);
    }

    fn end(&mut self, outcome: &mut Outcome) -> Text {
        let line = std::mem::take(&mut self.line);
        match self.part {
            Part::Before if line.starts_with(BANNER) => self.part = Part::Banner,
            Part::Banner if line.is_empty() => self.part = Part::Body,
            Part::Before | Part::Banner => {}
            Part::Body => return self.body(&line, outcome),
        }
        Text::Nothing
    }

    fn forget(&mut self) {
        self.line.clear();
    }

    fn is_known(&self) -> bool {
        self.part != Part::Before
    }
}

/// What follows an answer: `Tokens: 1.2k sent, 30 received. Cost: $0.01 message, $0.02 session.`
fn tokens(line: &str) -> Option<(u64, u64)> {
    let (sent, rest) = line.strip_prefix("Tokens: ")?.split_once(" sent, ")?;
    // "200 cache hit" and "1.2k cache write" may stand between.
    let (received, _) = rest.split_once(" received")?;
    Some((thousands(sent), thousands(received.rsplit(' ').next()?)))
}

/// A count as aider rounds it: `340`, `1.2k`, `12k`.
fn thousands(text: &str) -> u64 {
    let Some(number) = text.strip_suffix('k') else { return count(text) };
    let (whole, tenths) = number.split_once('.').unwrap_or((number, "0"));
    count(whole) * 1000 + count(tenths) * 100
}

/// `litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached`
fn error(line: &str) -> Option<(&str, &str)> {
    let (kind, text) = line.strip_prefix("litellm.")?.split_once(": ")?;
    let is_word = kind.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (is_word && (kind.ends_with("Error") || kind.ends_with("Exception"))).then_some((kind, text))
}
