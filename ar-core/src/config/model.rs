//! A model: the pool of providers that `models/NAME.toml` describes.

use super::provider::{Provider, Wrong};
use super::template::Template;
use super::{is_name, located, model_names, named_file, parse_toml, pieces, with_nearest};
use crate::exit::Failure;
use anyhow::Context;
use serde::Deserialize;
use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// A pool of providers under one name.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    /// The file's name without `.toml`.
    pub name: String,
    /// The file.
    pub file: PathBuf,
    /// What it is for, in the user's words.
    pub description: Option<String>,
    /// How a provider is chosen inside a tier.
    pub strategy: Strategy,
    /// Models that serve, in this order, where this one has nobody left.
    pub fallback: Vec<String>,
    /// Whether another provider may go on where one has failed.
    pub hop: Hop,
    /// The providers in the order of the file; at least one, names unique.
    pub providers: Vec<Provider>,
}

/// How a provider is chosen inside a tier. ar-pick(1) states the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strategy {
    /// The one with the fewest runs by its weight.
    #[default]
    RoundRobin,
    /// The one with the fewest live runs by its weight.
    LeastBusy,
    /// The first in the order of the file.
    Ordered,
    /// The one whose quota is refilled first.
    SoonestReset,
    /// Any.
    Random,
}

/// Whether another provider may go on where one has failed: an agent that writes files may have done half of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hop {
    /// Always.
    #[default]
    Always,
    /// If the git repository at the child's working directory is as it was before.
    Clean,
    /// Never.
    Never,
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
        if let Some((top, providers)) = pieces::read(text) {
            return Self::new(name, file, text, top, providers);
        }
        let mut top: Template = parse_toml(&file, text)?;
        let written = match top.providers.take() {
            Some(list) if list.get_ref().is_empty() => {
                return Err(located(&file, text, list.span().start, "'providers' is empty").into());
            }
            Some(list) => list.into_inner(),
            None => vec![Spanned::new(0..0, Template::default())],
        };
        let mut providers: Vec<Provider> = Vec::with_capacity(written.len());
        let mut names = HashSet::with_capacity(written.len());
        for template in written {
            let at = template.span().start;
            let provider = Provider::new(template.into_inner(), &top)
                .map_err(|(offset, message)| located(&file, text, offset.unwrap_or(at), &message))?;
            if !names.insert(provider.name.clone()) {
                let message = format!("two providers are called '{}'", provider.name);
                return Err(located(&file, text, at, &message).hint("give each its own 'name'").into());
            }
            providers.push(provider);
        }
        Self::new(name, file, text, top, providers)
    }

    /// The model of what stands at the top of a file, and of its providers.
    pub(super) fn new(
        name: &str,
        file: PathBuf,
        text: &str,
        top: Template,
        providers: Vec<Provider>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            name: name.to_owned(),
            description: top.description.map(Spanned::into_inner),
            strategy: top.strategy.map(Spanned::into_inner).unwrap_or_default(),
            fallback: fallback(name, top.fallback)
                .map_err(|(offset, message)| located(&file, text, offset.unwrap_or(0), &message))?,
            hop: top.hop.map(Spanned::into_inner).unwrap_or_default(),
            file,
            providers,
        })
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

/// The models that a model falls back to. Longer circles are found by [`Model::refuse_circle`].
fn fallback(name: &str, written: Option<Spanned<Vec<String>>>) -> Result<Vec<String>, Wrong> {
    let Some(written) = written else { return Ok(Vec::new()) };
    let at = Some(written.span().start);
    match written.get_ref().iter().find(|other| *other == name || !is_name(other)) {
        Some(own) if own == name => Err((at, format!("'fallback' of '{name}' names itself"))),
        Some(other) => Err((at, format!("'{other}' in 'fallback' is not a name for a model"))),
        None => Ok(written.into_inner()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PromptMode;
    use std::time::Duration;

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
        assert_eq!((first.prompt_mode, first.timeout), (PromptMode::Arg, Some(Provider::DEFAULT_TIMEOUT)));
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
                "m.toml:2: string \"soon\" stands where a length of time such as 90 (seconds), \"5m\" or \"1h 30m\" belongs",
            ),
            ("command = 'a'\nprompt_mode = 'x'\n", "m.toml:2: 'x' is none of stdin, arg, file"),
            (
                "command = 'a'\noutput = 'claud-json'\n",
                "m.toml:2: 'claud-json' is none of auto, text, aider, claude-json, ",
            ),
            (
                "command = 'claude -p'\n",
                "m.toml:1: the provider of command 'claude -p' needs a 'name'; arguments belong in 'args'",
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

    #[test]
    fn limits_have_defaults_and_can_be_lifted() {
        let model = parse("command = 'a'\nmax_output = 0\nidle_timeout = 0\nmemory_max = '2GiB'\n").unwrap();
        let [first] = &model.providers[..] else { panic!("{model:?}") };
        assert_eq!((first.max_output, first.idle_timeout), (None, Some(Duration::ZERO)));
        assert_eq!((first.memory_max, first.linger), (Some(2 << 30), Duration::from_secs(2)));
        let none = parse("command = 'a'\nmax_turns = 0\nmax_cost_usd = 0\n").unwrap();
        assert_eq!((none.providers[0].max_turns, none.providers[0].max_cost_usd), (None, None));
        for sum in ["-1", "-0.5", "nan", "inf"] {
            let error = parse(&format!("command = 'a'\nmax_cost_usd = {sum}\n")).unwrap_err().to_string();
            assert!(
                error.ends_with("stands where a number of US dollars such as 2 or 0.5 belongs"),
                "{error}"
            );
        }
        let model = parse("command = 'a'\nmax_output = 'much'\n");
        assert!(model.unwrap_err().to_string().starts_with("m.toml:2: string \"much\" stands where a size"));
    }
}
