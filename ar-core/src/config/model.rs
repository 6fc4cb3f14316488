//! A model: the pool of providers that `models/NAME.toml` describes.

use super::template::Template;
use super::{is_name, located, model_names, named_file, parse_toml, with_nearest};
use crate::exit::Failure;
use anyhow::Context;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// The wall time limit of a run where nobody sets one.
const DEFAULT_TIMEOUT: Duration = Duration::from_hours(1);

/// A pool of providers under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The file's name without `.toml`.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// What it is for, in the user's words.
    pub description: Option<String>,
    /// The providers in the order of the file; at least one, names unique.
    pub providers: Vec<Provider>,
}

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
    /// Variables added to the child's environment.
    pub env: BTreeMap<String, String>,
    /// A file of `NAME=value` lines added to the child's environment.
    pub env_file: Option<PathBuf>,
    /// The child's working directory.
    pub cwd: Option<PathBuf>,
    /// Wall time limit of a run, None for no limit.
    pub timeout: Option<Duration>,
    /// Limit on silence of both streams, None for no limit.
    pub idle_timeout: Option<Duration>,
    /// Whether the provider is left out.
    pub disabled: bool,
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

impl Model {
    /// Reads `models/NAME.toml` in the configuration directory.
    pub fn load(dir: &Path, name: &str) -> anyhow::Result<Self> {
        if !is_name(name) {
            let hint = "a model is the name of a file in models/ without '.toml'";
            return Err(Failure::trouble(format!("'{name}' is not a name for a model")).hint(hint).into());
        }
        let file = named_file(dir, "models", name, "toml");
        let text = match fs::read_to_string(&file) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(unknown(dir, name)?.into()),
            read => read.with_context(|| format!("cannot read '{}'", file.display()))?,
        };
        Self::parse(name, file, &text)
    }

    /// Reads the text of a model file.
    pub fn parse(name: &str, file: PathBuf, text: &str) -> anyhow::Result<Self> {
        let mut top: Template = parse_toml(&file, text)?;
        let written = match top.providers.take() {
            Some(list) if list.get_ref().is_empty() => {
                return Err(located(&file, text, list.span().start, "'providers' is empty").into());
            }
            Some(list) => list.into_inner(),
            None => vec![Spanned::new(0..0, Template::default())],
        };
        let mut providers: Vec<Provider> = Vec::with_capacity(written.len());
        for template in written {
            let at = template.span().start;
            let provider = provider(template.into_inner(), &top)
                .map_err(|(offset, message)| located(&file, text, offset.unwrap_or(at), &message))?;
            if providers.iter().any(|other| other.name == provider.name) {
                let message = format!("two providers are called '{}'", provider.name);
                return Err(located(&file, text, at, &message).hint("give each its own 'name'").into());
            }
            providers.push(provider);
        }
        let description = top.description.map(Spanned::into_inner);
        Ok(Self { name: name.to_owned(), file, description, providers })
    }

    /// The provider of that name.
    pub fn provider(&self, name: &str) -> anyhow::Result<&Provider> {
        self.providers.iter().find(|provider| provider.name == name).ok_or_else(|| {
            let failure = Failure::trouble(format!("model '{}' has no provider '{name}'", self.name));
            with_nearest(failure, name, self.providers.iter().map(|p| p.name.as_str())).into()
        })
    }
}

fn unknown(dir: &Path, name: &str) -> anyhow::Result<Failure> {
    let names = model_names(dir)?;
    let failure =
        Failure::trouble(format!("there is no model '{name}' in '{}'", dir.join("models").display()));
    Ok(match with_nearest(failure, name, names.iter().map(String::as_str)) {
        failure if failure.hint.is_some() => failure,
        failure if names.is_empty() => {
            failure.hint("'ar setup init' writes one for each agent that it finds")
        }
        failure => failure.hint(format!("there are {}", names.join(", "))),
    })
}

/// What is wrong, and the byte of the file at which it stands where that is not the provider's first.
type Wrong = (Option<usize>, String);

fn provider(own: Template, top: &Template) -> Result<Provider, Wrong> {
    if let Some(nested) = &own.providers {
        return Err((Some(nested.span().start), "a provider cannot hold 'providers'".to_owned()));
    }
    if let Some(description) = &own.description {
        return Err((
            Some(description.span().start),
            "'description' belongs at the top of the file".to_owned(),
        ));
    }
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
    Ok(Provider {
        name,
        account,
        command,
        args: own.args.or_else(|| top.args.clone()).unwrap_or_default(),
        resume_args: own.resume_args.or_else(|| top.resume_args.clone()),
        prompt_mode: own.prompt_mode.or(top.prompt_mode).unwrap_or(PromptMode::Stdin),
        output: own.output.or_else(|| top.output.clone()),
        allow_empty: own.allow_empty.or(top.allow_empty).unwrap_or(false),
        tier: own.tier.or(top.tier).unwrap_or(1),
        weight: at_least_one(own.weight.or_else(|| top.weight.clone()), "weight")?.unwrap_or(1),
        max_parallel: at_least_one(own.max_parallel.or_else(|| top.max_parallel.clone()), "max_parallel")?,
        env: checked_env(env)?,
        env_file: own.env_file.or_else(|| top.env_file.clone()).map(PathBuf::from),
        cwd: own.cwd.or_else(|| top.cwd.clone()).map(PathBuf::from),
        timeout: own.timeout.or(top.timeout).map_or(Some(DEFAULT_TIMEOUT), |limit| limit.0),
        idle_timeout: own.idle_timeout.or(top.idle_timeout).and_then(|limit| limit.0),
        disabled: own.disabled.or(top.disabled).unwrap_or(false),
    })
}

fn checked_name(name: &Spanned<String>, key: &str) -> Result<String, Wrong> {
    let text = name.get_ref();
    if is_name(text) {
        return Ok(text.clone());
    }
    Err((Some(name.span().start), format!("'{text}' cannot be a {key}: use letters, digits and . _ + @ -")))
}

fn base_name(command: &str) -> Result<String, Wrong> {
    let base = Path::new(command).file_name().and_then(|name| name.to_str()).filter(|name| is_name(name));
    base.map(str::to_owned)
        .ok_or_else(|| (None, format!("the provider of command '{command}' needs a 'name'")))
}

fn at_least_one(number: Option<Spanned<u32>>, key: &str) -> Result<Option<u32>, Wrong> {
    match number {
        Some(number) if *number.get_ref() == 0 => {
            Err((Some(number.span().start), format!("'{key}' must be at least 1")))
        }
        number => Ok(number.map(Spanned::into_inner)),
    }
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

    fn parse(text: &str) -> anyhow::Result<Model> {
        Model::parse("m", PathBuf::from("m.toml"), text)
    }

    #[test]
    fn the_form_of_the_manual_is_read() {
        let text = "prompt_mode = \"arg\"\n[[providers]]\ncommand = \"codex\"\nargs = [\"exec\"]\n\
                    [[providers]]\ncommand = \"/opt/codex2\"\ntier = 2\nprompt_mode = \"stdin\"\ntimeout = \"5m\"\n";
        let model = parse(text).unwrap();
        let [first, second] = &model.providers[..] else { panic!("{model:?}") };
        assert_eq!((first.name.as_str(), first.account.as_str(), first.tier), ("codex", "codex", 1));
        assert_eq!((first.prompt_mode, first.timeout), (PromptMode::Arg, Some(DEFAULT_TIMEOUT)));
        assert_eq!((second.name.as_str(), second.tier), ("codex2", 2));
        assert_eq!((second.prompt_mode, second.timeout), (PromptMode::Stdin, Some(Duration::from_mins(5))));
    }

    #[test]
    fn one_provider_may_stand_at_the_top() {
        let model = parse("command = 'echo'\ntimeout = 0\n").unwrap();
        assert_eq!(model.providers.len(), 1);
        assert_eq!(model.providers[0].timeout, None);
    }

    #[test]
    fn every_mistake_names_its_line() {
        let cases = [
            ("[[providers]]\ncomand = 'a'\n", "m.toml:2: unknown key 'comand'"),
            (
                "[[providers]]\ncommand = 'a'\n[[providers]]\ncommand = 'a'\n",
                "m.toml:3: two providers are called 'a'",
            ),
            ("\n[[providers]]\nargs = []\n", "m.toml:2: a provider has no 'command'"),
            ("command = 'a'\nweight = 0\n", "m.toml:2: 'weight' must be at least 1"),
            (
                "command = 'a'\nname = 'a b'\n",
                "m.toml:2: 'a b' cannot be a name: use letters, digits and . _ + @ -",
            ),
            ("command = '/'\n", "m.toml:1: the provider of command '/' needs a 'name'"),
            ("providers = []\n", "m.toml:1: 'providers' is empty"),
            (
                "command = 'a'\ntimeout = 'soon'\n",
                "m.toml:2: invalid value: string \"soon\", expected a length of time",
            ),
            (
                "command = 'a'\nprompt_mode = 'x'\n",
                "m.toml:2: unknown variant 'x', expected one of 'stdin', 'arg', 'file'",
            ),
            ("command = \n", "m.toml:1: "),
            (
                "[env]\n'A=B' = 'secret'\n[[providers]]\ncommand = 'a'\n",
                "m.toml:3: 'A=B' cannot be an environment variable",
            ),
        ];
        for (text, message) in cases {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error:?} is not {message:?}");
            assert!(!error.contains('\n') && !error.contains("secret"), "{error:?}");
        }
    }
}
