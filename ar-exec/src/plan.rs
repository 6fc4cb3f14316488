//! What is to be run, taken from a provider's template or from the command line.

use crate::environment::Environment;
use crate::format::Format;
use crate::request::Overrides;
use crate::signals::Signals;
use anyhow::Context;
use ar_core::Failure;
use ar_core::config::{Hop, Model, Price, PromptMode, Provider};
use ar_core::paths::below_home;
use ar_core::record::Usage;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The limit on silence of an agent that writes while it works, where nobody sets one.
const STREAM_IDLE_TIMEOUT: Duration = Duration::from_mins(10);

/// A command with all that it needs but the prompt.
#[derive(Debug)]
pub struct Plan {
    /// The program, a name on PATH or a path.
    pub command: OsString,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// Whether placeholders in the arguments stand for something.
    pub is_template: bool,
    /// How the prompt reaches the child.
    pub prompt_mode: PromptMode,
    /// The child's environment.
    pub environment: Environment,
    /// The child's working directory, absolute.
    pub cwd: PathBuf,
    /// When the run is ended.
    pub limits: Limits,
    /// How the child reports its run, None for plain text.
    pub format: Option<Format>,
    /// The session that goes on, empty for a new one.
    pub session: String,
    /// What the session had used before the run, None where nobody knows.
    pub used_before: Option<Usage>,
    /// What the child is given by the system.
    pub resources: Resources,
    /// Whether to tell what the run changed in the git repository at `cwd`.
    pub watches_git: bool,
    /// What tokens cost, where the child does not tell.
    pub price: Option<Price>,
    /// Whether an empty answer is a good one.
    pub allow_empty: bool,
}

/// What the child is given by the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct Resources {
    /// Added to the child's niceness.
    pub nice: i32,
    /// Bytes of address space for each process of the run.
    pub memory_max: Option<u64>,
    /// Whether the child's output is a terminal.
    pub has_terminal: bool,
}

/// When a run is ended.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// Wall time.
    pub timeout: Option<Duration>,
    /// Silence of both streams.
    pub idle_timeout: Option<Duration>,
    /// Bytes that either stream may hold.
    pub max_output: Option<u64>,
    /// Turns of the model.
    pub max_turns: Option<u64>,
    /// US dollars.
    pub max_cost_usd: Option<f64>,
    /// How long what the child leaves behind may go on.
    pub linger: Duration,
}

impl Plan {
    /// The plan of a provider's template.
    pub fn of_provider(
        model: &Model,
        provider: &Provider,
        overrides: &Overrides,
        signals: &Signals,
    ) -> anyhow::Result<Self> {
        let args = match (&overrides.session, &provider.resume_args) {
            (None, _) => &provider.args,
            (Some(_), Some(args)) => args,
            (Some(_), None) => return Err(cannot_resume(provider).into()),
        };
        let format = Format::choose(provider.output.as_deref(), OsStr::new(&provider.command), args)?;
        Ok(Self {
            command: provider.command.clone().into(),
            args: args.iter().map(OsString::from).collect(),
            is_template: true,
            prompt_mode: provider.prompt_mode,
            environment: Environment::of_provider(&model.name, provider, signals)?,
            cwd: directory(overrides.cwd.as_deref().or(provider.cwd.as_deref()))?,
            limits: Limits {
                timeout: limit(overrides.timeout, provider.timeout),
                idle_timeout: limit(overrides.idle_timeout, provider.idle_timeout.or(silence(format))),
                max_output: provider.max_output,
                max_turns: provider.max_turns,
                max_cost_usd: provider.max_cost_usd,
                linger: provider.linger,
            },
            format,
            session: overrides.session.clone().unwrap_or_default(),
            used_before: used_before(format, args, overrides),
            resources: Resources {
                nice: provider.nice,
                memory_max: provider.memory_max,
                has_terminal: provider.pty,
            },
            watches_git: overrides.git || model.hop == Hop::Clean,
            price: provider.price,
            allow_empty: provider.allow_empty,
        })
    }

    /// The plan of a command as it stands, which reads the prompt on standard input.
    pub fn of_command(command: &OsStr, args: &[OsString], overrides: &Overrides) -> anyhow::Result<Self> {
        let format = Format::choose(None, command, args)?;
        Ok(Self {
            command: command.to_owned(),
            args: args.to_vec(),
            is_template: false,
            prompt_mode: PromptMode::Stdin,
            environment: Environment::plain(false),
            cwd: directory(overrides.cwd.as_deref())?,
            limits: Limits {
                timeout: limit(overrides.timeout, Some(Provider::DEFAULT_TIMEOUT)),
                idle_timeout: limit(overrides.idle_timeout, silence(format)),
                max_output: Some(Provider::DEFAULT_MAX_OUTPUT),
                max_turns: None,
                max_cost_usd: None,
                linger: Provider::DEFAULT_LINGER,
            },
            format,
            session: String::new(),
            used_before: used_before(format, args, overrides),
            resources: Resources::default(),
            watches_git: overrides.git,
            price: None,
            allow_empty: false,
        })
    }
}

/// The limit of the command line, where zero means none, or else the template's.
fn limit(asked: Option<Duration>, template: Option<Duration>) -> Option<Duration> {
    asked.or(template).filter(|limit| !limit.is_zero())
}

/// The limit on silence that a format has by itself: it means something only where the agent writes while it works.
fn silence(format: Option<Format>) -> Option<Duration> {
    format.filter(|format| format.is_stream()).map(|_| STREAM_IDLE_TIMEOUT)
}

/// What the session had used before the run: nothing, where it begins with it.
fn used_before<S: AsRef<OsStr>>(format: Option<Format>, args: &[S], overrides: &Overrides) -> Option<Usage> {
    let goes_on = overrides.session.is_some() || format.is_some_and(|format| format.resumes(args));
    if goes_on { overrides.used_before.clone() } else { Some(Usage::default()) }
}

fn cannot_resume(provider: &Provider) -> Failure {
    Failure::trouble(format!("provider '{}' has no 'resume_args', so no session can go on", provider.name))
        .hint("see 'resume_args' in ar-config(5)")
}

fn directory(chosen: Option<&Path>) -> anyhow::Result<PathBuf> {
    match chosen {
        Some(dir) => std::path::absolute(below_home(dir)),
        None => std::env::current_dir(),
    }
    .context("cannot tell the current directory")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_zero_on_the_command_line_lifts_the_template_s() {
        let minute = Some(Duration::from_mins(1));
        assert_eq!(limit(Some(Duration::ZERO), minute), None);
        assert_eq!(limit(Some(Duration::from_secs(2)), minute), Some(Duration::from_secs(2)));
        assert_eq!(limit(None, minute), minute);
    }
}
