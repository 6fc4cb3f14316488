//! The command line of ar-pick.

use clap::Parser;
use std::path::PathBuf;

/// Choose a provider of a model, reserve it, and print the record that the pipeline carries on
#[derive(Debug, Parser)]
#[command(name = "ar-pick", version)]
pub struct Cli {
    /// Serve this model (default: 'model' in config.toml, or the only one)
    #[arg(short, long, value_name = "MODEL")]
    pub model: Option<String>,

    /// Choose this provider and no other
    #[arg(long, value_name = "PROVIDER")]
    pub provider: Option<String>,

    /// Leave this provider out; may be repeated
    #[arg(long, value_name = "PROVIDER")]
    pub exclude: Vec<String>,

    /// Print every candidate and why it would be taken or left; reserve nothing
    #[arg(long, conflicts_with_all = ["reset", "field"])]
    pub explain: bool,

    /// Print one field of the record instead of the record, such as run or pick.provider
    #[arg(short = 'F', long, value_name = "FIELD")]
    pub field: Option<String>,

    /// End the cooldowns of this provider and choose nothing
    #[arg(long, value_name = "PROVIDER", conflicts_with = "field")]
    pub reset: Option<String>,

    /// Let the reservation last for a run of this length instead of the provider's 'timeout'
    #[arg(long, value_name = "TIME")]
    pub timeout: Option<String>,

    /// Make the run an attempt of this call
    #[arg(long, value_name = "ULID")]
    pub call: Option<String>,

    /// Number the attempt within its call
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: u32,

    /// Say nothing on standard error when nobody can serve
    #[arg(short, long)]
    pub quiet: bool,

    /// Read the configuration in this directory
    #[arg(long, value_name = "DIR")]
    pub config: Option<PathBuf>,

    /// Keep the state in this database
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
}
