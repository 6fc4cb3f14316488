//! The shape of a file of rules, as ar-diagnose(1) documents it.
//!
//! Included by the build script too: the rules that are compiled in and those of the user are read alike.

use serde::Deserialize;

/// A file of rules.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// The rules, in the order in which ties are settled.
    #[serde(default)]
    pub rule: Vec<toml::Spanned<Source>>,
}

/// A rule as it is written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Its name within the file.
    pub id: String,
    /// One of the six classes.
    pub class: String,
    /// A word of the vocabulary of details.
    pub detail: String,
    /// Whom the failure concerns; the class tells where this is missing.
    pub verdict: Option<String>,
    /// What is cooled; the class tells where this is missing.
    pub scope: Option<String>,
    /// The command line agents that speak so; all where it is empty.
    #[serde(default)]
    pub cli: Vec<String>,
    /// Where it looks: `any`, `stdout`, `stderr` or `error`.
    pub stream: Option<String>,
    /// From 1 to 99: which of two rules that match the same line wins.
    pub rank: Option<u8>,
    /// Where the message tells when its limit ends: `near`, `line`, `match` or `none`; the class tells where this is missing.
    pub time: Option<String>,
    /// Whether no printed window can change the class.
    #[serde(default)]
    pub terminal: bool,
    /// Whether a text that begins so is a failure even at exit status 0.
    #[serde(default)]
    pub alone: bool,
    /// Which text other rules may not judge when this one matches: `line` or `text`.
    pub claims: Option<String>,
    /// Regular expressions over the cleaned text in lower case, one of which must match.
    pub patterns: Vec<String>,
    /// Regular expressions none of which may match the same line.
    #[serde(default)]
    pub unless: Vec<String>,
    /// Which message the rule answers.
    pub answers: String,
    /// Texts that the rule must recognise.
    #[serde(default)]
    pub examples: Vec<String>,
    /// Texts that look alike and that the rule must leave alone.
    #[serde(default)]
    pub lookalikes: Vec<String>,
}

/// The six classes, as rules spell them.
pub const CLASSES: [&str; 6] =
    ["rate_limit", "quota_exhausted", "auth_expired", "cli_version_mismatch", "network_error", "unknown"];

/// The closed vocabulary of details, in the order in which ar-diagnose(1) explains it.
pub const DETAILS: [&str; 57] = [
    // rate_limit
    "throttle",
    "overloaded",
    "server_error",
    // quota_exhausted
    "usage_limit",
    "credits",
    "daily_quota",
    "spend_cap",
    // auth_expired
    "invalid_key",
    "missing_key",
    "not_logged_in",
    "oauth_expired",
    "oauth_refresh",
    "permission",
    "account_disabled",
    "region_blocked",
    // cli_version_mismatch
    "unsupported_flag",
    "bad_invocation",
    "upgrade_required",
    "not_installed",
    "not_executable",
    "platform",
    "runtime",
    "config",
    "protocol",
    // network_error
    "dns",
    "tls",
    "refused",
    "reset",
    "unreachable",
    "proxy",
    "connect",
    "timeout",
    // unknown: the caller
    "model_not_found",
    "session_not_found",
    "context_length",
    "content_refused",
    "bad_request",
    "too_long",
    "bad_cwd",
    "max_output",
    "bad_response",
    "untrusted",
    // unknown: the task
    "tool_error",
    "test_failure",
    "version_control",
    "package_manager",
    "build_error",
    "system",
    "prose",
    // unknown: how it ended
    "empty_answer",
    "agent_error",
    "idle",
    "crashed",
    "killed",
    "cancelled",
    "max_turns",
    "max_cost",
];

/// Whom a failure of a class concerns, where its rule does not say so.
pub fn default_verdict(class: &str) -> &'static str {
    match class {
        "network_error" => "Network",
        "unknown" => "Task",
        _ => "Provider",
    }
}

/// The places of a time, in the order of the type.
pub const TIMES: [&str; 4] = ["near", "line", "match", "none"];

/// Where a message of a class tells a time, where its rule does not say so: only limits end by themselves.
pub fn default_time(class: &str) -> &'static str {
    if matches!(class, "rate_limit" | "quota_exhausted") { "near" } else { "none" }
}

/// Tells what is wrong with the place of a rule's time.
pub fn wrong_time(class: &str, time: &str, patterns: &[String]) -> Option<&'static str> {
    let has_group = patterns.iter().any(|pattern| pattern.contains("(?P<time>"));
    match time {
        "none" => None,
        _ if default_time(class) == "none" => Some("only a rate_limit or a quota_exhausted has a time"),
        "match" if !has_group => Some("time 'match' needs a pattern with a group (?P<time>…)"),
        "match" => None,
        _ if has_group => Some("the group 'time' is read where time is 'match'"),
        _ => None,
    }
}

/// What a failure of a class speaks for, where its rule does not say so.
pub fn default_scope(class: &str) -> Option<&'static str> {
    match class {
        "rate_limit" | "quota_exhausted" | "auth_expired" => Some("account"),
        "cli_version_mismatch" => Some("provider"),
        _ => None,
    }
}
