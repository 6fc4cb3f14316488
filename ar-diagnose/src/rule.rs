//! The rules as the program uses them: tables that are compiled in, and what a user adds.

use crate::needles::ANY_REACH;
use ar_core::record::{Class, Scope, Verdict};
use std::borrow::Cow::{self, Borrowed};

/// A text that is compiled in, or one of the user's.
pub type Text = Cow<'static, str>;

/// A rule: what a message means, and how to know it.
#[derive(Debug, Clone)]
pub struct Rule {
    /// `FILE/ID`.
    pub id: Text,
    /// The class of the failure.
    pub class: Class,
    /// A word of the closed vocabulary.
    pub detail: Text,
    /// Whom the failure concerns.
    pub verdict: Verdict,
    /// What a failure of the provider speaks for.
    pub scope: Option<Scope>,
    /// The command line agents that speak so; all where it is empty.
    pub cli: Cow<'static, [Text]>,
    /// Where it looks.
    pub stream: Where,
    /// Which of two rules that match the same line wins.
    pub rank: u8,
    /// Where the message tells when its limit ends.
    pub time: Time,
    /// Whether no printed window can change the class.
    pub terminal: bool,
    /// Whether a text that begins so is a failure even at exit status 0.
    pub alone: bool,
    /// What other rules may not judge when this one matches.
    pub claims: Claims,
    /// One of these must match.
    pub patterns: Cow<'static, [Pattern]>,
    /// None of these may match the same line.
    pub unless: Cow<'static, [Pattern]>,
    /// Which message it answers.
    pub answers: Text,
}

/// A pattern and the words without which it cannot match.
#[derive(Debug, Clone)]
pub struct Pattern {
    /// The regular expression, over text in lower case.
    pub source: Text,
    /// Every match holds a word of each link, in this order; empty where none is known.
    pub chain: Cow<'static, [Link]>,
    /// Which link is found seldom and quickly.
    pub telling: usize,
    /// Whether finding a word is the match.
    pub plain: bool,
    /// Whether every match starts where the line does.
    pub anchored: bool,
}

/// Words one of which every match of a pattern holds.
#[derive(Debug, Clone)]
pub struct Link {
    /// The words.
    pub words: Cow<'static, [Text]>,
    /// At most so many bytes behind the word of the link before, or behind the start of the match.
    pub reach: usize,
}

/// Where a rule looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Where {
    /// Everywhere.
    Any,
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// What the CLI's own result format calls its error.
    Error,
}

/// Where a message tells when its limit ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Time {
    /// Behind words such as `resets`, in the line that matched or close to it.
    Near,
    /// Behind such words, in the line that matched.
    Line,
    /// In the group `time` of the pattern that matched.
    Match,
    /// Nowhere: what stands there speaks of something else.
    None,
}

impl Time {
    /// How rules spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Line => "line",
            Self::Match => "match",
            Self::None => "none",
        }
    }
}

/// What a rule keeps from the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claims {
    /// Nothing: the ranks decide.
    Nothing,
    /// The line: it is the task's own output, not the CLI's words.
    Line,
    /// All lines before it: they are a report of the task's own output.
    Text,
}

/// The rules that are compiled in.
pub static BUILT_IN: &[Rule] = include!(concat!(env!("OUT_DIR"), "/rules.rs"));
