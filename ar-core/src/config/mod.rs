//! The configuration directory: `config.toml`, `models/NAME.toml`, `agents/NAME.md` (ar-config(5)).

mod account;
mod cooldown;
mod env_file;
mod fallback;
mod model;
mod pieces;
mod provider;
mod quantity;
mod template;

pub use account::Account;
pub use cooldown::Cooldown;
pub use env_file::assignments;
pub use model::{Hop, Model, Strategy};
pub use provider::{Price, PromptMode, Provider};

use crate::exit::Failure;
use anyhow::Context;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What `config.toml` says.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The model of a call that names none.
    pub model: Option<String>,
    /// The model that is asked why a run failed when no rule knows.
    pub diagnostics_model: Option<String>,
    /// Whether what that model says is noted as a suggestion for a rule.
    pub learn: bool,
    /// How long providers rest.
    pub cooldown: Cooldown,
    /// What is known of accounts, by name.
    pub accounts: BTreeMap<String, Account>,
    /// How much of what was said the history keeps.
    pub log_content: LogContent,
    /// How many bytes of a prompt and of an answer can be searched, None for 64 KiB.
    pub log_search_bytes: Option<u32>,
    /// Runs older than so many days are removed.
    pub log_keep_days: Option<u32>,
    /// Beyond so many runs the oldest are removed.
    pub log_keep_runs: Option<u64>,
    /// Beyond so many bytes of files the oldest runs are removed.
    pub log_keep_bytes: Option<u64>,
    /// The files of runs older than so many days are compressed, None for one day; those of none where it is 0.
    pub log_compress_days: Option<u32>,
    /// Regular expressions of secrets, besides those that are known.
    pub log_secrets: Vec<String>,
    /// What is run when a run is over.
    pub hooks: Hooks,
}

/// How much of what was said the history keeps.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogContent {
    /// The files of a run, and text to search.
    #[default]
    All,
    /// Who, when, how long, what it cost and how it ended.
    None,
}

/// Commands that are run when a run is over: a program and its arguments each, none for nothing.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Hooks {
    /// After a run without a good answer.
    pub on_failure: Vec<String>,
    /// After a failure that lets the provider rest.
    pub on_cooldown: Vec<String>,
    /// After a run with a good answer.
    pub on_success: Vec<String>,
}

impl Config {
    /// Reads `config.toml` in `dir`; none there means the defaults.
    pub fn load(dir: &Path) -> anyhow::Result<Self> {
        let path = dir.join("config.toml");
        match fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("cannot read '{}'", path.display())),
        }
    }

    /// Reads the text of `config.toml`.
    pub fn parse(path: &Path, text: &str) -> anyhow::Result<Self> {
        parse_toml(path, text)
    }

    /// The model of a call: the one asked for, the default of `config.toml`, or the only one there is.
    pub fn choose_model(&self, dir: &Path, asked: Option<&str>) -> anyhow::Result<String> {
        if let Some(name) = asked.or(self.model.as_deref()) {
            return Ok(name.to_owned());
        }
        let mut names = model_names(dir)?;
        match (names.pop(), names.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(no_models(dir)),
            (Some(last), false) => {
                names.push(last);
                let hint = format!("name one with -m ({}), or set 'model' in config.toml", names.join(", "));
                Err(Failure::trouble("no model is named, and there is no default").hint(hint).into())
            }
        }
    }
}

/// The names of all models, sorted.
pub fn model_names(dir: &Path) -> anyhow::Result<Vec<String>> {
    names(&dir.join("models"), "toml")
}

/// The names of all agents, sorted.
pub fn agent_names(dir: &Path) -> anyhow::Result<Vec<String>> {
    names(&dir.join("agents"), "md")
}

/// Whether a text may name a model, a provider or an account, and so a file: letters, digits and `. _ + @ -` inside.
pub fn is_name(text: &str) -> bool {
    let inner = |c: char| c.is_alphanumeric() || "._+@-".contains(c);
    text.len() <= 64 && text.starts_with(|c: char| c.is_alphanumeric() || c == '_') && text.chars().all(inner)
}

/// The candidate nearest to a mistyped word, if one is near.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.75)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

/// Adds "did you mean" to a failure where a candidate is near.
pub fn with_nearest<'a>(
    failure: Failure,
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Failure {
    match nearest(word, candidates) {
        Some(near) => failure.hint(format!("did you mean '{near}'?")),
        None => failure,
    }
}

fn no_models(dir: &Path) -> anyhow::Error {
    Failure::trouble(format!("there is no model in '{}'", dir.join("models").display()))
        .hint("'ar setup init' writes one for each agent that it finds")
        .into()
}

fn names(dir: &Path, extension: &str) -> anyhow::Result<Vec<String>> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("cannot read '{}'", dir.display())),
    };
    let mut names = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read '{}'", dir.display()))?.path();
        if path.extension() == Some(OsStr::new(extension))
            && let Some(name) = path.file_stem().and_then(OsStr::to_str)
            && is_name(name)
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Parses a TOML file into `T`; errors name file and line, an unknown key also the nearest known one.
fn parse_toml<T: DeserializeOwned>(path: &Path, text: &str) -> anyhow::Result<T> {
    toml::from_str(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        located(path, text, offset, error.message()).into()
    })
}

/// An error at a byte of a file, worded `FILE:LINE: message`.
fn located(path: &Path, text: &str, offset: usize, message: &str) -> Failure {
    let line = 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    let place = format!("{}:{line}", path.display());
    match unknown_field(message) {
        Some((field, known)) => {
            with_nearest(Failure::trouble(format!("{place}: unknown key '{field}'")), field, known)
        }
        None => unlisted(&place, message)
            .unwrap_or_else(|| Failure::trouble(format!("{place}: {}", misfit(message).replace('`', "'")))),
    }
}

/// Words serde's "unknown variant `a`, expected one of `b`, `c`", with the nearest one.
fn unlisted(place: &str, message: &str) -> Option<Failure> {
    let mut quoted = message.strip_prefix("unknown variant ")?.split('`').skip(1).step_by(2);
    let word = quoted.next()?;
    let known: Vec<&str> = quoted.collect();
    let failure = Failure::trouble(format!("{place}: '{word}' is none of {}", known.join(", ")));
    Some(with_nearest(failure, word, known))
}

/// Words serde's "invalid type: string "x", expected a sequence" as somebody who writes TOML would.
fn misfit(message: &str) -> String {
    let rest = ["invalid type: ", "invalid value: "].iter().find_map(|start| message.strip_prefix(start));
    let Some((found, wanted)) = rest.and_then(|rest| rest.rsplit_once(", expected ")) else {
        return message.to_owned();
    };
    let wanted = match wanted {
        "u32" | "u64" => "a whole number",
        "i32" => "a whole number of either sign",
        "a nonzero u32" => "a whole number above 0",
        "f64" => "a number",
        "a sequence" => "an array, as in [\"a\", \"b\"],",
        "a map" => "a table, as in { a = \"b\" },",
        other => other,
    };
    format!(
        "{} stands where {wanted} belongs",
        found.replacen("map", "a table", 1).replacen("sequence", "an array", 1)
    )
}

/// Takes the key and the known keys out of serde's sentence "unknown field `a`, expected one of `b`, `c`".
pub(crate) fn unknown_field(message: &str) -> Option<(&str, Vec<&str>)> {
    let mut quoted = message.strip_prefix("unknown field ")?.split('`').skip(1).step_by(2);
    Some((quoted.next()?, quoted.collect()))
}

/// The path of a named file below the configuration directory.
fn named_file(dir: &Path, kind: &str, name: &str, extension: &str) -> PathBuf {
    dir.join(kind).join(format!("{name}.{extension}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_safe_as_file_names() {
        for name in ["codex-high", "a", "gpt.5", "me@work", "ünï"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", ".", "..", "-m", "a/b", "a b", "a\nb", &"x".repeat(65)] {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn an_unknown_key_is_named_with_its_line_and_the_nearest_key() {
        let error = parse_toml::<Config>(Path::new("c.toml"), "\nmodle = 'x'\n").unwrap_err();
        let failure = Failure::of(&error);
        assert_eq!(failure.message, "c.toml:2: unknown key 'modle'");
        assert_eq!(failure.hint.as_deref(), Some("did you mean 'model'?"));
    }
}
