//! The command lines of all tools, read from the sources that the tools themselves are built from.

use clap::builder::PossibleValuesParser;
use clap::{Arg, Command, CommandFactory};

#[path = "../../ar-diagnose/src/cli.rs"]
mod diagnose;
#[path = "../../ar-exec/src/cli.rs"]
mod exec;
#[path = "../../ar-log/src/cli.rs"]
mod log;
#[path = "../../ar-pick/src/cli.rs"]
mod pick;
#[path = "../../ar/src/cli.rs"]
mod run;
#[path = "../../ar-setup/src/cli.rs"]
mod setup;

/// A tool: the name of its manual page, its verb, and its command line.
struct Tool(&'static str, &'static str, fn() -> Command);

const TOOLS: [Tool; 6] = [
    Tool("ar-diagnose", "diagnose", diagnose::Cli::command),
    Tool("ar-exec", "exec", exec::Cli::command),
    Tool("ar-log", "log", log::Cli::command),
    Tool("ar-pick", "pick", pick::Cli::command),
    Tool("ar-run", "run", run::Run::command),
    Tool("ar-setup", "setup", setup::Cli::command),
];

/// The command lines that have a manual page, under its name.
pub(crate) fn pages() -> impl Iterator<Item = Command> {
    TOOLS.into_iter().map(|Tool(page, _, command)| command().name(page))
}

/// `ar` with all its verbs.
pub(crate) fn ar() -> Command {
    let verbs = TOOLS.map(|Tool(_, verb, command)| command().name(verb));
    let verb = Arg::new("verb").value_parser(PossibleValuesParser::new(TOOLS.map(|Tool(_, verb, _)| verb)));
    let help = Command::new("help").about("Open the manual of a verb, or print its options").arg(verb);
    let version = Command::new("version").about("Print the version");
    Command::new("ar")
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .subcommands(verbs)
        .subcommands([help, version])
}

/// The programs: `ar`, and the tools under their own names.
pub(crate) fn programs() -> impl Iterator<Item = Command> {
    pages().filter(|page| page.get_name() != "ar-run").chain([ar()])
}
