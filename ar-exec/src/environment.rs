//! The environment of the child: the caller's, without what does not suit a batch run, and with what the template adds.

use crate::redact::{Secrets, is_secret};
use crate::signals::Signals;
use crate::{env_command, env_file};
use anyhow::Context;
use ar_core::config::Provider;
use ar_core::paths::below_home;
use ar_core::processes::{OUTER_VARIABLE, RUN_VARIABLE};
use ar_core::record::is_id;
use ar_core::{Failure, Record};
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// The variable that counts how deep runs lie inside runs.
const DEPTH_VARIABLE: &str = "AGENT_RUNNER_DEPTH";
/// The depth at which agents that run agents are stopped.
const MAX_DEPTH: u32 = 5;
/// Nobody reads the output in colour, and a program that is told to force it would warn about the contradiction.
const PLAIN: [(&str, &str); 2] = [("NO_COLOR", "1"), ("TERM", "dumb")];
const FORCES_COLOUR: [&str; 2] = ["FORCE_COLOR", "CLICOLOR_FORCE"];
/// What make(1) and cargo tell their children of a common pool of jobs. An agent that is killed would not give its share
/// back, and the files that it needs for that are not its own.
const JOBS: [&str; 3] = ["MAKEFLAGS", "MFLAGS", "CARGO_MAKEFLAGS"];
/// The least that a terminal can do today, for a child that is given one.
const TERMINAL: (&str, &str) = ("TERM", "xterm-256color");

/// What is taken out of the caller's environment, what is added, and what of it must not be seen.
#[derive(Debug, Default)]
pub struct Environment {
    /// Variables taken out.
    pub unset: Vec<OsString>,
    /// Variables added, later ones over earlier ones.
    pub set: Vec<(OsString, OsString)>,
    /// Values that must not be printed or stored.
    pub secrets: Secrets,
}

impl Environment {
    /// The environment of any child: one for a batch run, or with a terminal for its output.
    pub fn plain(has_terminal: bool) -> Self {
        let mut environment = Self { unset: FORCES_COLOUR.map(OsString::from).to_vec(), ..Self::default() };
        if has_terminal {
            environment.add(TERMINAL.0, TERMINAL.1);
        } else {
            for (name, value) in PLAIN {
                environment.add(name, value);
            }
        }
        for (name, value) in env::vars_os() {
            if JOBS.iter().any(|jobs| name == *jobs) && value.to_string_lossy().contains("--jobserver") {
                environment.unset.push(name.clone());
            }
            if is_secret(&name) {
                environment.secrets.add(value.as_bytes());
            }
        }
        environment
    }

    /// The environment of a provider's child: `unset`, then `env_file`, `env_command` and `env`, the later the stronger.
    pub fn of_provider(model: &str, provider: &Provider, signals: &Signals) -> anyhow::Result<Self> {
        let mut environment = Self::plain(provider.pty);
        environment.unset.extend(provider.unset.iter().map(OsString::from));
        if let Some(file) = &provider.env_file {
            for (name, value) in env_file::read(&below_home(file), signals)? {
                environment.secrets.add_unless_setting(&name, value.as_bytes());
                environment.add(name, value);
            }
        }
        for (name, command) in &provider.env_command {
            let value = env_command::output(command, signals)
                .with_context(|| format!("cannot set '{name}' of provider '{}'", provider.name))?;
            environment.secrets.add(value.as_bytes());
            environment.add(name, value);
        }
        for (name, value) in &provider.env {
            let value = expand(value, |name| env::var_os(name))
                .with_context(|| format!("cannot set '{name}' of provider '{}'", provider.name))?;
            if is_secret(name.as_ref()) {
                environment.secrets.add(value.as_bytes());
            }
            environment.add(name, value);
        }
        environment.add("AGENT_RUNNER_MODEL", model);
        environment.add("AGENT_RUNNER_PROVIDER", &provider.name);
        Ok(environment)
    }

    /// Adds what tells the child in which run it is, and refuses a run that is too deep inside others.
    pub fn enter(&mut self, record: &Record) -> anyhow::Result<()> {
        let depth = match env::var_os(DEPTH_VARIABLE) {
            None => 0,
            Some(depth) => depth
                .to_str()
                .and_then(|depth| depth.parse::<u32>().ok())
                .with_context(|| format!("{DEPTH_VARIABLE} '{}' is not a number", depth.display()))?,
        };
        if depth >= MAX_DEPTH {
            let message = format!("agents run agents {depth} deep, and that is as far as it goes");
            return Err(Failure::trouble(message)
                .hint(format!("an agent called 'ar run' again and again; {DEPTH_VARIABLE} counts how deep"))
                .into());
        }
        let outer: Vec<OsString> = [env::var_os(OUTER_VARIABLE), env::var_os(RUN_VARIABLE)]
            .into_iter()
            .flatten()
            .filter(|ids| !ids.is_empty() && ids.to_str().is_some_and(|ids| ids.split(':').all(is_id)))
            .collect();
        if !outer.is_empty() {
            self.add(OUTER_VARIABLE, outer.join(OsStr::new(":")));
        }
        self.add(DEPTH_VARIABLE, (depth + 1).to_string());
        self.add(RUN_VARIABLE, record.run());
        self.add("AGENT_RUNNER_CALL", record.call());
        Ok(())
    }

    /// The value that a variable has after all additions, if they touch it.
    pub fn get(&self, name: &str) -> Option<&OsStr> {
        self.set.iter().rev().find(|(set, _)| set == name).map(|(_, value)| value.as_os_str())
    }

    fn add(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.set.push((name.into(), value.into()));
    }
}

/// Replaces `${NAME}` by the caller's variable and `$$` by `$`; any other `$` is text.
fn expand(text: &str, variable: impl Fn(&str) -> Option<OsString>) -> anyhow::Result<OsString> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.extend_from_slice(before.as_bytes());
        rest = if let Some(after) = after.strip_prefix('$') {
            out.push(b'$');
            after
        } else if let Some((name, after)) = after.strip_prefix('{').and_then(|after| after.split_once('}')) {
            let value = variable(name).ok_or_else(|| {
                Failure::trouble(format!("the environment has no variable '{name}'"))
                    .hint("'$$' in a value stands for a '$' that is meant as it is")
            })?;
            out.extend_from_slice(value.as_bytes());
            after
        } else {
            out.push(b'$');
            after
        };
    }
    out.extend_from_slice(rest.as_bytes());
    Ok(OsString::from_vec(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_the_caller_are_filled_in() {
        let caller = |name: &str| (name == "HOME").then(|| OsString::from("/h$$"));
        for (text, value) in [
            ("", ""),
            ("plain $5 $", "plain $5 $"),
            ("${HOME}/x:${HOME}", "/h$$/x:/h$$"),
            ("$${HOME}", "${HOME}"),
            ("${", "${"),
        ] {
            assert_eq!(expand(text, caller).unwrap(), value, "{text}");
        }
        let error = expand("a${NONE}", caller).unwrap_err();
        assert_eq!(error.to_string(), "the environment has no variable 'NONE'");
    }
}
