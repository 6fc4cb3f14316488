//! The completion scripts of one shell.

use crate::commands;
use clap::builder::PossibleValuesParser;
use clap::{Arg, Command};
use clap_complete::{Generator, Shell};

/// The arguments whose values `ar-setup names KIND` lists: the name of their value, its kind, and what marks the place
/// in the script.
const KINDS: [(&str, &str, &str); 3] = [
    ("AGENT", "agents", "@agents@"),
    ("MODEL", "models", "@models@"),
    ("PROVIDER", "providers", "@providers@"),
];

/// What zsh loads by its name to ask for names. An agent may be a file as well.
const ZSH_NAMES: &str = "#autoload\n\
    local -a names\n\
    names=(${(f)\"$(ar-setup names $1 2>/dev/null)\"})\n\
    compadd -a names\n\
    [[ $1 != agents ]] || _files -g '*.md'\n";

/// The files of the shell, by name: one for each command, so that a shell finds it when it needs it.
pub(crate) fn files(shell: Shell) -> Vec<(String, String)> {
    let mut files: Vec<_> = commands::programs().map(|program| file(shell, program)).collect();
    if shell == Shell::Zsh {
        files.push(("_ar_names".to_owned(), ZSH_NAMES.to_owned()));
    }
    files
}

fn file(shell: Shell, command: Command) -> (String, String) {
    let name = command.get_name().to_owned();
    let mut command = with_placeholders(command);
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, &name, &mut script);
    let mut script = String::from_utf8_lossy(&script).into_owned();
    for (_, kind, mark) in KINDS {
        let (placeholder, question) = question(shell, kind, mark);
        script = script.replace(&placeholder, &question);
    }
    let file = match shell {
        // The name under which bash-completion looks for it.
        Shell::Bash => name,
        shell => shell.file_name(&name),
    };
    (file, script)
}

/// Gives each argument that takes a known kind of name one impossible value to find it by in the script.
fn with_placeholders(command: Command) -> Command {
    command.mut_args(with_placeholder).mut_subcommands(with_placeholders)
}

fn with_placeholder(arg: Arg) -> Arg {
    let value = arg.get_value_names().and_then(|names| names.first()).map(ToString::to_string);
    match KINDS.into_iter().find(|(name, ..)| value.as_deref() == Some(*name)) {
        Some((_, _, mark)) => arg.value_parser(PossibleValuesParser::new([mark])),
        None => arg,
    }
}

/// How the generator of a shell writes a placeholder, and what asks for the names instead.
fn question(shell: Shell, kind: &str, mark: &str) -> (String, String) {
    match shell {
        Shell::Fish => (format!("\"{mark}\\t''\""), format!("\"(ar-setup names {kind} 2>/dev/null)\"")),
        Shell::Zsh => (format!(":({mark})"), format!(": _ar_names {kind}")),
        _ => (mark.to_owned(), format!("$(ar-setup names {kind} 2>/dev/null)")),
    }
}
