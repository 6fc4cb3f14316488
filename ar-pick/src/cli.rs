//! The command line of ar-pick.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Choose a provider of a model, reserve it, and print the record that the pipeline carries on
#[derive(Debug, Parser)]
#[command(name = "ar-pick", version)]
#[command(group = clap::ArgGroup::new("deed").args(["explain", "list", "policy", "reset", "lock", "unlock", "disable", "enable"]))]
#[allow(clippy::struct_excessive_bools, reason = "flags are what a command line is made of")]
pub struct Cli {
    /// Serve this model (default: 'model' in config.toml, or the only one)
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,

    /// Choose this provider and no other
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,

    /// Leave this provider out, or MODEL/PROVIDER; may be repeated
    #[arg(long, value_name = "PROVIDER")]
    pub exclude: Vec<String>,

    /// Choose inside a tier by this rule instead of the model's
    #[arg(long, value_name = "STRATEGY")]
    pub strategy: Option<Strategy>,

    /// Choose the same provider for the same key as long as it can serve
    #[arg(long, value_name = "KEY", conflicts_with = "strategy")]
    pub sticky: Option<String>,

    /// Go on with the agent's session of this name, with the provider that has it
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,

    /// Begin the session of that name anew
    #[arg(long, requires = "session")]
    pub afresh: bool,

    /// Go on with the agent's session of the model's last good run
    #[arg(long = "continue", conflicts_with = "session")]
    pub resume: bool,

    /// Wait in line until a provider is free, at most MAX
    #[arg(long, value_name = "MAX", num_args = 0..=1, require_equals = true, default_missing_value = "", conflicts_with = "deed")]
    pub wait: Option<String>,

    /// Print every candidate and why it would be taken or left; reserve nothing
    #[arg(long)]
    pub explain: bool,

    /// Print the providers of all models and how they stand
    #[arg(long, conflicts_with = "model")]
    pub list: bool,

    /// Print the numbers of the cooldowns as they may stand in config.toml
    #[arg(long)]
    pub policy: bool,

    /// Print JSON with --explain and --list
    #[arg(long, conflicts_with_all = ["field", "policy", "reset", "lock", "unlock", "disable", "enable"])]
    pub json: bool,

    /// Print one field of the record instead of the record, such as run or pick.provider
    #[arg(short = 'F', long, value_name = "FIELD", conflicts_with = "deed")]
    pub field: Option<String>,

    /// End the cooldowns of this provider, or of all of the model's, and choose nothing
    #[arg(long, value_name = "PROVIDER", num_args = 0..=1, default_missing_value = "")]
    pub reset: Option<String>,

    /// Send all runs of the model to this provider until it is unlocked
    #[arg(long, value_name = "PROVIDER")]
    pub lock: Option<String>,

    /// Unlock after this time
    #[arg(long = "for", value_name = "TIME", requires = "lock")]
    pub lock_time: Option<String>,

    /// Let all providers of the model serve again
    #[arg(long)]
    pub unlock: bool,

    /// Switch this provider off until it is enabled
    #[arg(long, value_name = "PROVIDER")]
    pub disable: Option<String>,

    /// Switch this provider on again
    #[arg(long, value_name = "PROVIDER")]
    pub enable: Option<String>,

    /// Let the reservation last for a run of this length instead of the provider's 'timeout'
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,

    /// Give the reservation up when this process ends before the run has begun
    #[arg(long, value_name = "PID", conflicts_with = "deed")]
    pub owner: Option<u32>,

    /// Make the run an attempt of this call
    #[arg(long, value_name = "ULID")]
    pub call: Option<String>,

    /// Number the attempt within its call
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: u32,

    /// Say nothing on standard error when nobody can serve, or another model does
    #[arg(short, long)]
    pub quiet: bool,

    /// Read the configuration in this directory
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,

    /// Keep the state in this database
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
}

/// How to choose inside a tier.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Strategy {
    /// The one with the fewest runs
    RoundRobin,
    /// The one with the fewest live runs
    LeastBusy,
    /// The first in the file
    Ordered,
    /// The one whose quota is refilled first
    SoonestReset,
    /// Any
    Random,
}
