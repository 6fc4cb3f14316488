//! Whether another provider may go on where one has failed. An agent that writes files may have done half of the work.

use crate::cli::{Hop, Run};
use anyhow::{Context, Result};
use ar_core::config::{self, Model};
use ar_core::record::Exec;
use ar_core::{Record, paths};
use std::path::PathBuf;
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
    let git = record.get::<Exec>("exec")?.and_then(|exec| exec.git);
    let changed = git.as_ref().is_some_and(|git| git.changed);
    let model = record.text("model").context("the record names no model")?;
    let model = Model::load(&paths::config_dir(cli.config.as_deref())?, model)?;
    let hop = match (cli.hop, model.hop) {
        (Some(hop), _) => hop,
        (None, config::Hop::Always) => Hop::Always,
        (None, config::Hop::Clean) => Hop::Clean,
        (None, config::Hop::Never) => Hop::Never,
    };
    Ok(match (hop, changed) {
        (Hop::Never, _) => Step::Stop("no other provider may go on"),
        (_, true) if cli.handoff => {
            let of_provider = model.provider(provider).ok().and_then(|provider| provider.cwd.clone());
            let dir = cli.dir.clone().or(of_provider).unwrap_or_else(|| PathBuf::from("."));
            Step::Handoff(note(provider, what, &summary(&dir, git.and_then(|git| git.before).as_deref())))
        }
        (Hop::Clean, true) => Step::Stop("it has changed the git repository, and the work is kept"),
        (Hop::Always | Hop::Clean, _) => Step::Another,
    })
}

/// What the next provider is told: facts alone.
fn note(provider: &str, what: &str, summary: &str) -> String {
    format!(
        "Another agent ({provider}) began this task and was stopped before it was done: {what}.\n\
         What it changed is in the work tree:\n\n{summary}\n\nThe task:\n\n"
    )
}

/// `git diff --stat` since the run began, and the new files. Where git does not answer, the note is shorter.
fn summary(dir: &std::path::Path, before: Option<&str>) -> String {
    let git = |arguments: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(dir)
            .args(arguments)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output();
        output.map_or_else(
            |_| String::new(),
            |output| String::from_utf8_lossy(&output.stdout).trim_end().to_owned(),
        )
    };
    let mut text = git(&["diff", "--stat", before.unwrap_or("HEAD"), "--"]);
    for file in git(&["ls-files", "--others", "--exclude-standard"]).lines() {
        text.push_str("\n new file: ");
        text.push_str(file);
    }
    text.truncate(text.floor_char_boundary(SUMMARY_BYTES));
    text
}
