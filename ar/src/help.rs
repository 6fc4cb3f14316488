//! `ar help` and `ar version`.

use crate::dispatch::{self, VERBS};
use anyhow::{Context, Result};
use ar_core::Failure;
use std::env;
use std::ffi::OsString;
use std::io::{IsTerminal, Write, stdout};
use std::process::{Command, ExitCode, Stdio};

const OVERVIEW: &str = "\
ar runs prompts through pools of command line agents

  ar run [-m MODEL] PROMPT...   send a prompt until a provider gives a good answer
  ar pick                       choose and reserve a provider
  ar exec                       run an agent on a prompt
  ar diagnose                   say why a run failed
  ar log                        show what was run
  ar setup                      find agents and write the configuration
  ar help [VERB]                show the manual
  ar version                    print the version

'ar' with any other option or archive operation is the archiver of binutils.
";

/// Opens the manual page of a verb, or of `ar` itself; prints the help where there is no manual or nobody to page it.
pub fn help(arguments: &[OsString]) -> Result<ExitCode> {
    let verb = arguments
        .iter()
        .find(|word| !word.as_encoded_bytes().starts_with(b"-"))
        .map(|verb| verb.to_string_lossy().into_owned());
    let page = verb.as_ref().map_or("ar".to_owned(), |verb| format!("ar-{verb}"));
    if stdout().is_terminal() && open_manual(&page) {
        return Ok(ExitCode::SUCCESS);
    }
    match verb.as_deref() {
        None | Some("help" | "version") => {
            stdout().lock().write_all(OVERVIEW.as_bytes()).context("cannot write to standard output")?;
            Ok(ExitCode::SUCCESS)
        }
        Some("run") => crate::run::print_help(),
        Some(verb) if VERBS.contains(&verb) || dispatch::known_verbs().contains(verb) => {
            dispatch::become_tool(verb.as_ref(), &["--help".into()])
        }
        Some(verb) => {
            Err(Failure::trouble(format!("there is no help on '{verb}'")).hint(dispatch::usage()).into())
        }
    }
}

/// Prints the version.
pub fn version() -> Result<ExitCode> {
    writeln!(stdout().lock(), "ar {} (agent runner)", env!("CARGO_PKG_VERSION"))
        .context("cannot write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// Lets man(1) show one of our pages, by its path: under its name alone, binutils' ar(1) would come.
fn open_manual(page: &str) -> bool {
    let name = format!("man1/{page}.1");
    let Some(prefix) = env::current_exe().ok().and_then(|own| Some(own.parent()?.parent()?.to_path_buf()))
    else {
        return false;
    };
    let file = prefix.join("share/man").join(name);
    let man = || Command::new("man").arg("-l").arg(&file).stderr(Stdio::null()).status();
    file.is_file() && man().is_ok_and(|status| status.success())
}
