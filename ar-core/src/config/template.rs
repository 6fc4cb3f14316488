//! The keys of a model file as they are written, before defaults and checks.

use super::quantity::{Dollars, Limit, Size};
use crate::config::{Hop, Price, PromptMode, Strategy};
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A model file, or one provider in it. What stands at the top of the file is the default of every provider.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Template {
    pub providers: Option<Spanned<Vec<Spanned<Template>>>>,
    pub description: Option<Spanned<String>>,
    pub strategy: Option<Spanned<Strategy>>,
    pub fallback: Option<Spanned<Vec<String>>>,
    pub hop: Option<Spanned<Hop>>,

    pub name: Option<Spanned<String>>,
    pub account: Option<Spanned<String>>,
    pub command: Option<String>,
    pub args: Option<Vec<String>>,
    pub resume_args: Option<Vec<String>>,
    pub prompt_mode: Option<PromptMode>,
    pub output: Option<Spanned<String>>,
    pub allow_empty: Option<bool>,
    pub tier: Option<u32>,
    pub weight: Option<Spanned<u32>>,
    pub max_parallel: Option<Spanned<u32>>,
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    #[serde(default)]
    pub env_command: BTreeMap<String, String>,
    pub env_file: Option<String>,
    pub unset: Option<Vec<String>>,
    pub cwd: Option<String>,
    pub timeout: Option<Limit>,
    pub idle_timeout: Option<Limit>,
    pub linger: Option<Limit>,
    pub max_output: Option<Size>,
    pub max_turns: Option<u64>,
    pub max_cost_usd: Option<Dollars>,
    pub nice: Option<i32>,
    pub memory_max: Option<Size>,
    pub pty: Option<bool>,
    pub price: Option<Price>,
    pub disabled: Option<bool>,
    pub watch: Option<Vec<String>>,
}
