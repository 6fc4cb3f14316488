//! Whose logins the providers use, and whether the installed agents take the templates' options.

use super::Finding;
use crate::advice;
use crate::detect::{flags_of, login_command};
use crate::doctor::provider::has_own_key;
use crate::known::{KNOWN, Known};
use crate::login::{self, State};
use crate::{detect, places};
use ar_core::Stamp;
use ar_core::config::{Model, Provider};
use std::ffi::OsString;
use std::path::PathBuf;

/// Logged-out accounts, login directories that two accounts share, options that an agent's help does not name.
pub fn findings(models: &[Model], now: Stamp) -> Vec<Finding> {
    let uses: Vec<(String, &Provider, &'static Known)> = models
        .iter()
        .flat_map(|model| model.providers.iter().map(move |provider| (model, provider)))
        .filter(|(_, provider)| !provider.disabled && which::which(&provider.command).is_ok())
        .filter_map(|(model, provider)| {
            Some((format!("{}/{}", model.name, provider.name), provider, advice::known(provider)?))
        })
        .collect();
    let mut findings: Vec<Finding> =
        uses.iter().filter_map(|(place, provider, known)| logged_out(place, provider, known, now)).collect();
    findings.extend(shared(&uses));
    findings.extend(rejected(&uses, now));
    findings
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

/// Options that the help of the installed agent does not name.
fn rejected(uses: &[(String, &Provider, &'static Known)], now: Stamp) -> Vec<Finding> {
    if uses.is_empty() {
        return Vec::new();
    }
    let wanted: Vec<&'static str> = KNOWN.iter().map(|known| known.name).collect();
    let places: Vec<places::Place> =
        places::all().into_iter().filter(|place| wanted.contains(&place.name.as_str())).collect();
    // Asking fails where no temporary file can be made, which is a finding of its own.
    let Ok(agents) = detect::ask_all(&places, now) else { return Vec::new() };
    let mut findings = Vec::new();
    for (place, provider, known) in uses.iter().filter(|(_, provider, known)| is_comparable(provider, known))
    {
        let program = which::which(&provider.command).ok();
        let Some(agent) = agents.iter().find(|agent| Some(&agent.path) == program.as_ref()) else { continue };
        let Some(flags) = agent.flags.as_ref() else { continue };
        let unknown: Vec<String> =
            flags_of(&provider.args).into_iter().filter(|flag| !flags.contains(flag)).collect();
        if !unknown.is_empty() {
            let version = agent.version.as_deref().unwrap_or("of unknown version");
            findings.push(Finding::warning(
                "rejected_option",
                format!(
                    "the help of {} {version} does not name {} of '{place}'",
                    known.name,
                    unknown.join(" ")
                ),
                "an agent that is too old, or too new for the template, refuses to start",
                format!("{}, or mend 'args'", known.install),
            ));
        }
    }
    findings
}
