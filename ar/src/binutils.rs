//! The other `ar`. make's built-in rules, `CMake`, Meson and the `cc` crate call binutils' archiver by this name, so
//! everything that can be an archiver's command line goes on to it, untouched.

use anyhow::{Context, Result};
use ar_core::Failure;
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{self, Metadata};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// The operation and modifier letters of ar(1) in binutils and in LLVM.
const LETTERS: &[u8] = b"abcdfilmopqrstuvxDMNOPSTUV";
/// Which of us handed over already (`DEVICE:INODE`, parted by spaces), so that two copies on PATH do not do so for ever.
const SEEN: &str = "AGENT_RUNNER_ARCHIVER_SEEN";

/// Whether a first word can be meant for an archiver: an operation, an option, or a file of options.
pub fn means(first: &OsStr) -> bool {
    let bytes = first.as_bytes();
    bytes.starts_with(b"-") || bytes.starts_with(b"@") || bytes.iter().all(|byte| LETTERS.contains(byte))
}

/// Becomes the next `ar` on PATH that is not this program.
pub fn become_it() -> Result<ExitCode> {
    let own = env::current_exe().and_then(fs::metadata).context("cannot find this program's own file")?;
    let seen = format!("{} {}", env::var(SEEN).unwrap_or_else(|_| String::new()), identity(&own));
    let archiver = next_on_path(&seen).ok_or_else(|| {
        Failure::trouble("this command line is for the archiver ar(1), and no other 'ar' is on PATH")
            .hint("install binutils; the agent runner's own verbs are listed by 'ar help'")
    })?;
    let mut arguments = env::args_os();
    let name = arguments.next().unwrap_or_else(|| OsString::from("ar"));
    let error = Command::new(&archiver).arg0(name).args(arguments).env(SEEN, seen).exec();
    Err(error).with_context(|| format!("cannot execute '{}'", archiver.display()))
}

fn next_on_path(seen: &str) -> Option<PathBuf> {
    let is_new = |file: &Metadata| !seen.split(' ').any(|seen| seen == identity(file));
    let is_program = |file: &Metadata| file.is_file() && file.permissions().mode() & 0o111 != 0;
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join("ar"))
        .find(|path| fs::metadata(path).is_ok_and(|file| is_program(&file) && is_new(&file)))
}

fn identity(file: &Metadata) -> String {
    format!("{}:{}", file.dev(), file.ino())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_of_archivers_are_recognised() {
        for word in [
            "rcs",
            "t",
            "x",
            "crs",
            "-rcs",
            "qcS",
            "rvU",
            "--version",
            "--help",
            "-M",
            "@options",
            "-",
            "",
            "dT",
        ] {
            assert!(means(OsStr::new(word)), "{word}");
        }
    }

    #[test]
    fn no_verb_can_be_taken_for_one() {
        for verb in crate::dispatch::VERBS {
            assert!(!means(OsStr::new(verb)), "{verb}");
        }
    }
}
