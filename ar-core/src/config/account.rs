//! `[accounts.NAME]` in `config.toml`: what holds for an account, whichever providers draw on it.

use serde::Deserialize;
use std::num::NonZeroU32;

/// What is known of an account.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Account {
    /// How many runs of all its providers may be alive at once, None for any number.
    pub max_parallel: Option<NonZeroU32>,
    /// A program and its arguments that print how much of the account's quota is used.
    pub quota_command: Option<Vec<String>>,
}
