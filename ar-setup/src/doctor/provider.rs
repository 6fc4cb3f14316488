//! What is wrong with single providers.

use super::{Finding, Repair};
use crate::doctor::files::{below_home, is_secret};
use crate::places::is_executable;
use ar_core::config::{Model, Provider, nearest};
use std::path::{Path, PathBuf};

/// The placeholders that a template may hold.
const PLACEHOLDERS: [&str; 4] = ["{prompt}", "{prompt_file}", "{session}", "{cwd}"];
/// The directories in which cron looks for commands.
const CRON_PATH: [&str; 2] = ["/usr/bin", "/bin"];

/// Commands, directories, arguments and limits of every provider that is not disabled.
pub fn findings(models: &[Model], cron: bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for model in models {
        for provider in model.providers.iter().filter(|provider| !provider.disabled) {
            let place = format!("{}/{}", model.name, provider.name);
            findings.extend(command(&place, provider));
            findings.extend(directory(&place, provider));
            findings.extend(arguments(&place, provider));
            findings.extend(limits(&place, provider));
            if cron {
                findings.extend(under_cron(&place, provider));
            }
        }
        findings.extend(twins(model));
    }
    findings
}

fn command(place: &str, provider: &Provider) -> Option<Finding> {
    let command = &provider.command;
    if which::which(command).is_ok() {
        let relative = command.contains('/') && !command.starts_with('/') && !command.starts_with('~');
        return relative.then(|| {
            Finding::warning(
                "relative_command",
                format!("the command '{command}' of '{place}' is a relative path"),
                "it is found from this directory alone",
                format!("ar setup set {place}.command {}", absolute(command).display()),
            )
        });
    }
    if command.contains('/') && Path::new(command).is_file() {
        return Some(Finding::error(
            "not_executable",
            format!("the command '{command}' of '{place}' cannot be executed"),
            "each run of it fails",
            format!("chmod +x '{command}'"),
        ));
    }
    let elsewhere = crate::places::all().into_iter().find(|found| found.name == *command);
    let fix = match (elsewhere, crate::advice::known(provider)) {
        (Some(found), _) => format!("ar setup set {place}.command {}", found.path.display()),
        (None, Some(known)) => known.install.to_owned(),
        (None, None) => format!("install it, or ar setup set {place}.disabled true"),
    };
    let what = format!("the command '{command}' of '{place}' is not found");
    Some(Finding::error("not_installed", what, "each run of it fails", fix))
}

fn absolute(command: &str) -> PathBuf {
    std::path::absolute(command).unwrap_or_else(|_| PathBuf::from(command))
}

fn directory(place: &str, provider: &Provider) -> Option<Finding> {
    let dir = below_home(provider.cwd.as_ref()?);
    (!dir.is_dir()).then(|| {
        Finding::error(
            "no_directory",
            format!("the directory '{}' of '{place}' does not exist", dir.display()),
            "each run of it fails",
            format!("mkdir -p '{0}', or ar setup set --unset {place}.cwd", dir.display()),
        )
    })
}

fn arguments(place: &str, provider: &Provider) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lists =
        [Some(("args", &provider.args)), provider.resume_args.as_ref().map(|args| ("resume_args", args))];
    for (key, args) in lists.into_iter().flatten() {
        for (arg, next) in args.iter().zip(args.iter().skip(1).map(Some).chain([None])) {
            if is_key(arg, next) {
                findings.push(Finding::warning(
                    "secret_in_args",
                    format!("a key seems to stand in '{key}' of '{place}'"),
                    "every user of this machine sees it with ps(1)",
                    "put it into a file of NAME=value lines, chmod 600, and name that in 'env_file'",
                ));
            }
            if let Some(near) = misspelt(arg) {
                findings.push(Finding::warning(
                    "placeholder",
                    format!("'{key}' of '{place}' holds '{arg}', which is no placeholder"),
                    "the agent gets these very letters",
                    format!("write '{near}'"),
                ));
            }
        }
    }
    if provider.resume_args.as_ref().is_some_and(|args| !args.iter().any(|arg| arg.contains("{session}"))) {
        findings.push(Finding::warning(
            "resume_without_session",
            format!("'resume_args' of '{place}' do not hold '{{session}}'"),
            "a session that goes on starts anew instead",
            "put '{session}' where the agent takes the session's id",
        ));
    }
    findings
}

/// Whether a text has the form of a key.
pub fn looks_like_key(text: &str) -> bool {
    let starts = ["sk-", "sk_", "AIza", "ghp_", "gho_", "github_pat_", "xoxb-"];
    text.len() > 16 && starts.iter().any(|start| text.starts_with(start))
}

/// Whether an argument looks like a key: by its own form, or by the option before it.
fn is_key(arg: &str, next: Option<&String>) -> bool {
    let (option, value) = arg.split_once('=').unwrap_or((arg, next.map_or("", String::as_str)));
    let named = option.starts_with("--") && (option.ends_with("api-key") || option.ends_with("-token"));
    looks_like_key(arg) || (named && !value.is_empty() && !value.starts_with('-') && !value.starts_with('{'))
}

/// The placeholder that was meant, where an argument is another word in braces.
fn misspelt(arg: &str) -> Option<&'static str> {
    let inner = arg.strip_prefix('{')?.strip_suffix('}')?;
    let word = !inner.is_empty() && inner.chars().all(|c| c.is_ascii_alphabetic() || c == '_' || c == '-');
    if !word || PLACEHOLDERS.contains(&arg) { None } else { nearest(arg, PLACEHOLDERS) }
}

fn limits(place: &str, provider: &Provider) -> Option<Finding> {
    (provider.timeout.is_none() && provider.idle_timeout.is_none()).then(|| {
        Finding::warning(
            "no_limit",
            format!("'{place}' has neither 'timeout' nor 'idle_timeout'"),
            "an agent that waits for the network for ever is never ended",
            format!("ar setup set {place}.timeout 1h"),
        )
    })
}

fn under_cron(place: &str, provider: &Provider) -> Option<Finding> {
    let command = &provider.command;
    let found = which::which(command).ok().filter(|_| !command.contains('/'))?;
    if CRON_PATH.iter().any(|dir| is_executable(&Path::new(dir).join(command))) {
        return None;
    }
    let key = format!("{place}.command");
    let value = found.display().to_string();
    let finding = Finding::warning(
        "cron_path",
        format!("cron does not find the command '{command}' of '{place}'"),
        "its PATH is /usr/bin:/bin",
        format!("ar setup set {key} {value}"),
    );
    Some(finding.repaired_by(Repair::Set(key, value)))
}

/// Two providers of a model that are one and the same under two names.
fn twins(model: &Model) -> Option<Finding> {
    let same = |a: &Provider, b: &Provider| {
        a.account != b.account
            && (&a.command, &a.args, &a.env, &a.env_file, &a.cwd)
                == (&b.command, &b.args, &b.env, &b.env_file, &b.cwd)
    };
    let mut pairs = model
        .providers
        .iter()
        .enumerate()
        .flat_map(|(at, a)| model.providers.iter().skip(at + 1).map(move |b| (a, b)));
    let (a, b) = pairs.find(|(a, b)| !a.disabled && !b.disabled && same(a, b))?;
    Some(Finding::warning(
        "twins",
        format!("'{}' and '{}' of model '{}' are the same command", a.name, b.name, model.name),
        "what stops one stops the other, and the pool looks larger than it is",
        format!("ar setup remove-provider {} {}, or give it an env of its own", model.name, b.name),
    ))
}

/// Whether a provider brings a key of its own in its environment.
pub fn has_own_key(provider: &Provider) -> bool {
    provider.env_file.is_some() || provider.env.keys().any(|name| is_secret(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_and_misspelt_placeholders_are_told_from_other_arguments() {
        for (args, found) in [
            (&["--api-key", "abc"][..], true),
            (&["--api-key=abc"], true),
            (&["sk-xxxxxxxxxxxxxxxxxxxx"], true),
            (&["--api-key", "{prompt}"], false),
            (&["--api-key"], false),
            (&["--max-tokens", "5"], false),
            (&["skim"], false),
        ] {
            let next = args.get(1).map(ToString::to_string);
            assert_eq!(is_key(args[0], next.as_ref()), found, "{args:?}");
        }
        assert_eq!(misspelt("{promt}"), Some("{prompt}"));
        for arg in ["{prompt}", "{\"edit\":\"deny\"}", "{}", "prompt", "{xyzzy}"] {
            assert_eq!(misspelt(arg), None, "{arg}");
        }
    }
}
