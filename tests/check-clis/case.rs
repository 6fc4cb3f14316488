//! The cases, and what the pipeline has to say of each.

use crate::agent::Agent;
use ar_tests::mock::{ANSWER, Mock, Plan, TOKENS};
use serde_json::Value;

/// Something that happens to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Case {
    Success,
    Resume,
    Lost,
    InvalidKey,
    RateLimit,
    Quota,
    Overloaded,
    ServerError,
    Refused,
    Hang,
    Cut,
    Killed,
    Setup,
}

/// All of them; a session is resumed that the first one began.
pub const CASES: [Case; 13] = [
    Case::Success,
    Case::Resume,
    Case::Lost,
    Case::InvalidKey,
    Case::RateLimit,
    Case::Quota,
    Case::Overloaded,
    Case::ServerError,
    Case::Refused,
    Case::Hang,
    Case::Cut,
    Case::Killed,
    Case::Setup,
];

/// What became of a case.
#[derive(Debug)]
pub struct Cell {
    /// What ar said, in few words.
    pub said: String,
    /// What is wrong with it; None where it is right.
    pub wrong: Option<String>,
}

/// What a run left.
#[derive(Debug)]
pub struct Left {
    /// The record at the end of the pipe.
    pub record: Value,
    /// The answer's file.
    pub answer: String,
}

impl Case {
    /// Its name, a heading of the table.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Resume => "resume",
            Self::Lost => "lost session",
            Self::InvalidKey => "invalid key",
            Self::RateLimit => "rate limit",
            Self::Quota => "quota",
            Self::Overloaded => "overloaded",
            Self::ServerError => "server error",
            Self::Refused => "refused",
            Self::Hang => "hang",
            Self::Cut => "cut stream",
            Self::Killed => "killed",
            Self::Setup => "drives setup",
        }
    }

    /// What the provider does; None where there is none.
    pub fn plan(self) -> Option<Plan> {
        Some(match self {
            Self::Success | Self::Resume | Self::Lost => Plan::Ok,
            Self::InvalidKey => Plan::InvalidKey,
            Self::RateLimit => Plan::RateLimit,
            Self::Quota => Plan::Quota,
            Self::Overloaded => Plan::Overloaded,
            Self::ServerError => Plan::ServerError,
            Self::Hang | Self::Killed => Plan::Hang,
            Self::Cut => Plan::Cut,
            Self::Setup => Plan::Setup,
            Self::Refused => return None,
        })
    }

    /// Judges what a run left.
    pub fn judge(self, agent: &Agent, left: &Left, session: Option<&str>, mock: &Mock) -> Cell {
        let said = said(&left.record);
        let class = left.record["diagnosis"]["class"].as_str();
        let end = left.record["exec"]["end"].as_str().unwrap_or_default();
        let expected = match self {
            Self::Success | Self::Resume => return Cell { said, wrong: self.success(agent, left, session) },
            Self::Hang => return Cell { said, wrong: unless(end == "idle", "the limit on silence") },
            Self::Lost => {
                let detail = left.record["diagnosis"]["detail"].as_str();
                return Cell {
                    said,
                    wrong: unless(detail == Some("session_not_found"), "session_not_found"),
                };
            }
            Self::Killed => return Cell { said, wrong: unless(end == "signal", "a signal") },
            // It is judged where it is run.
            Self::Setup => return Cell { said, wrong: None },
            Self::InvalidKey => "auth_expired",
            Self::RateLimit | Self::Overloaded | Self::ServerError => "rate_limit",
            Self::Quota => "quota_exhausted",
            Self::Refused | Self::Cut => "network_error",
        };
        let ended_late = matches!(end, "timeout" | "idle") && self.may_end_late(agent);
        let mut wrong = unless(class == Some(expected) || ended_late, expected);
        if self == Self::Quota && wrong.is_none() && agent.tells_reset && !ended_late {
            wrong = unless(is_reset(&left.record, mock.resets_at()), "the time of the reset");
        }
        Cell { said, wrong }
    }

    fn may_end_late(self, agent: &Agent) -> bool {
        agent.never_says.contains(&self)
    }

    fn success(self, agent: &Agent, left: &Left, session: Option<&str>) -> Option<String> {
        let exec = &left.record["exec"];
        if left.record["diagnosis"]["verdict"] != "ok" {
            return Some("expected a good run".to_owned());
        }
        if left.answer.trim_end_matches('\n') != ANSWER {
            return Some(format!("the answer is {:?}", left.answer));
        }
        if !agent.has_sessions {
            return None;
        }
        let Some(id) = exec["session"].as_str() else { return Some("there is no session".to_owned()) };
        if self == Self::Resume && session != Some(id) {
            return Some(format!("the session is '{id}', not '{}'", session.unwrap_or("none")));
        }
        if !agent.tells_tokens {
            return None;
        }
        let usage = &exec["usage"];
        let counts = [
            ("input_tokens", TOKENS.input),
            ("cache_read_tokens", TOKENS.cached),
            ("output_tokens", TOKENS.output),
        ];
        let wrong = counts.into_iter().find(|(name, count)| usage[name] != *count)?;
        Some(format!("{} is {}, not {}", wrong.0, usage[wrong.0], wrong.1))
    }
}

fn unless(is_right: bool, expected: &str) -> Option<String> {
    (!is_right).then(|| format!("expected {expected}"))
}

/// What ar said: the class and detail, or the verdict where there is none, and when to come back.
fn said(record: &Value) -> String {
    if let Some(message) = record["error"]["message"].as_str() {
        return format!("trouble: {message}");
    }
    let diagnosis = &record["diagnosis"];
    let Some(class) = diagnosis["class"].as_str() else {
        return diagnosis["verdict"].as_str().unwrap_or("nothing").to_owned();
    };
    let mut said = if class == "unknown" { String::new() } else { class.to_owned() };
    if let Some(detail) = diagnosis["detail"].as_str().filter(|detail| *detail != class) {
        let space = if said.is_empty() { "" } else { " " };
        said = format!("{said}{space}{detail}");
    }
    match diagnosis["retry_at"].as_str() {
        // The time of day, without seconds' fraction.
        Some(at) => format!("{said}, {}", at.get(11..16).unwrap_or(at)),
        None => said,
    }
}

/// Whether the diagnosis names that time, give or take the minutes that agents round to.
fn is_reset(record: &Value, resets_at: u64) -> bool {
    let Some(at) = record["diagnosis"]["retry_at"].as_str() else { return false };
    let Ok(stamp) = ar_core::Stamp::parse(at) else { return false };
    let distance = stamp.0 / 1000 - i64::try_from(resets_at).unwrap_or(i64::MAX);
    distance.abs() <= 180
}
