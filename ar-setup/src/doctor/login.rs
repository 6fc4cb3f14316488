//! Whose logins the providers use, and whether the installed agents take the templates' options.

use super::Finding;
use crate::advice;
use crate::detect::{Agent, flags_of, login_command};
use crate::doctor::command;
use crate::doctor::provider::has_own_key;
use crate::known::Known;
use crate::login::{self, State};
use crate::places::Kind;
use crate::{detect, places};
use ar_core::Stamp;
use ar_core::config::{Model, Provider};
use std::ffi::OsString;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

/// How long agents may take to tell of themselves; several start at once, perhaps for the first time.
const PATIENCE: Duration = Duration::from_secs(20);

/// Logged-out accounts, login directories that two accounts share, options that an agent's help does not name.
pub fn findings(models: &[Model], now: Stamp) -> Vec<Finding> {
    let uses: Vec<(String, &Provider, &'static Known)> = models
        .iter()
        .flat_map(|model| model.providers.iter().map(move |provider| (model, provider)))
        .filter(|(_, provider)| !provider.disabled && command::found(provider).is_some())
        .filter_map(|(model, provider)| {
            Some((format!("{}/{}", model.name, provider.name), provider, advice::known(provider)?))
        })
        .collect();
    let mut findings: Vec<Finding> =
        uses.iter().filter_map(|(place, provider, known)| logged_out(place, provider, known, now)).collect();
    findings.extend(shared(&uses));
    findings.extend(uses.iter().filter_map(|(_, provider, known)| own_settings(provider, known)));
    findings.extend(installed(&uses, now));
    findings
}

/// The agent's own settings, where it would not start with them. They are not ours to mend.
fn own_settings(provider: &Provider, known: &Known) -> Option<Finding> {
    let dir = login::directory(&known.credential?, &|name| variable(provider, name))?;
    let settings = match known.name {
        "claude" => dir.join("settings.json"),
        "codex" => dir.join("config.toml"),
        _ => return None,
    };
    let text = fs::read_to_string(&settings).ok()?;
    let problem = match known.name {
        "claude" => serde_json::from_str::<serde_json::Value>(&text).err().map(|error| error.line()),
        _ => toml::from_str::<toml::Table>(&text).err().map(|error| {
            let before = error.span().map_or("", |span| text.get(..span.start).unwrap_or(""));
            1 + before.matches('\n').count()
        }),
    };
    problem.filter(|_| !text.trim().is_empty()).map(|line| {
        Finding::error(
            "agent_settings",
            format!("{}:{line}: {} cannot read its own settings", settings.display(), known.name),
            "it refuses to start with them",
            "mend that line, or move the file away",
        )
    })
}

/// The environment that a provider's program will see, without what its `env_file` adds.
fn variable(provider: &Provider, name: &str) -> Option<OsString> {
    let own = provider.env.get(name).map(|value| expand(value).into());
    own.or_else(|| std::env::var_os(name))
}

/// A value with the home directory put in for `${HOME}`, `$HOME` and a leading `~/`.
fn expand(value: &str) -> String {
    let Some(home) = ar_core::paths::home().map(|home| home.display().to_string()) else {
        return value.to_owned();
    };
    let value = value.replace("${HOME}", &home).replace("$HOME", &home);
    value.strip_prefix("~/").map(|below| format!("{home}/{below}")).unwrap_or(value)
}

fn moved(provider: &Provider, known: &Known) -> Vec<(String, String)> {
    let moves = |name: &String| known.credential.is_some_and(|credential| credential.variable == name);
    provider
        .env
        .iter()
        .filter(|(name, _)| moves(name))
        .map(|(name, value)| (name.clone(), expand(value)))
        .collect()
}

fn logged_out(place: &str, provider: &Provider, known: &'static Known, now: Stamp) -> Option<Finding> {
    if provider.env_file.is_some() || wrapped(provider, known) {
        // Its keys, or the directory of its login, are not for us to know.
        return None;
    }
    let login = login::of(known, &|name| variable(provider, name), now);
    let (id, what) = match login.state {
        State::Out => ("logged_out", "is not logged in"),
        State::Expired => ("login_expired", "has a login whose time is over"),
        State::Damaged => ("logged_out", "has a login that cannot be read"),
        State::In | State::Unknown => return None,
    };
    Some(Finding::error(
        id,
        format!("'{place}' {what} ({})", login.by),
        "each run of it fails until somebody logs in",
        login_command(known, &moved(provider, known)),
    ))
}

/// Whether the command is not the agent itself but something that calls it.
fn wrapped(provider: &Provider, known: &Known) -> bool {
    provider.command.rsplit('/').next() != Some(known.name)
}

/// Different accounts that use one login.
fn shared(uses: &[(String, &Provider, &'static Known)]) -> Vec<Finding> {
    let dir = |provider: &Provider, known: &Known| -> Option<PathBuf> {
        login::directory(&known.credential?, &|name| variable(provider, name))
    };
    let mut findings = Vec::new();
    for (at, (place, provider, known)) in uses.iter().enumerate() {
        let own = |provider: &Provider, known: &Known| has_own_key(provider) || wrapped(provider, known);
        let Some(mine) = dir(provider, known).filter(|_| !own(provider, known)) else { continue };
        let other = uses.iter().take(at).find(|(_, other, kind)| {
            kind.name == known.name
                && other.account != provider.account
                && !own(other, kind)
                && dir(other, kind).is_some_and(|theirs| theirs == mine)
        });
        if let (Some((other, ..)), Some(credential)) = (other, known.credential) {
            let name = &provider.name;
            findings.push(Finding::warning(
                "shared_login",
                format!(
                    "'{other}' and '{place}' are two accounts with one login directory, '{}'",
                    mine.display()
                ),
                "both draw on the same quota, and a limit of one is not known for the other",
                format!("ar setup set {place}.env.{} '{}-{name}'", credential.variable, mine.display()),
            ));
        }
    }
    findings
}

/// Whether the help that was read is that of the program and the verb which the provider calls.
fn is_comparable(provider: &Provider, known: &Known) -> bool {
    let verb = known.help.first().filter(|verb| !verb.starts_with('-') && **verb != "prompt");
    !wrapped(provider, known)
        && verb.is_none_or(|verb| provider.args.first().is_some_and(|first| first == verb))
}

/// The options that a provider passes to what its help describes: those of 'codex exec resume' are others.
fn passed(provider: &Provider, known: &Known) -> Vec<String> {
    let verb = known.help.first().is_some_and(|verb| !verb.starts_with('-') && *verb != "prompt");
    let resumed = provider.resume_args.iter().filter(|args| {
        !verb
            || (args.first() == provider.args.first()
                && args.get(1).is_some_and(|second| second.starts_with('-')))
    });
    let all: Vec<String> = provider.args.iter().chain(resumed.flatten()).cloned().collect();
    flags_of(&all)
}

/// What the installed agents say of themselves: nothing, too old a version, or a help without the options that are passed.
fn installed(uses: &[(String, &Provider, &'static Known)], now: Stamp) -> Vec<Finding> {
    if uses.is_empty() {
        return Vec::new();
    }
    let wanted: Vec<PathBuf> = uses.iter().filter_map(|(_, provider, _)| command::found(provider)).collect();
    let mut places: Vec<places::Place> = places::all()
        .into_iter()
        .filter(|place| place.kind == Kind::Program && wanted.contains(&place.path))
        .collect();
    for ((_, provider, known), path) in uses.iter().zip(&wanted) {
        // One that a provider names by its path lies nowhere that we would look.
        if !wrapped(provider, known) && places.iter().all(|place| place.path != *path) {
            places.push(places::Place::program(known.name, path.clone()));
        }
    }
    // Asking fails where no temporary file can be made, which is a finding of its own.
    let Ok(agents) = detect::ask_all(&places, now, PATIENCE) else { return Vec::new() };
    let mut findings = Vec::new();
    for (place, provider, known) in uses.iter().filter(|(_, provider, known)| !wrapped(provider, known)) {
        let program = command::found(provider);
        let Some(agent) = agents.iter().find(|agent| Some(&agent.path) == program.as_ref()) else { continue };
        if let (Some(trouble), true) = (&agent.trouble, agent.flags.is_none() || agent.version.is_none()) {
            findings.push(Finding::warning(
                "broken_agent",
                format!("'{}' does not tell what it is: {trouble}", agent.path.display()),
                "an agent that does not even print its help answers no prompt",
                known.install,
            ));
        }
        findings.extend(too_old(agent, known));
        if is_comparable(provider, known) {
            findings.extend(rejected(agent, known, place, &passed(provider, known)));
        }
    }
    findings
}

fn rejected(agent: &Agent, known: &Known, place: &str, passed: &[String]) -> Option<Finding> {
    // What names no option at all is no help.
    let flags = agent.flags.as_ref().filter(|flags| !flags.is_empty())?;
    let unknown: Vec<&str> = passed.iter().filter(|flag| !flags.contains(flag)).map(String::as_str).collect();
    (!unknown.is_empty()).then(|| {
        let version = agent.version.as_deref().unwrap_or("of unknown version");
        Finding::warning(
            "rejected_option",
            format!("the help of {} {version} does not name {} of '{place}'", known.name, unknown.join(" ")),
            "an agent that is too old, or too new for the template, refuses to start",
            format!("{}, or mend 'args'", known.install),
        )
    })
}

fn too_old(agent: &Agent, known: &Known) -> Option<Finding> {
    let version = agent.version.as_deref()?;
    is_older(version, known.oldest).then(|| {
        Finding::warning(
            "too_old",
            format!(
                "'{}' is {} {version}, and our templates need {}",
                agent.path.display(),
                known.name,
                known.oldest
            ),
            "an old agent refuses options, prints another format, or is refused by its provider",
            format!("{}@latest", known.install)
                .replace("aider-chat@latest", "--force aider-chat")
                .replace("llm@latest", "--force llm"),
        )
    })
}

/// Whether a version comes before another one, by its numbers.
fn is_older(version: &str, oldest: &str) -> bool {
    let numbers = |text: &str| -> Vec<u64> {
        text.split(['-', '+'])
            .next()
            .unwrap_or(text)
            .split('.')
            .map_while(|number| number.parse().ok())
            .collect()
    };
    let found = numbers(version);
    !found.is_empty() && found < numbers(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (version, oldest, older) in [
            ("0.9.9", "1.0.0", true),
            ("1.0.0-beta.1", "1.0.0", false),
            ("1.0", "1.0.0", true),
            ("0.169.0", "0.50.0", false),
            ("10.0.0", "9.0.0", false),
            ("unknown", "1.0.0", false),
        ] {
            assert_eq!(is_older(version, oldest), older, "{version} {oldest}");
        }
    }
}
