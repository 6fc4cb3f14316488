//! The command line of ar-log.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// How many runs are listed where nobody says.
pub const DEFAULT_NUMBER: u32 = 20;

/// Store the record on standard input, or show what was stored
#[derive(Debug, Parser)]
#[command(name = "ar-log", version, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to show
    #[command(subcommand)]
    pub verb: Option<Verb>,

    /// How to store the record on standard input
    #[command(flatten)]
    pub store: Store,

    /// Keep the state in this database
    #[arg(long, value_name = "FILE", global = true)]
    pub state: Option<PathBuf>,

    /// Print JSON
    #[arg(long, global = true)]
    pub json: bool,
}

/// The end of the pipeline.
#[derive(Debug, Args)]
pub struct Store {
    /// Print the answer if it is good, else what the child said on standard error
    #[arg(long)]
    pub cat: bool,

    /// Print nothing of a run that failed by its provider's or the network's fault, and take no record for no error: the caller tries another
    #[arg(long)]
    pub failover: bool,

    /// Keep counters and health, but neither prompt nor answer
    #[arg(long)]
    pub no_log: bool,

    /// Mark the run; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub tag: Vec<String>,

    /// Read the numbers of the cooldowns in this directory
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,
}

/// What ar-log can show.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the last runs
    List {
        /// List at most this many
        #[arg(short, long, value_name = "COUNT", default_value_t = DEFAULT_NUMBER)]
        number: u32,
    },
    /// Show one run with its files
    Show {
        /// A run's id, the first letters of it, or -1 for the last
        #[arg(value_name = "RUN", allow_hyphen_values = true)]
        run: String,
    },
    /// Print where the state database is, or the directory of a run
    Path {
        /// A run's id, the first letters of it, or -1 for the last
        #[arg(value_name = "RUN", allow_hyphen_values = true)]
        run: Option<String>,
    },
}
