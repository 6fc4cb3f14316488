//! Whether another provider may go on where one has failed. An agent that writes files may have done half of the work.

use crate::cli::{Hop, Run};
use anyhow::{Context, Result};
use ar_core::config::{self, Model};
use ar_core::record::{End, Exec};
use ar_core::{Record, paths};
use std::path::Path;
use std::process::{Command, Stdio};

/// How much of git's summary the next provider is told, in bytes.
const SUMMARY_BYTES: usize = 8192;

/// What follows a failure of the provider.
pub enum Step {
    /// Another provider starts over.
    Another,
    /// Another provider goes on from what is there, and is told so.
    Handoff(String),
    /// The call ends, and what is there stays; why, in words.
    Stop(&'static str),
}

/// Decides by the command line, else by the model that served.
pub fn after(cli: &Run, record: &Record, provider: &str, what: &str) -> Result<Step> {
    let exec: Option<Exec> = record.get("exec")?;
    let has_run = exec.as_ref().is_some_and(|exec| exec.end != End::Spawn);
    let git = exec.and_then(|exec| exec.git);
    let model = record.text("model").context("the record names no model")?;
    let model = Model::load(&paths::config_dir(cli.config.as_deref())?, model)?;
    let hop = match (cli.hop, model.hop) {
        (Some(hop), _) => hop,
        (None, config::Hop::Always) => Hop::Always,
        (None, config::Hop::Clean) => Hop::Clean,
        (None, config::Hop::Never) => Hop::Never,
    };
    let of_provider = model.provider(provider).ok().and_then(|provider| provider.cwd.as_deref());
    let dir = paths::below_home(cli.dir.as_deref().or(of_provider).unwrap_or(Path::new(".")));
    Ok(match (hop, git) {
        (Hop::Never, _) => Step::Stop("no other provider may go on"),
        (_, Some(git)) if git.changed && cli.handoff => {
            Step::Handoff(note(provider, what, &summary(&dir, git.before.as_deref())))
        }
        (Hop::Clean, Some(git)) if git.changed => {
            Step::Stop("it has changed the git repository, and the work is kept")
        }
        (Hop::Clean, None) if has_run && !cli.handoff && is_in_repository(&dir) => Step::Stop(
            "'git status' does not tell whether it has changed the repository, and the work is kept",
        ),
        (Hop::Always | Hop::Clean, _) => Step::Another,
    })
}

/// Whether there is a repository, although git is missing or refuses to look at it, as at one of another user.
fn is_in_repository(dir: &Path) -> bool {
    std::path::absolute(dir).is_ok_and(|dir| dir.ancestors().any(|above| above.join(".git").exists()))
}

/// What the next provider is told: facts alone.
fn note(provider: &str, what: &str, summary: &str) -> String {
    format!(
        "Another agent ({provider}) began this task and was stopped before it was done: {what}.\n\
         What it changed is in the work tree:\n\n{summary}\n\nThe task:\n\n"
    )
}

/// `git diff --stat` since the run began, and the new files, all from the top of the repository. Where git does not answer,
/// the note is shorter.
fn summary(dir: &Path, before: Option<&str>) -> String {
    // Where nothing had been committed, the difference is from the tree without files.
    let before = before.map_or_else(|| git(dir, &["hash-object", "-t", "tree", "/dev/null"]), str::to_owned);
    let mut text = git(dir, &["diff", "--stat", "--no-color", "--no-ext-diff", &before, "--"]);
    for file in git(dir, &["ls-files", "--others", "--exclude-standard", "--full-name", "--", ":/"]).lines() {
        text.push_str("\n new file: ");
        text.push_str(file);
    }
    if text.len() > SUMMARY_BYTES {
        text.truncate(text.floor_char_boundary(SUMMARY_BYTES));
        text.truncate(text.rfind('\n').unwrap_or(0));
        text.push_str("\n and more, which 'git status' lists");
    }
    text
}

/// What git prints. It takes no lock, and starts no program that the repository's configuration names.
fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args(["-c", "core.fsmonitor=false", "-c", "core.quotePath=false", "-C"])
        .arg(dir)
        .args(arguments)
        .env("GIT_OPTIONAL_LOCKS", "0")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    output.map_or_else(
        |_| String::new(),
        |output| String::from_utf8_lossy(&output.stdout).trim_end().to_owned(),
    )
}
