//! A provider: one command of a model, as its table in the file and what stands above the tables describe it.

use super::is_name;
use super::quantity::{Dollars, Limit, Size};
use super::template::Template;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// One command that can serve a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Provider {
    /// By what it is known everywhere; the command's base name where the file gives none.
    pub name: String,
    /// Whose quota it draws on; the provider's own name where the file gives none.
    pub account: String,
    /// The program, a name on PATH or a path.
    pub command: String,
    /// Its arguments, with placeholders.
    pub args: Vec<String>,
    /// Arguments in place of `args` when a session goes on.
    pub resume_args: Option<Vec<String>>,
    /// How the prompt reaches the child.
    pub prompt_mode: PromptMode,
    /// The result format, None where the file leaves it to ar-exec.
    pub output: Option<String>,
    /// Whether an empty answer is a good one.
    pub allow_empty: bool,
    /// Lower tiers are used first, and alone while one in them can serve.
    pub tier: u32,
    /// Share of the runs inside the tier, at least 1.
    pub weight: u32,
    /// How many runs may be alive at once, None for any number.
    pub max_parallel: Option<u32>,
    /// Variables added to the child's environment; `${NAME}` in a value stands for the caller's variable.
    pub env: BTreeMap<String, String>,
    /// Variables whose values are the output of commands, each a program and its arguments.
    pub env_command: BTreeMap<String, Vec<String>>,
    /// A file of `NAME=value` lines added to the child's environment.
    pub env_file: Option<PathBuf>,
    /// Variables taken out of the child's environment.
    pub unset: Vec<String>,
    /// The child's working directory.
    pub cwd: Option<PathBuf>,
    /// Wall time limit of a run, None for no limit.
    pub timeout: Option<Duration>,
    /// Limit on silence of both streams: zero for no limit, None where the file leaves it to ar-exec.
    pub idle_timeout: Option<Duration>,
    /// How long processes that the child leaves behind may go on.
    pub linger: Duration,
    /// Bytes that either stream may hold, None for any number.
    pub max_output: Option<u64>,
    /// Turns that the model may take, None for any number.
    pub max_turns: Option<u64>,
    /// What a run may cost in US dollars, None for any sum.
    pub max_cost_usd: Option<f64>,
    /// The child's niceness, as nice(1) adds it.
    pub nice: i32,
    /// Bytes of address space for each process of the run, None for any number.
    pub memory_max: Option<u64>,
    /// Whether the child's output is a terminal.
    pub pty: bool,
    /// What tokens cost, where the agent does not tell.
    pub price: Option<Price>,
    /// Whether the provider is left out.
    pub disabled: bool,
    /// Files and commands whose change ends a cooldown; None for what [`crate::watch`] knows by itself.
    pub watch: Option<Vec<String>>,
}

/// How the prompt reaches the child.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PromptMode {
    /// As standard input.
    #[default]
    Stdin,
    /// As one argument.
    Arg,
    /// As the path of a file.
    File,
}

/// What tokens cost, in US dollars per million.
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Price {
    /// Tokens read, net of cache.
    pub input: f64,
    /// Tokens written, reasoning included.
    pub output: f64,
    /// Tokens served from the cache.
    pub cache_read: f64,
    /// Tokens written into the cache.
    pub cache_write: f64,
}

impl Provider {
    /// The wall time limit of a run where nobody sets one.
    pub const DEFAULT_TIMEOUT: Duration = Duration::from_hours(1);
    /// How long leftover processes may go on where nobody says.
    pub const DEFAULT_LINGER: Duration = Duration::from_secs(2);
    /// The limit on output in bytes where nobody sets one.
    pub const DEFAULT_MAX_OUTPUT: u64 = 1 << 30;
    /// What `output` may be: recognised by the command line, plain text, or the agent's own format.
    pub const OUTPUTS: [&str; 13] = [
        "auto",
        "text",
        "aider",
        "claude-json",
        "claude-stream-json",
        "codex-json",
        "copilot-json",
        "gemini-json",
        "gemini-stream-json",
        "llm-json",
        "opencode-json",
        "qwen-json",
        "qwen-stream-json",
    ];

    /// The provider of a table, which inherits from the top of the file what it does not say itself.
    pub(super) fn new(own: Template, top: &Template) -> Result<Self, Wrong> {
        refuse_misplaced(&own)?;
        let command = own.command.or_else(|| top.command.clone()).filter(|command| !command.is_empty());
        let command = command.ok_or((None, "a provider has no 'command'".to_owned()))?;
        let name = match own.name.or_else(|| top.name.clone()) {
            Some(name) => checked_name(&name, "name")?,
            None => base_name(&command)?,
        };
        let account = match own.account.or_else(|| top.account.clone()) {
            Some(account) => checked_name(&account, "account")?,
            None => name.clone(),
        };
        let mut env = top.env.clone();
        env.extend(own.env);
        let mut env_command = top.env_command.clone();
        env_command.extend(own.env_command);
        Ok(Self {
            name,
            account,
            command,
            args: own.args.or_else(|| top.args.clone()).unwrap_or_default(),
            resume_args: own.resume_args.or_else(|| top.resume_args.clone()),
            prompt_mode: own.prompt_mode.or(top.prompt_mode).unwrap_or(PromptMode::Stdin),
            output: checked_output(own.output.or_else(|| top.output.clone()))?,
            allow_empty: own.allow_empty.or(top.allow_empty).unwrap_or(false),
            tier: own.tier.or(top.tier).unwrap_or(1),
            weight: at_least_one(own.weight.or_else(|| top.weight.clone()), "weight")?.unwrap_or(1),
            max_parallel: at_least_one(
                own.max_parallel.or_else(|| top.max_parallel.clone()),
                "max_parallel",
            )?,
            env: checked_env(env)?,
            env_command: commands(checked_env(env_command)?)?,
            env_file: own.env_file.or_else(|| top.env_file.clone()).map(PathBuf::from),
            cwd: own.cwd.or_else(|| top.cwd.clone()).map(PathBuf::from),
            unset: checked_unset(own.unset.or_else(|| top.unset.clone()).unwrap_or_default())?,
            timeout: own.timeout.or(top.timeout).map_or(Some(Self::DEFAULT_TIMEOUT), Limit::get),
            idle_timeout: own.idle_timeout.or(top.idle_timeout).map(|limit| limit.0),
            linger: own.linger.or(top.linger).map_or(Self::DEFAULT_LINGER, |limit| limit.0),
            max_output: own.max_output.or(top.max_output).map_or(Some(Self::DEFAULT_MAX_OUTPUT), Size::get),
            max_turns: own.max_turns.or(top.max_turns).filter(|turns| *turns > 0),
            max_cost_usd: own.max_cost_usd.or(top.max_cost_usd).and_then(Dollars::get),
            nice: own.nice.or(top.nice).unwrap_or(0),
            memory_max: own.memory_max.or(top.memory_max).and_then(Size::get),
            pty: own.pty.or(top.pty).unwrap_or(false),
            price: own.price.or(top.price),
            disabled: own.disabled.or(top.disabled).unwrap_or(false),
            watch: own.watch.or_else(|| top.watch.clone()),
        })
    }
}

/// What is wrong, and the byte of the file at which it stands where that is not the provider's first.
pub(super) type Wrong = (Option<usize>, String);

/// Refuses what only the top of a file may say.
fn refuse_misplaced(own: &Template) -> Result<(), Wrong> {
    if let Some(nested) = &own.providers {
        return Err((Some(nested.span().start), "a provider cannot hold 'providers'".to_owned()));
    }
    let misplaced = [
        ("description", own.description.as_ref().map(Spanned::span)),
        ("strategy", own.strategy.as_ref().map(Spanned::span)),
        ("fallback", own.fallback.as_ref().map(Spanned::span)),
        ("hop", own.hop.as_ref().map(Spanned::span)),
    ];
    match misplaced.into_iter().find(|(_, span)| span.is_some()) {
        Some((key, Some(span))) => Err((Some(span.start), format!("'{key}' belongs at the top of the file"))),
        _ => Ok(()),
    }
}

fn checked_name(name: &Spanned<String>, key: &str) -> Result<String, Wrong> {
    let text = name.get_ref();
    if is_name(text) {
        return Ok(text.clone());
    }
    Err((Some(name.span().start), format!("'{text}' cannot be a {key}: use letters, digits and . _ + @ -")))
}

fn checked_output(output: Option<Spanned<String>>) -> Result<Option<String>, Wrong> {
    let Some(output) = output else { return Ok(None) };
    let name = output.get_ref();
    if Provider::OUTPUTS.contains(&name.as_str()) {
        return Ok(Some(output.into_inner()));
    }
    // As serde words what is none of a list, so that all such mistakes are told alike.
    let known = Provider::OUTPUTS.map(|known| format!("`{known}`")).join(", ");
    Err((Some(output.span().start), format!("unknown variant `{name}`, expected one of {known}")))
}

fn base_name(command: &str) -> Result<String, Wrong> {
    let base = Path::new(command).file_name().and_then(|name| name.to_str()).filter(|name| is_name(name));
    let arguments = if command.contains(' ') { "; arguments belong in 'args'" } else { "" };
    base.map(str::to_owned)
        .ok_or_else(|| (None, format!("the provider of command '{command}' needs a 'name'{arguments}")))
}

fn at_least_one(number: Option<Spanned<u32>>, key: &str) -> Result<Option<u32>, Wrong> {
    match number {
        Some(number) if *number.get_ref() == 0 => {
            Err((Some(number.span().start), format!("'{key}' must be at least 1")))
        }
        number => Ok(number.map(Spanned::into_inner)),
    }
}

fn checked_unset(names: Vec<String>) -> Result<Vec<String>, Wrong> {
    match names.iter().find(|name| name.is_empty() || name.contains(['=', '\0'])) {
        Some(name) => Err((None, format!("'{}' cannot be an environment variable", name.escape_debug()))),
        None => Ok(names),
    }
}

/// Splits the commands of `env_command` into words.
fn commands(commands: BTreeMap<String, String>) -> Result<BTreeMap<String, Vec<String>>, Wrong> {
    commands
        .into_iter()
        .map(|(name, command)| match split_words(&command) {
            Some(words) if !words.is_empty() => Ok((name, words)),
            _ => Err((None, format!("the command of '{name}' is empty, or one of its quotes is open"))),
        })
        .collect()
}

/// Words parted by blanks; quotes of either kind keep blanks, and nothing else is special, because no shell is at work.
/// None where a quote is open.
fn split_words(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for c in text.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if c == '"' || c == '\'' => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            None if c.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

fn checked_env(env: BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Wrong> {
    // The value may be a secret, so the message names the variable alone.
    match env
        .iter()
        .find(|(name, value)| name.is_empty() || name.contains(['=', '\0']) || value.contains('\0'))
    {
        Some((name, _)) => {
            Err((None, format!("'{}' cannot be an environment variable", name.escape_debug())))
        }
        None => Ok(env),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_split_without_a_shell() {
        let cases = [
            ("pass show x", Some(vec!["pass", "show", "x"])),
            (" cat  '/a b'\"c\" ", Some(vec!["cat", "/a bc"])),
            ("echo '' $HOME;ls", Some(vec!["echo", "", "$HOME;ls"])),
            ("", Some(vec![])),
            ("echo 'x", None),
        ];
        for (text, words) in cases {
            let words = words.map(|words| words.into_iter().map(str::to_owned).collect());
            assert_eq!(split_words(text), words, "{text}");
        }
    }
}
