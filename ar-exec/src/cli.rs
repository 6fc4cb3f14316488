//! The command line of ar-exec.

use clap::Parser;
use std::ffi::OsString;
use std::path::PathBuf;

/// Run the provider that a record names, or a command
///
/// Reads records on standard input, runs the provider of each with the prompt, and prints the record with what became of
/// the run. The status is 0 whenever a record was printed, whatever the child did.
#[derive(Debug, Parser)]
#[command(name = "ar-exec", version)]
pub struct Cli {
    /// Read the prompt from FILE
    #[arg(short, long, value_name = "FILE", conflicts_with = "words")]
    pub file: Option<PathBuf>,

    /// Put the instructions of AGENT, a name or FILE.md, before the prompt
    #[arg(short, long, value_name = "AGENT")]
    pub agent: Option<String>,

    /// Read the records from FILE, so that standard input can be the prompt
    #[arg(long, value_name = "FILE", conflicts_with = "command")]
    pub record: Option<PathBuf>,

    /// Write the output to FILE, or to an open file descriptor, as it comes
    #[arg(long, value_name = "FD|FILE")]
    pub tee: Option<PathBuf>,

    /// End a run after TIME (90, 5m, "1h 30m"; 0 for no limit)
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,

    /// End a run that prints nothing for TIME
    #[arg(long, value_name = "TIME")]
    pub idle_timeout: Option<String>,

    /// Tell in the record what the run changed in the git repository at its directory
    #[arg(long)]
    pub git: bool,

    /// Go on with the agent's session ID
    #[arg(long, value_name = "ID", conflicts_with = "command")]
    pub session: Option<String>,

    /// Run the child in DIR
    #[arg(short = 'p', long, value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Read the configuration in DIR
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,

    /// Keep runs beside the state database FILE
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// The prompt, joined by spaces
    #[arg(value_name = "WORD")]
    pub words: Vec<OsString>,

    /// Run this command, taken as it stands, in place of a record's provider
    #[arg(last = true, value_name = "CMD")]
    pub command: Vec<OsString>,
}
