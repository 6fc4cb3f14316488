//! Files in the configuration that nothing ever reads, and rules that are skipped.

use super::Finding;
use crate::pipeline::tool;
use crate::probe::{self, Outcome};
use ar_core::config::nearest;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// How people end the names of files that hold settings or texts. What ends otherwise is a note or a copy.
const MEANT: [&str; 14] =
    ["toml", "tml", "tom", "yaml", "yml", "json", "conf", "cfg", "ini", "txt", "md", "mkd", "markdown", ""];

/// Files and directories whose name or place is wrong, and rules that ar-diagnose skips.
pub fn findings(dir: &Path) -> Vec<Finding> {
    let mut findings = at_the_top(dir);
    for (name, extension) in [("models", "toml"), ("agents", "md"), ("rules.d", "toml")] {
        let place = dir.join(name);
        if place.is_file() {
            findings.push(Finding::error(
                "config",
                format!("'{}' is no directory", place.display()),
                "what it should hold is not used",
                format!("mv '{0}' '{0}.old' && mkdir '{0}'", place.display()),
            ));
        }
        findings.extend(entries(&place).into_iter().filter_map(|file| misnamed(&file, extension)));
    }
    findings.extend(rules(dir));
    findings
}

fn entries(dir: &Path) -> Vec<PathBuf> {
    // What cannot be read is among the problems of the configuration.
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn base(file: &Path) -> String {
    file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn misnamed(file: &Path, extension: &str) -> Option<Finding> {
    let name = base(file);
    let found = file.extension().map(|found| found.to_string_lossy().into_owned()).unwrap_or_default();
    let note =
        name.starts_with('.') || name.to_ascii_uppercase().starts_with("README") || name.ends_with('~');
    if found == extension || note || !file.is_file() || !MEANT.contains(&found.to_ascii_lowercase().as_str())
    {
        return None;
    }
    let right = file.with_extension(extension);
    Some(never_read(file, format!("mv '{}' '{}'", file.display(), right.display())))
}

fn never_read(file: &Path, fix: String) -> Finding {
    let what = format!("'{}' is never read", file.display());
    Finding::warning("never_read", what, "what somebody wrote there has no effect", fix)
}

/// What lies beside config.toml and looks like something else that is read.
fn at_the_top(dir: &Path) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in entries(dir) {
        let name = base(&path);
        let known = ["config.toml", "models", "agents", "rules.d"];
        let others = ["previous", "secrets.env", "setup-notes.md"];
        if known.contains(&&*name) || others.contains(&&*name) || name.starts_with('.') {
            continue;
        }
        let is_toml = path.extension().is_some_and(|found| found == "toml");
        let fix = match nearest(&name, known) {
            Some(near) if path.is_dir() != (near == "config.toml") => {
                format!("mv '{}' '{}'", path.display(), dir.join(near).display())
            }
            _ if is_toml => format!("mv '{}' '{}'", path.display(), dir.join("models").join(&name).display()),
            _ => continue,
        };
        findings.push(never_read(&path, fix));
    }
    findings
}

/// What ar-diagnose says of the user's rules.
fn rules(dir: &Path) -> Vec<Finding> {
    let rules = dir.join("rules.d");
    if rules.symlink_metadata().is_err() {
        return Vec::new();
    }
    // A tool that is not there is a finding of its own.
    let Ok(program) = tool("diagnose") else { return Vec::new() };
    let shown = dir.display().to_string();
    let asked =
        probe::ask(&program, &["rules", "--config", &shown], Instant::now() + probe::PATIENCE, |_| {});
    let Ok(Outcome::Ended { stderr, .. }) = asked else { return Vec::new() };
    let told = stderr.lines().filter_map(|line| line.strip_prefix("ar-diagnose: "));
    told.map(|problem| {
        let file = problem.split(".toml:").next().filter(|file| file.len() < problem.len());
        let fix = match file {
            Some(file) => {
                format!("ar diagnose test '{file}.toml' tells more; ar-diagnose(1) describes the keys")
            }
            None => "ar diagnose rules tells more; ar-diagnose(1) describes the files".to_owned(),
        };
        Finding::error("rules", problem.replace('`', "'"), "failures are judged without it", fix)
    })
    .collect()
}
