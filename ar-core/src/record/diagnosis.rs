//! What ar-diagnose adds to a record.

use crate::clock::Stamp;
use anyhow::Context;
use serde::{Deserialize, Serialize};

/// Why a run ended as it did, and whom that concerns.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diagnosis {
    /// Whom the failure concerns.
    pub verdict: Verdict,
    /// The class, null when the verdict is ok.
    pub class: Option<Class>,
    /// A word of a closed vocabulary that says it more closely.
    pub detail: Option<String>,
    /// What decided: `rule:FILE/ID`, `exec`, `exit`, …
    pub by: String,
    /// The line that decided.
    pub evidence: Option<String>,
    /// When to try again.
    pub retry_at: Option<Stamp>,
    /// Where `retry_at` comes from: `server` or `estimated`.
    pub retry_from: Option<String>,
    /// What a failure of the provider speaks for.
    pub scope: Option<Scope>,
}

/// Whom a failure concerns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Nobody: the answer is good.
    Ok,
    /// The provider: cool it, try another.
    Provider,
    /// The network: blame nobody, retry.
    Network,
    /// The work itself: stop, pass the child's status on.
    Task,
    /// Whoever asked: the prompt is too long, the model is unknown. Stop.
    Caller,
}

/// What the runner should do next about a failed provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Cool it for seconds to minutes.
    RateLimit,
    /// Park it until its reset, or until somebody pays.
    QuotaExhausted,
    /// Leave it until somebody logs in.
    AuthExpired,
    /// Leave it until the installation or the template is mended.
    CliVersionMismatch,
    /// No answer came over the network: blame nobody.
    NetworkError,
    /// Show it.
    Unknown,
}

impl Class {
    /// The class as the record, the database and messages spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::RateLimit => "rate_limit",
            Self::QuotaExhausted => "quota_exhausted",
            Self::AuthExpired => "auth_expired",
            Self::CliVersionMismatch => "cli_version_mismatch",
            Self::NetworkError => "network_error",
            Self::Unknown => "unknown",
        }
    }

    /// Reads a class as [`Class::name`] spells it.
    pub fn parse(name: &str) -> anyhow::Result<Self> {
        serde_json::from_value(name.into()).with_context(|| format!("'{name}' is not a class"))
    }
}

impl Verdict {
    /// The verdict as the record, the database and messages spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Provider => "provider",
            Self::Network => "network",
            Self::Task => "task",
            Self::Caller => "caller",
        }
    }
}

/// What a failure of a provider speaks for, and so what is cooled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The whole account.
    Account,
    /// The account, for this model alone.
    Model,
    /// This provider alone: its command or its template.
    Provider,
}
