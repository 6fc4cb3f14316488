//! Where the prompt comes from, so that every attempt can replay it from the start.

use crate::cli::Run;
use crate::quote::quote;
use anyhow::{Context, Result};
use ar_core::{Failure, exit, paths};
use rustix::io::{FdFlags, fcntl_setfd};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, IsTerminal, Read, Seek, Write, stdin};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// The prompt of a call.
pub enum Prompt {
    /// A regular file, which ar-exec reads.
    File(PathBuf),
    /// Words, which ar-exec joins.
    Words(Vec<OsString>),
    /// A file without a name that holds what was read from standard input, inherited by ar-exec.
    Spooled(File),
}

impl Prompt {
    /// Reads standard input where it is the prompt or part of it, and never otherwise.
    pub fn resolve(cli: &Run, state_file: &Path) -> Result<Self> {
        let dashes = cli.words.iter().filter(|word| *word == "-").count();
        if dashes > 1 {
            return Err(Failure::trouble(
                "standard input can stand in the prompt once, and '-' is there twice",
            )
            .into());
        }
        let words = cli.words.len() - dashes;
        match &cli.file {
            Some(file) => {
                if words > 0 {
                    exit::warn(
                        crate::NAME,
                        &Failure::trouble("the words are not used, because --file gives the prompt"),
                    );
                }
                Self::from_file(file, dashes == 1, state_file)
            }
            None if words == 0 => Self::spool(state_file, copy_stdin),
            // ar-exec would take a word with a dash for an option.
            None if cli.words.iter().any(|word| word.as_bytes().starts_with(b"-")) => {
                Self::spool(state_file, |spool| write_words(spool, &cli.words))
            }
            None => Ok(Self::Words(cli.words.clone())),
        }
    }

    fn from_file(file: &Path, with_stdin: bool, state_file: &Path) -> Result<Self> {
        if file == "-" {
            return Self::spool(state_file, copy_stdin);
        }
        let cannot = || format!("cannot read the prompt '{}'", file.display());
        if fs::metadata(file).with_context(cannot)?.is_file() && !with_stdin {
            return Ok(Self::File(file.to_owned()));
        }
        Self::spool(state_file, |spool| {
            copy(&mut File::open(file).with_context(cannot)?, spool)?;
            if with_stdin { copy_stdin(spool) } else { Ok(()) }
        })
    }

    fn spool(state_file: &Path, fill: impl FnOnce(&mut File) -> Result<()>) -> Result<Self> {
        let dir = state_file.parent().unwrap_or(Path::new("/"));
        paths::create_private_dir(dir)?;
        let mut spool = tempfile::tempfile_in(dir)
            .with_context(|| format!("cannot keep the prompt in '{}'", dir.display()))?;
        fill(&mut spool)?;
        spool.rewind().context("cannot keep the prompt")?;
        fcntl_setfd(&spool, FdFlags::empty()).context("cannot hand the prompt on")?;
        Ok(Self::Spooled(spool))
    }

    /// The same prompt after a note.
    pub fn after(&self, note: &str, state_file: &Path) -> Result<Self> {
        let cannot = "cannot keep the prompt";
        Self::spool(state_file, |spool| {
            spool.write_all(note.as_bytes()).context(cannot)?;
            match self {
                Self::Words(words) => write_words(spool, words),
                Self::File(file) => copy(&mut File::open(file).context(cannot)?, spool),
                Self::Spooled(before) => {
                    let mut before = before;
                    before.rewind().context(cannot)?;
                    copy(&mut before, spool)
                }
            }
        })
    }

    /// Whether there is certainly nothing in it.
    pub fn is_empty(&self) -> Result<bool> {
        match self {
            Self::Spooled(spool) => Ok(spool.metadata().context("cannot keep the prompt")?.len() == 0),
            Self::File(file) => {
                let meta = fs::metadata(file);
                Ok(meta.with_context(|| format!("cannot read the prompt '{}'", file.display()))?.len() == 0)
            }
            Self::Words(words) => Ok(words.iter().all(|word| word.is_empty())),
        }
    }

    /// The arguments that give it to ar-exec.
    pub fn arguments(&self) -> Vec<OsString> {
        match self {
            Self::File(file) => vec![option("--file=", file.as_os_str())],
            Self::Words(words) => words.clone(),
            Self::Spooled(spool) => vec![format!("--file=/dev/fd/{}", spool.as_raw_fd()).into()],
        }
    }
}

/// What feeds the prompt of a hand-written pipeline, and ar-exec's arguments in it. Standard input is not read.
pub fn in_shell(cli: &Run) -> (Option<String>, Vec<String>) {
    let from_stdin = vec!["-f".to_owned(), "/dev/fd/3".to_owned()];
    let words = |words: &[OsString]| words.iter().map(|word| quote(word)).collect::<Vec<_>>();
    let joined = |words: &[OsString]| {
        let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
        quote(OsStr::from_bytes(&words.join(&b' ')))
    };
    match (&cli.file, cli.words.iter().position(|word| word == "-")) {
        (Some(file), _) if file == "-" => (Some(String::new()), from_stdin),
        (Some(file), Some(_)) => (Some(format!("cat -- {} - | ", quote(file.as_os_str()))), from_stdin),
        (Some(file), None) => (None, vec![quote(&option("--file=", file.as_os_str()))]),
        (None, None) if cli.words.is_empty() => (Some(String::new()), from_stdin),
        (None, None) if cli.words.iter().any(|word| word.as_bytes().starts_with(b"-")) => {
            (Some(format!("printf %s {} | ", joined(&cli.words))), from_stdin)
        }
        (None, None) => (None, words(&cli.words)),
        (None, Some(at)) => {
            let (before, after) =
                (cli.words.get(..at).unwrap_or(&[]), cli.words.get(at + 1..).unwrap_or(&[]));
            let before = if before.is_empty() {
                String::new()
            } else {
                format!("printf '%s\\n' {}; ", joined(before))
            };
            let after =
                if after.is_empty() { String::new() } else { format!("printf '\\n%s' {}; ", joined(after)) };
            (Some(format!("{{ {before}cat; {after}}} | ")), from_stdin)
        }
    }
}

/// `NAME=value` as one argument, whatever the value begins with.
pub fn option(name: &str, value: &OsStr) -> OsString {
    let mut argument = OsString::from(name);
    argument.push(value);
    argument
}

fn copy_stdin(spool: &mut File) -> Result<()> {
    let mut input = stdin().lock();
    if input.is_terminal() {
        exit::warn(crate::NAME, &Failure::trouble("reading the prompt from the terminal; Ctrl-D ends it"));
    }
    copy(&mut input, spool)
}

fn copy(from: &mut impl Read, spool: &mut File) -> Result<()> {
    io::copy(from, spool).context("cannot keep the prompt").map(|_| ())
}

/// Words on one line each side of standard input, which begins and ends a line of its own.
fn write_words(spool: &mut File, words: &[OsString]) -> Result<()> {
    let cannot = "cannot keep the prompt";
    let mut parts = words.split(|word| word == "-");
    let before: Vec<&[u8]> = parts.next().unwrap_or(&[]).iter().map(|word| word.as_bytes()).collect();
    spool.write_all(&before.join(&b' ')).context(cannot)?;
    if let Some(after) = parts.next() {
        if !before.is_empty() {
            spool.write_all(b"\n").context(cannot)?;
        }
        copy_stdin(spool)?;
        let after: Vec<&[u8]> = after.iter().map(|word| word.as_bytes()).collect();
        if !after.is_empty() {
            spool.write_all(&[b"\n", &after.join(&b' ')[..]].concat()).context(cannot)?;
        }
    }
    Ok(())
}
