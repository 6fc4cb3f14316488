//! What ar-pick and ar-exec add to a record.

use crate::clock::Stamp;
use serde::{Deserialize, Serialize};

/// What ar-pick chose and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pick {
    /// The provider's name.
    pub provider: String,
    /// The account that the provider draws on.
    pub account: String,
    /// When the provider was chosen.
    pub at: Stamp,
    /// When the reservation ends by itself.
    pub lease_until: Stamp,
    /// Whether this run tries out a provider whose cooldown may have ended.
    pub probe: bool,
    /// Why this one, in words.
    pub reason: String,
}

/// The agent's own session with which a run goes on, or that it begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// What the caller calls it, null where it is just the last one.
    pub name: Option<String>,
    /// The agent's id of it, null where the run begins it.
    pub id: Option<String>,
    /// What its runs have used so far, none where the history does not know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
}

/// How the child was run and how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Exec {
    /// The command, as the template names it.
    pub argv0: String,
    /// When the child was started.
    pub started: Stamp,
    /// Wall time of the child in milliseconds.
    pub elapsed_ms: u64,
    /// What ended the run.
    pub end: End,
    /// The child's exit status, null where it has none.
    pub exit_code: Option<i32>,
    /// The signal that ended the child, null where none did.
    pub signal: Option<i32>,
    /// The signal to ar-exec that cancelled the run, where one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<i32>,
    /// Size of the child's standard output in bytes.
    pub stdout_bytes: u64,
    /// Size of the child's standard error in bytes.
    pub stderr_bytes: u64,
    /// The command line agent's own session id.
    #[serde(default)]
    pub session: Option<String>,
    /// Tokens and cost.
    #[serde(default)]
    pub usage: Option<Usage>,
    /// Rounds of question and answer with the model, null where the format tells none.
    #[serde(default)]
    pub turns: Option<u64>,
    /// Tools that the agent used, null where the format tells none.
    #[serde(default)]
    pub tool_calls: Option<u64>,
    /// What the child's own result format said of an error, or why it could not be started.
    #[serde(default)]
    pub error: Option<ExecError>,
    /// Whether the template says that an empty answer is a good one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_empty: bool,
    /// Processor time of the child and of those that it waited for, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// The most memory that one of these processes ever held, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// How many processes the child left behind; they were ended.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub leftover: u64,
    /// What became of the git repository in which the child worked, where it worked in one and that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitChange>,
}

/// A git repository before and after a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GitChange {
    /// The commit that HEAD named before, null in a repository without one.
    pub before: Option<String>,
    /// The commit that HEAD named after.
    pub after: Option<String>,
    /// Whether HEAD, the index or the work tree is another than before.
    pub changed: bool,
}

/// What ended a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// The child exited by itself.
    Exit,
    /// A signal that ar-exec did not send ended the child.
    Signal,
    /// The wall time limit.
    Timeout,
    /// The limit on silence.
    Idle,
    /// The child could not be started.
    Spawn,
    /// A signal to ar-exec, or nobody left to read its record.
    Cancelled,
    /// The limit on bytes of output.
    MaxOutput,
    /// The limit on turns.
    MaxTurns,
    /// The limit on cost.
    MaxCost,
}

/// Tokens and cost of a run. Tokens that a provider served from its cache are not part of `input_tokens`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Usage {
    /// Tokens read, net of cache.
    pub input_tokens: u64,
    /// Tokens written, reasoning included.
    pub output_tokens: u64,
    /// How many of the tokens written were reasoning.
    pub reasoning_tokens: u64,
    /// Tokens served from the provider's cache.
    pub cache_read_tokens: u64,
    /// Tokens written into the provider's cache.
    pub cache_write_tokens: u64,
    /// Cost in US dollars, null where nobody tells.
    pub cost_usd: Option<f64>,
    /// Whether the cost comes from a price table and not from the provider.
    pub estimated: bool,
    /// Whether this is the sum since the session began, as some agents count it, because nobody knows what was used before
    /// this run.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub since_session: bool,
}

/// An error as the child's own result format, or the attempt to start it, tells it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExecError {
    /// A short identifier: the format's own, or `not_found`, `not_executable`, `bad_cwd`, `too_long` of a spawn.
    pub kind: String,
    /// The text.
    pub message: String,
    /// HTTP status, where the format tells one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// When the limit ends, where the format tells it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resets_at: Option<Stamp>,
}

impl Usage {
    /// What a run used by itself, of which this is the sum since the session began. Where a count is smaller than `before`
    /// the run, it is no such sum and stands for the run alone.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        self.beyond(before).unwrap_or_else(|| Self { since_session: false, ..self.clone() })
    }

    fn beyond(&self, before: &Self) -> Option<Self> {
        Some(Self {
            input_tokens: self.input_tokens.checked_sub(before.input_tokens)?,
            output_tokens: self.output_tokens.checked_sub(before.output_tokens)?,
            cache_read_tokens: self.cache_read_tokens.checked_sub(before.cache_read_tokens)?,
            cache_write_tokens: self.cache_write_tokens.checked_sub(before.cache_write_tokens)?,
            reasoning_tokens: self.reasoning_tokens.saturating_sub(before.reasoning_tokens),
            since_session: false,
            ..self.clone()
        })
    }

    /// Adds the tokens of a run to those of the ones before it, which a sum since the session began takes the place of.
    pub fn add(&mut self, run: &Self) {
        if run.since_session {
            *self = Self::default();
        }
        self.input_tokens = self.input_tokens.saturating_add(run.input_tokens);
        self.output_tokens = self.output_tokens.saturating_add(run.output_tokens);
        self.cache_read_tokens = self.cache_read_tokens.saturating_add(run.cache_read_tokens);
        self.cache_write_tokens = self.cache_write_tokens.saturating_add(run.cache_write_tokens);
        self.reasoning_tokens = self.reasoning_tokens.saturating_add(run.reasoning_tokens);
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
