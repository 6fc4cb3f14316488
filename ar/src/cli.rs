//! The command line of `ar run`.

use clap::{Parser, ValueEnum};
use std::path::PathBuf;

/// Send a prompt through a pool of agents until one gives a good answer
#[derive(Debug, Parser)]
#[command(name = "ar run", version, disable_version_flag = true)]
#[allow(
    clippy::struct_excessive_bools,
    clippy::struct_field_names,
    reason = "flags are what a command line is made of"
)]
pub struct Run {
    /// Use this model (default: the agent's, 'model' in config.toml, or the only one)
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,

    /// Put the instructions of this agent before the prompt: a name, or a Markdown file
    #[arg(short, long, value_name = "AGENT")]
    pub agent: Option<String>,

    /// Read the prompt from this file
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,

    /// Run the agent in this directory
    #[arg(short = 'p', long, value_name = "DIR")]
    pub dir: Option<PathBuf>,

    /// Write the answer to this file, which appears only when the answer is good
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,

    /// Print the pipeline instead of running it
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Do not report hops
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Report every attempt
    #[arg(short, long)]
    pub verbose: bool,

    /// Use this provider and no other
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,

    /// Leave this provider out; may be repeated
    #[arg(long, value_name = "PROVIDER")]
    pub exclude: Vec<String>,

    /// Choose the same provider for the same key as long as it can serve
    #[arg(long, value_name = "KEY")]
    pub sticky: Option<String>,

    /// End an attempt after this time
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,

    /// End an attempt that prints nothing for this time
    #[arg(long, value_name = "TIME")]
    pub idle_timeout: Option<String>,

    /// End the whole call, with all its attempts and waiting, after this time
    #[arg(long, value_name = "TIME")]
    pub deadline: Option<String>,

    /// Give up after this many attempts
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub max_attempts: Option<u32>,

    /// Go on with the agent's session of this name, or begin one
    #[arg(long, value_name = "NAME")]
    pub session: Option<String>,

    /// Go on with the agent's session of the last good run
    #[arg(short = 'c', long = "continue", conflicts_with = "session")]
    pub resume: bool,

    /// Go on to another provider: always, while the git repository is unchanged, or never (default: the model's 'hop')
    #[arg(long, value_name = "WHEN")]
    pub hop: Option<Hop>,

    /// Let the next provider go on from what a failed one changed, and tell it so
    #[arg(long)]
    pub handoff: bool,

    /// Wait until a provider is free, at most MAX
    #[arg(long, value_name = "MAX", num_args = 0..=1, require_equals = true, default_missing_value = "")]
    pub wait: Option<String>,

    /// Keep neither prompt nor answer in the log
    #[arg(long)]
    pub no_log: bool,

    /// Mark the runs in the log; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub tag: Vec<String>,

    /// Print one JSON object with the answer and the record of the last attempt
    #[arg(long)]
    pub json: bool,

    /// Read the configuration in this directory
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,

    /// Keep the state in this database
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,

    /// The prompt (default: standard input); a lone - among the words stands for standard input
    #[arg(value_name = "PROMPT")]
    pub words: Vec<std::ffi::OsString>,
}

/// When to go on to another provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Hop {
    /// Whatever the failed one did
    Always,
    /// While the git repository is as it was before
    Clean,
    /// Not at all
    Never,
}
