//! The command line; ar-diagnose(1) is its specification.

use clap::Parser;
use std::path::PathBuf;

/// Work out why a run of a command line agent failed, and whom that concerns.
///
/// Reads records from standard input, adds 'diagnosis' to each and prints it. With --text it classifies any
/// program's output.
#[derive(Debug, Parser)]
#[command(name = "ar-diagnose", version)]
pub struct Cli {
    /// Classify raw text on standard input instead of records.
    #[arg(short, long)]
    pub text: bool,

    /// Print the diagnosis as one JSON object (with --text).
    #[arg(long, requires = "text")]
    pub json: bool,

    /// Print the class alone.
    #[arg(long, requires = "text", conflicts_with = "json")]
    pub class_only: bool,

    /// The command that printed the text.
    #[arg(long = "cli", value_name = "NAME", requires = "text")]
    pub command: Option<String>,

    /// The exit status with which the command ended.
    #[arg(long, value_name = "N", requires = "text", allow_negative_numbers = true)]
    pub exit_code: Option<i32>,

    /// Tell every rule that matched, and why one of them won.
    #[arg(long)]
    pub explain: bool,

    /// The configuration directory.
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,
}
