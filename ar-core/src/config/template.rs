//! The keys of a model file as they are written, before defaults and checks.

use crate::clock::parse_duration;
use crate::config::PromptMode;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;
use toml::Spanned;

/// A model file, or one provider in it. What stands at the top of the file is the default of every provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Template {
    pub providers: Option<Spanned<Vec<Spanned<Template>>>>,
    pub description: Option<Spanned<String>>,

    pub name: Option<Spanned<String>>,
    pub account: Option<Spanned<String>>,
    pub command: Option<String>,
    pub args: Option<Vec<String>>,
    pub resume_args: Option<Vec<String>>,
    pub prompt_mode: Option<PromptMode>,
    pub output: Option<String>,
    pub allow_empty: Option<bool>,
    pub tier: Option<u32>,
    pub weight: Option<Spanned<u32>>,
    pub max_parallel: Option<Spanned<u32>>,
    pub env: BTreeMap<String, String>,
    pub env_file: Option<String>,
    pub cwd: Option<String>,
    pub timeout: Option<Limit>,
    pub idle_timeout: Option<Limit>,
    pub disabled: Option<bool>,
}

/// A time limit: seconds as a number, a text like `5m`, or 0 for none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit(pub Option<Duration>);

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a length of time such as 90 (seconds), \"5m\" or \"1h 30m\"")
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
                let unexpected = || E::invalid_value(Unexpected::Signed(seconds), &self);
                u64::try_from(seconds).map(Duration::from_secs).map_err(|_| unexpected())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
                parse_duration(text).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        let duration = deserializer.deserialize_any(Text)?;
        Ok(Self(Some(duration).filter(|duration| !duration.is_zero())))
    }
}
