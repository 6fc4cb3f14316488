//! The command line of ar-diagnose.

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Work out why a run failed, and whom that concerns
///
/// Reads records on standard input, adds 'diagnosis' to each and prints it. With --text it classifies what any program
/// printed: status 0 where the text is classified, 1 where it is not.
#[derive(Debug, Parser)]
#[command(name = "ar-diagnose", version, args_conflicts_with_subcommands = true)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag that somebody types")]
pub struct Cli {
    /// List or test rules instead
    #[command(subcommand)]
    pub verb: Option<Verb>,

    /// Classify the text on standard input
    #[arg(short, long)]
    pub text: bool,

    /// Print the diagnosis of a text as JSON
    #[arg(long, requires = "text")]
    pub json: bool,

    /// Print nothing but the class of a text
    #[arg(long, requires = "text", conflicts_with = "json")]
    pub class_only: bool,

    /// The command NAME printed the text
    #[arg(long = "cli", value_name = "NAME", requires = "text")]
    pub command: Option<String>,

    /// The command that printed the text ended with status N
    #[arg(long, value_name = "N", requires = "text", allow_negative_numbers = true)]
    pub exit_code: Option<i32>,

    /// Tell every rule that matched, and why one of them decided
    #[arg(long)]
    pub explain: bool,

    /// Who decides: the rules, a model, or the model where the rules do not know
    #[arg(long, value_name = "WHO", default_value = "auto")]
    pub via: Via,

    /// Keep the state of the model's run in this database
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// Read the configuration in DIR
    #[arg(long, value_name = "DIR", global = true)]
    pub config: Option<PathBuf>,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Via {
    /// The rules, and where they do not know, the model.
    Auto,
    /// The rules alone.
    Rules,
    /// The model, whatever the rules say.
    Model,
}

/// What there is to do with rules.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the rules in the order in which ties are settled
    Rules {
        /// Print one JSON object for each rule
        #[arg(long)]
        json: bool,
    },
    /// Tell what is wrong with the rules in FILE
    Test {
        /// The file of rules
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}
