//! The command line of ar-log.

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Store the record on standard input, or show what was stored
#[derive(Debug, Parser)]
#[command(name = "ar-log", version)]
pub struct Cli {
    /// What to show
    #[command(subcommand)]
    pub verb: Option<Verb>,

    /// How to store the record on standard input
    #[command(flatten)]
    pub store: Store,

    /// Which runs to list
    #[command(flatten)]
    pub select: Select,

    /// How to print
    #[command(flatten)]
    pub print: Print,

    /// Keep the state in this database
    #[arg(long, value_name = "FILE", global = true)]
    pub state: Option<PathBuf>,
}

/// The end of the pipeline.
#[derive(Debug, Default, PartialEq, Eq, Args)]
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

    /// Read the configuration in this directory
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,
}

/// Which runs. Every condition must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Select {
    /// Runs of this model
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,

    /// Runs of this provider
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,

    /// Runs that drew on this account
    #[arg(long, value_name = "ACCOUNT")]
    pub account: Option<String>,

    /// Runs that failed with this class
    #[arg(long, value_name = "CLASS")]
    pub class: Option<String>,

    /// Runs with this verdict
    #[arg(long, value_name = "VERDICT")]
    pub verdict: Option<String>,

    /// Runs with this tag; at the end of a pipeline: mark the run; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub tag: Vec<String>,

    /// Runs picked at this time or later, such as 2h, yesterday, 2026-11-20 or an RFC 3339 time
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,

    /// Runs picked before this time
    #[arg(long, value_name = "TIME")]
    pub until: Option<String>,

    /// Runs without a good answer
    #[arg(long)]
    pub failed: bool,

    /// The last of them, at most this many
    #[arg(short, long, value_name = "COUNT")]
    pub number: Option<u32>,
}

/// How to print.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args)]
pub struct Print {
    /// Print JSON, one object a line
    #[arg(long, conflicts_with = "format")]
    pub json: bool,

    /// Print in this format
    #[arg(short = 'o', long, value_name = "FORMAT")]
    pub format: Option<Format>,

    /// Print these fields of the JSON object alone, in this order; separated by tabs unless the format is json
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    pub cols: Vec<String>,

    /// Colour the output
    #[arg(long, value_name = "WHEN")]
    pub color: Option<Color>,
}

/// A format of output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// Fields separated by tabs
    Tsv,
    /// One object a line
    Json,
}

/// When to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Which of a run's files to print as it is.
#[derive(Debug, Clone, Copy, Default, Args)]
#[group(multiple = false)]
#[allow(clippy::struct_excessive_bools, reason = "flags are what a command line is made of")]
pub struct Raw {
    /// Print the answer alone, byte for byte
    #[arg(long)]
    pub answer: bool,

    /// Print what the child wrote to standard error
    #[arg(long)]
    pub stderr: bool,

    /// Print the prompt
    #[arg(long)]
    pub prompt: bool,

    /// Print every candidate for the run and why it was taken or left
    #[arg(long)]
    pub why: bool,
}

/// What ar-log can show.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// List the last runs
    List {
        /// Which runs
        #[command(flatten)]
        select: Select,
        /// How to print
        #[command(flatten)]
        print: Print,
    },
    /// Show one run with its call, its diagnosis and its files
    Show {
        /// A run's id, the first letters of it, or -1 for the last
        #[arg(value_name = "RUN", allow_negative_numbers = true)]
        run: String,
        /// Which file
        #[command(flatten)]
        raw: Raw,
        /// How to print
        #[command(flatten)]
        print: Print,
    },
    /// Show the last run
    Last {
        /// Which file
        #[command(flatten)]
        raw: Raw,
        /// How to print
        #[command(flatten)]
        print: Print,
    },
    /// Show what is running now
    Live {
        /// How to print
        #[command(flatten)]
        print: Print,
    },
    /// Print runs as they begin and end, or the output of one run as it grows
    Follow {
        /// A run's id, the first letters of it, or -1 for the last
        #[arg(value_name = "RUN", allow_negative_numbers = true)]
        run: Option<String>,
        /// Which runs
        #[command(flatten)]
        select: Select,
        /// How to print
        #[command(flatten)]
        print: Print,
    },
    /// Sum up runs: how many, how many good, how long, tokens, cost
    Stats {
        /// One line for each of these
        #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = "provider")]
        by: Vec<By>,
        /// Which runs
        #[command(flatten)]
        select: Select,
        /// How to print
        #[command(flatten)]
        print: Print,
    },
    /// Tokens and cost of each account and day
    Usage {
        /// Which runs
        #[command(flatten)]
        select: Select,
        /// How to print
        #[command(flatten)]
        print: Print,
    },
    /// List the sessions of the agents, the one used last at the end
    Sessions {
        /// Which runs
        #[command(flatten)]
        select: Select,
        /// How to print
        #[command(flatten)]
        print: Print,
    },
    /// Find the runs whose prompt or answer has all these words, the best first
    Search {
        /// Words; several in one argument are a phrase, a star at the end stands for any ending
        #[arg(value_name = "WORDS", required = true)]
        words: Vec<String>,
        /// Which runs
        #[command(flatten)]
        select: Select,
        /// How to print
        #[command(flatten)]
        print: Print,
    },
    /// Write a report with charts, one HTML file that needs nothing else
    Report {
        /// Which runs
        #[command(flatten)]
        select: Select,
        /// Write it to this file, not to standard output
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Print runs, their records and the text that can be searched as NDJSON, oldest first
    Export {
        /// Which runs
        #[command(flatten)]
        select: Select,
    },
    /// Add the runs of an export on standard input that are not known yet
    Import {
        /// Read the configuration in this directory
        #[arg(long, value_name = "DIR")]
        config: Option<PathBuf>,
    },
    /// Copy the database while it is in use
    Backup {
        /// The copy; it must not exist
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Remove the oldest runs with their files
    #[command(group = clap::ArgGroup::new("limits").required(true).multiple(true).args(["older_than", "keep", "max_bytes"]))]
    Prune {
        /// Those picked before this time
        #[arg(long, value_name = "TIME")]
        older_than: Option<String>,
        /// Those beyond so many runs
        #[arg(long, value_name = "COUNT")]
        keep: Option<u64>,
        /// Those beyond so many bytes of files; K, M and G stand for their powers of 1024
        #[arg(long, value_name = "SIZE", value_parser = size)]
        max_bytes: Option<u64>,
        /// Only say how much that would be
        #[arg(long)]
        dry_run: bool,
    },
    /// Compress the files of old runs; all verbs read them as before
    Compress {
        /// Those that ended before this time
        #[arg(long, value_name = "TIME", default_value = "1d")]
        older_than: String,
    },
    /// Remove runs with their files
    Rm {
        /// Runs' ids, the first letters of them, or -1 for the last
        #[arg(value_name = "RUN", required = true, allow_negative_numbers = true)]
        runs: Vec<String>,
    },
    /// Check the database and the runs' directories
    Check {
        /// Look for secrets in what is stored, and say where they are
        #[arg(long, conflicts_with = "repair")]
        secrets: bool,
        /// Mend what can be mended
        #[arg(long)]
        repair: bool,
        /// Read the configuration in this directory
        #[arg(long, value_name = "DIR")]
        config: Option<PathBuf>,
    },
    /// Run a hook with the record on standard input
    #[command(hide = true)]
    Hook {
        /// Its name
        name: String,
        /// Its command
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Print where the state database is, or the directory of a run
    Path {
        /// A run's id, the first letters of it, or -1 for the last
        #[arg(value_name = "RUN", allow_negative_numbers = true)]
        run: Option<String>,
    },
}

/// What runs are summed up by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum By {
    /// The model
    Model,
    /// The provider
    Provider,
    /// The account
    Account,
    /// The class of a failure, or the outcome of a run that has none
    Class,
    /// The day in UTC
    Day,
    /// The hour of the day in UTC, of the last 30 days unless runs are selected by time or number
    Hour,
}

/// Reads a size: `500M`.
fn size(text: &str) -> Result<u64, String> {
    let units = [("K", 1 << 10), ("M", 1 << 20), ("G", 1 << 30), ("", 1)];
    let (digits, factor) = units
        .iter()
        .find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)))
        .unwrap_or((text, 1));
    let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
    number.ok_or_else(|| "a size is a number with K, M, G or nothing behind it".to_owned())
}
