//! The command line of ar-setup.

use clap::{Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Find the agents on this machine, write the configuration for them, and look after it
#[derive(Debug, Parser)]
#[command(name = "ar-setup", version)]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub verb: Verb,

    /// Use the configuration in this directory
    #[arg(long, value_name = "DIR", global = true)]
    pub config: Option<PathBuf>,

    /// Use the state in this database
    #[arg(long, value_name = "FILE", global = true)]
    pub state: Option<PathBuf>,
}

/// What ar-setup can do.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Write a model for each agent on PATH and one for all of them; overwrite nothing
    Init,

    /// Print every agent on this machine with its version, its login and what it can do
    Detect {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// Read the whole configuration and report every problem in it
    Check,

    /// Print where the configuration, the state database and the runs' directories are
    Path {
        /// Print this one alone
        #[arg(value_name = "WHICH")]
        which: Option<Place>,

        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// Print the names of all models, providers or agents, one a line
    Names {
        /// Of what
        #[arg(value_name = "KIND")]
        kind: Kind,

        /// Print the providers of this model alone
        #[arg(short, long, value_name = "MODEL")]
        model: Option<String>,
    },
}

/// A place that `path` can print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Place {
    /// The configuration directory
    Config,
    /// The state database
    State,
    /// The directory that holds one directory for each run
    Runs,
}

/// What `names` can list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The files in models/
    Models,
    /// What the models' files call their providers
    Providers,
    /// The files in agents/
    Agents,
}
