//! From a verb to its tool: beside our own program first, then on PATH.

use anyhow::{Context, Result};
use ar_core::Failure;
use ar_core::config::with_nearest;
use std::collections::BTreeSet;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Our own verbs. None of them may look like an archiver's operation; a test checks it.
pub const VERBS: [&str; 8] = ["run", "pick", "exec", "diagnose", "log", "setup", "help", "version"];

/// One line that says how to go on.
pub fn usage() -> String {
    format!("usage: ar VERB [ARGUMENT...], where VERB is one of {}; 'ar help' says more", VERBS.join(", "))
}

/// Becomes the tool `ar-VERB`. Users add verbs as programs of that name.
pub fn become_tool(verb: &OsStr, arguments: &[OsString]) -> Result<ExitCode> {
    if verb.as_bytes().contains(&b'/') {
        return Err(unknown(verb).into());
    }
    // The tools word their help after this name, and ar-log knows by it that a person asks.
    let mut spoken = OsString::from("ar ");
    spoken.push(verb);
    // As sh(1) does, what cannot be executed is passed over as long as there may be another.
    let mut denied = None;
    for path in places(&program(verb)) {
        let error = Command::new(&path).arg0(&spoken).args(arguments).exec();
        if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
            denied.get_or_insert((path, error));
        }
    }
    match denied {
        Some((path, error)) => Err(error).with_context(|| format!("cannot execute '{}'", path.display())),
        None => Err(unknown(verb).into()),
    }
}

/// The program of one of our own tools, to be spawned: beside us, or else by name on PATH.
pub fn tool(verb: &str) -> PathBuf {
    let name = program(OsStr::new(verb));
    places(&name).into_iter().find(|path| path.is_file()).unwrap_or_else(|| PathBuf::from(name))
}

fn program(verb: &OsStr) -> OsString {
    let mut name = OsString::from("ar-");
    name.push(verb);
    name
}

fn places(name: &OsStr) -> Vec<PathBuf> {
    directories().into_iter().map(|dir| dir.join(name)).collect()
}

fn directories() -> Vec<PathBuf> {
    let own = env::current_exe().ok().and_then(|path| path.parent().map(Path::to_path_buf));
    let path = env::var_os("PATH").map(|path| env::split_paths(&path).collect::<Vec<_>>());
    own.into_iter().chain(path.into_iter().flatten().filter(|dir| dir.is_absolute())).collect()
}

fn unknown(verb: &OsStr) -> Failure {
    let word = verb.to_string_lossy();
    let known = known_verbs();
    let failure = Failure::trouble(format!("'{}' is not a verb", word.escape_debug()));
    match with_nearest(failure, &word, known.iter().map(String::as_str)) {
        failure if failure.hint.is_some() => failure,
        failure => failure.hint(format!(
            "'ar run {}' sends it as a prompt; 'ar help' lists the verbs",
            word.escape_debug()
        )),
    }
}

/// Our verbs and those that users added.
pub fn known_verbs() -> BTreeSet<String> {
    let added = directories()
        .into_iter()
        .filter_map(|dir| fs::read_dir(dir).ok())
        .flatten()
        .filter_map(|entry| {
            entry
                .ok()
                .filter(|entry| entry.path().is_file())?
                .file_name()
                .to_str()?
                .strip_prefix("ar-")
                .map(str::to_owned)
        })
        .filter(|verb| !crate::binutils::means(OsStr::new(verb)));
    VERBS.into_iter().map(str::to_owned).chain(added).collect()
}
