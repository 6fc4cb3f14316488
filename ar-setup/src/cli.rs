//! The command line of ar-setup.

use clap::{Args, Parser, Subcommand, ValueEnum};
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
    /// Write a model for each agent on this machine and one for all of them; overwrite nothing unasked
    Init {
        /// Ask nothing, even on a terminal
        #[arg(short, long)]
        yes: bool,

        /// Take the answers from this TOML file
        #[arg(long, value_name = "FILE", conflicts_with = "yes")]
        answers: Option<PathBuf>,
    },

    /// Print every agent on this machine with its version, its login and what it can do
    Detect {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },

    /// Read the whole configuration and report every problem in it
    Check,

    /// Add a provider to a model
    AddProvider(Box<NewProvider>),

    /// Remove a provider from a model
    RemoveProvider {
        /// The model
        #[arg(value_name = "MODEL")]
        model: String,

        /// The provider's name
        #[arg(value_name = "PROVIDER")]
        provider: String,

        /// Print the change and make none
        #[arg(short = 'n', long)]
        dry_run: bool,
    },

    /// Give a model or a provider a new name
    Rename {
        /// The model, or MODEL/PROVIDER
        #[arg(value_name = "OLD")]
        old: String,

        /// The new name
        #[arg(value_name = "NEW")]
        new: String,

        /// Print the change and make none
        #[arg(short = 'n', long)]
        dry_run: bool,
    },

    /// Set a key of the configuration
    Set {
        /// A key of config.toml, MODEL.KEY or MODEL/PROVIDER.KEY
        #[arg(value_name = "KEY")]
        key: String,

        /// A TOML value, or a text without quotes
        #[arg(value_name = "VALUE", allow_hyphen_values = true, required_unless_present = "unset")]
        value: Option<String>,

        /// Remove the key
        #[arg(long, conflicts_with = "value")]
        unset: bool,

        /// Print the change and make none
        #[arg(short = 'n', long)]
        dry_run: bool,
    },

    /// Send a tiny prompt through every provider of a model and tell what to do about those that fail
    Test(Trial),

    /// Tell what is wrong or will be, why it matters, and the command that mends it
    Doctor {
        /// Print JSON
        #[arg(long)]
        json: bool,

        /// Carry out the repairs that lose nothing
        #[arg(long)]
        fix: bool,

        /// Also tell which commands cron would not find; with --fix store their whole paths
        #[arg(long)]
        cron: bool,
    },

    /// Carry over models, agents, Claude Code's agents and llm's aliases from a directory
    Import {
        /// Print the changes and make none
        #[arg(short = 'n', long)]
        dry_run: bool,

        /// The directory
        #[arg(value_name = "DIR")]
        dir: PathBuf,
    },

    /// Let a model ask, look and propose; everything it wants is judged, shown and asked first
    Ai(Talk),

    /// Print lines for crontab(5) that send a prompt each night
    Cron(Job),

    /// Print a service and a timer of systemd that send a prompt each night
    Systemd {
        /// What to send
        #[command(flatten)]
        job: Job,

        /// Print this file alone
        #[arg(value_name = "UNIT")]
        unit: Option<Unit>,
    },

    /// Print a rule for make(1) that turns prompts into answers
    Make(Job),

    /// Print what a shell sources to complete options and names
    Completions {
        /// The shell
        #[arg(value_name = "SHELL", value_parser = ["bash", "fish", "zsh"])]
        shell: String,
    },

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

/// The provider that `add-provider` adds.
#[derive(Debug, Args)]
pub struct NewProvider {
    /// The model
    #[arg(value_name = "MODEL")]
    pub model: String,

    /// Run this program; a known agent brings its arguments, result format and variables with it
    #[arg(long, value_name = "COMMAND")]
    pub command: String,

    /// Take arguments, result format and variables of this agent, which the command is a wrapper of
    #[arg(long, value_name = "CLI", conflicts_with = "args")]
    pub like: Option<String>,

    /// Call it so (default: the command's base name)
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// Draw on the quota of this account (default: the provider's name)
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,

    /// Use it only while nobody in a lower tier can serve
    #[arg(long, value_name = "N")]
    pub tier: Option<u32>,

    /// Give it this many shares of the runs
    #[arg(long, value_name = "N")]
    pub weight: Option<u32>,

    /// Let at most this many of its runs be alive at once
    #[arg(long, value_name = "N")]
    pub max_parallel: Option<u32>,

    /// Set a variable in its environment; may be repeated
    #[arg(long, value_name = "NAME=VALUE")]
    pub env: Vec<String>,

    /// Take variables from this file
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<String>,

    /// Hand it the prompt as stdin, arg or file
    #[arg(long, value_name = "MODE")]
    pub prompt_mode: Option<String>,

    /// Read its output in this format
    #[arg(long, value_name = "FORMAT")]
    pub output: Option<String>,

    /// End a run after this time
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,

    /// Make the model if there is none of that name
    #[arg(long)]
    pub create: bool,

    /// Print the change and make none
    #[arg(short = 'n', long)]
    pub dry_run: bool,

    /// Its arguments
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<String>,
}

/// What `test` tests, and how.
#[derive(Debug, Args)]
pub struct Trial {
    /// The model (default: 'model' in config.toml, or the only one)
    #[arg(value_name = "MODEL")]
    pub model: Option<String>,

    /// Test this provider alone
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,

    /// Test the providers of all models
    #[arg(long, conflicts_with = "model")]
    pub all: bool,

    /// Send this prompt
    #[arg(long, value_name = "TEXT", default_value = "Reply with the single word: ok")]
    pub prompt: String,

    /// Give up on a provider after this time
    #[arg(long, value_name = "TIME", default_value = "2m")]
    pub timeout: String,

    /// Print one JSON object a line for each provider
    #[arg(long)]
    pub json: bool,
}

/// How a model drives the set-up.
#[derive(Debug, Args)]
pub struct Talk {
    /// Let this model drive (default: 'model' in config.toml, the only one, or the agents on this machine)
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,

    /// Let this provider of it drive
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,

    /// Print the protocol as a JSON schema instead
    #[arg(long)]
    pub schema: bool,

    /// What you want
    #[arg(value_name = "WORDS")]
    pub words: Vec<String>,
}

/// What a snippet sends where.
#[derive(Debug, Args)]
pub struct Job {
    /// Use this model (default: 'model' in config.toml, or the only one)
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,

    /// Send the prompt in this file
    #[arg(short, long, value_name = "FILE", default_value = "nightly.md")]
    pub file: PathBuf,
}

/// A file of systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Unit {
    /// What is run
    Service,
    /// When it is run
    Timer,
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
