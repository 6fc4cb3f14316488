//! What is wrong with the environment that providers give their programs.

use super::Finding;
use crate::advice;
use crate::doctor::files::is_secret;
use crate::probe::{self, Outcome};
use ar_core::config::{Model, Provider, assignments};
use ar_core::paths::below_home;
use std::env;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::thread;
use std::time::Instant;

/// Words that mean something to a shell, and nothing where there is none.
const SHELL_WORDS: [&str; 8] = ["|", "||", "&&", ";", ">", "<", "2>", "&"];

/// Variables that are missing or that take away what an agent needs.
pub fn findings(place: &str, provider: &Provider) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, value) in &provider.env {
        findings.extend(references(place, name, value));
    }
    for name in provider.unset.iter().filter(|name| ["HOME", "PATH"].contains(&name.as_str())) {
        if advice::known(provider).is_some() && !provider.env.contains_key(name) {
            findings.push(Finding::warning(
                "unset",
                format!("'unset' of '{place}' takes {name} away"),
                "agents find neither their login nor their programs without it",
                format!("ar setup set --unset {place}.unset"),
            ));
        }
    }
    for (name, command) in &provider.env_command {
        let of_shell = |word: &String| SHELL_WORDS.contains(&word.as_str()) || word.contains("$(");
        if command.iter().any(of_shell) {
            findings.push(Finding::warning(
                "env_command",
                format!("the command of '{name}' in 'env_command' of '{place}' is written for a shell"),
                "no shell is at work there: '|', '>' and '$(' are arguments like any others",
                "put the line into a script, and name that",
            ));
        }
    }
    for file in provider.watch.iter().flatten().filter(|file| file.contains('/')) {
        if below_home(Path::new(file)).symlink_metadata().is_err() {
            findings.push(Finding::warning(
                "watch",
                format!("'{file}' in 'watch' of '{place}' does not exist"),
                "a cooldown does not end early when it should",
                format!("name a file that there is, or ar setup set --unset {place}.watch"),
            ));
        }
    }
    findings
}

/// Variables of ours that a value refers to and that are not set.
fn references(place: &str, name: &str, value: &str) -> Vec<Finding> {
    let value = value.replace("$$", "");
    let mut findings = Vec::new();
    for rest in value.split("${").skip(1) {
        match rest.split_once('}') {
            Some((other, _)) if env::var_os(other).is_none() => findings.push(Finding::error(
                "no_variable",
                format!("'{name}' in 'env' of '{place}' needs the variable {other}, which is not set"),
                "each run of it fails",
                format!("export {other}=…, or write '$$' for a '$' that is meant as it is"),
            )),
            Some(_) => {}
            None => findings.push(Finding::warning(
                "no_variable",
                format!("'{name}' in 'env' of '{place}' holds '${{' without a '}}' behind it"),
                "the agent gets these very letters",
                "write '${NAME}'",
            )),
        }
    }
    findings
}

/// What comes of an `env_file` that cannot be used.
const FAILS: &str = "its runs cannot start";

/// What the files of variables hold, and who may read them.
pub fn env_file(model: &str, written: &Path) -> Vec<Finding> {
    let file = below_home(written);
    let shown = file.display();
    let found = file.metadata();
    let mut findings: Vec<Finding> = found.iter().filter_map(|found| private(&file, found)).collect();
    // A pipe would be emptied, and waited for as long as nobody writes to it.
    let is_pipe = found.is_ok_and(|found| found.file_type().is_fifo());
    match (!is_pipe).then(|| fs::read(&file)).transpose() {
        Ok(text) => findings.extend(text.iter().flat_map(|text| content(model, &file, text))),
        Err(error) => {
            return vec![Finding::error(
                "env_file",
                format!("cannot read the env_file '{shown}' of model '{model}': {error}"),
                FAILS,
                format!("write NAME=value lines into '{shown}', or unset 'env_file'"),
            )];
        }
    }
    if file.is_relative() {
        findings.push(Finding::warning(
            "env_file",
            format!("the env_file '{shown}' of model '{model}' is a relative path"),
            "it is found from this directory alone",
            "write its whole path",
        ));
    }
    findings
}

/// What a file of variables holds.
fn content(model: &str, file: &Path, text: &[u8]) -> Vec<Finding> {
    let shown = file.display();
    let mut findings = Vec::new();
    let lines: Vec<_> = assignments(text).collect();
    if lines.is_empty() {
        let what = format!("the env_file '{shown}' of model '{model}' holds no variable");
        findings.push(Finding::warning(
            "env_file",
            what,
            "its runs have no key",
            "write NAME=value lines into it",
        ));
    }
    for (number, variable) in lines {
        // The line may hold a secret, so its number alone is told.
        let place = format!("{shown}:{number}");
        match variable {
            None => findings.push(Finding::error(
                "env_file",
                format!("{place}: this is not NAME=value"),
                FAILS,
                "mend that line",
            )),
            Some((name, b"")) if is_secret(name) => findings.push(Finding::warning(
                "env_file",
                format!("{place}: {name} is empty"),
                "its runs have no key",
                "write the key behind the '='",
            )),
            Some(_) => {}
        }
    }
    findings
}

/// ar-exec refuses a file of keys that others can read.
fn private(file: &Path, found: &fs::Metadata) -> Option<Finding> {
    let me = rustix::process::geteuid().as_raw();
    let shown = file.display();
    if found.uid() != me && found.uid() != 0 {
        let what = format!("the env_file '{shown}' belongs to another user");
        return Some(Finding::error(
            "foreign_owner",
            what,
            "its runs are refused",
            format!("sudo chown {me} '{shown}'"),
        ));
    }
    (found.is_file() && found.permissions().mode() & 0o077 != 0).then(|| {
        let what = format!("others may read '{shown}', and it holds keys");
        let fix = format!("chmod 600 '{shown}'");
        Finding::error(
            "secret_readable",
            what,
            "its runs are refused, and every user of this machine can take the key",
            fix,
        )
        .repaired_by(super::Repair::Mode(file.to_owned(), 0o600))
    })
}

/// Runs every `env_command` as a run would, all at once; what they print is looked at no further.
pub fn commands(models: &[Model]) -> Vec<Finding> {
    let mut asked: Vec<(String, &str, &[String])> = Vec::new();
    for model in models {
        for provider in model.providers.iter().filter(|provider| !provider.disabled) {
            for (name, command) in &provider.env_command {
                if !asked.iter().any(|(.., known)| known == command) {
                    asked.push((format!("{}/{}", model.name, provider.name), name, command));
                }
            }
        }
    }
    let deadline = Instant::now() + probe::PATIENCE;
    thread::scope(|scope| {
        let threads: Vec<_> = asked
            .iter()
            .map(|(place, name, command)| scope.spawn(move || run(place, name, command, deadline)))
            .collect();
        // A thread that broke off found nothing.
        threads.into_iter().filter_map(|thread| thread.join().ok().flatten()).collect()
    })
}

fn run(place: &str, name: &str, command: &[String], deadline: Instant) -> Option<Finding> {
    let (program, args) = command.split_first()?;
    let why = match which::which(program) {
        Err(_) => format!("the program '{program}' is not found"),
        Ok(path) => {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            match probe::ask(&path, &args, deadline, |_| {}) {
                Ok(Outcome::Ended { good: true, ref stdout, .. }) if stdout.trim().is_empty() => {
                    "it prints nothing".to_owned()
                }
                // Without a place for temporary files nobody can be asked, which is a finding of its own.
                Ok(Outcome::Ended { good: true, .. }) | Err(_) => return None,
                Ok(Outcome::Ended { .. }) => format!("'{program}' fails"),
                Ok(Outcome::TimedOut) => {
                    format!("'{program}' has not printed it in {} s", probe::PATIENCE.as_secs())
                }
                Ok(Outcome::NotStarted(why)) => format!("'{program}' cannot be started: {why}"),
            }
        }
    };
    Some(Finding::error(
        "env_command",
        format!("'env_command' of '{place}' does not give {name}: {why}"),
        "each run of it fails",
        // Its arguments may hold what is nobody's business.
        format!("try '{program}' by hand, with the arguments that stand there"),
    ))
}
