//! What is asked of a pick, and the places that it looks at.

use crate::chance;
use crate::choose::Order;
use crate::cli::{self, Cli};
use anyhow::{Context, Result};
use ar_core::config::{Config, Model, Strategy};
use ar_core::{Failure, Stamp, clock, paths, processes, record};
use rusqlite::Connection;
use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

/// The variable that makes the random choice one that can be repeated.
const SEED_VARIABLE: &str = "AGENT_RUNNER_SEED";

/// The configuration and the places of the state.
pub struct Place {
    pub config_dir: PathBuf,
    pub config: Config,
    pub state_file: PathBuf,
}

/// What is asked of a pick, whichever model serves in the end.
pub struct Request<'a> {
    pub place: &'a Place,
    pub now: Stamp,
    pub only: Option<&'a str>,
    /// The session that `only` has, in words, where that is why nobody else may serve.
    pub bound_by: Option<String>,
    /// Providers, or `MODEL/PROVIDER`.
    pub exclude: &'a [String],
    pub strategy: Option<Strategy>,
    pub sticky: Option<&'a str>,
    pub seed: Option<String>,
    pub timeout: Option<Duration>,
    /// The mark of the process on whose behalf the pick is made.
    pub owner: Option<String>,
    pub run: &'a str,
    pub call: &'a str,
    pub attempt: u32,
}

impl Place {
    /// Reads `config.toml`.
    pub fn new(cli: &Cli) -> Result<Self> {
        let config_dir = paths::config_dir(cli.config.as_deref())?;
        let config = Config::load(&config_dir)?;
        Ok(Self { config, config_dir, state_file: paths::state_file(cli.state.as_deref())? })
    }

    /// The model that is asked for.
    pub fn model(&self, asked: Option<&str>) -> Result<Model> {
        self.load(&self.config.choose_model(&self.config_dir, asked)?)
    }

    /// The model of that name, which must not fall back to itself.
    pub fn load(&self, name: &str) -> Result<Model> {
        let model = Model::load(&self.config_dir, name)?;
        model.refuse_circle(&self.config_dir)?;
        Ok(model)
    }

    /// The directory of all runs' directories.
    pub fn runs(&self) -> PathBuf {
        paths::run_dir(&self.state_file, "")
    }
}

impl<'a> Request<'a> {
    /// Checks the command line.
    pub fn new(cli: &'a Cli, place: &'a Place, run: &'a str, now: Stamp) -> Result<Self> {
        if cli.call.as_deref().is_some_and(|call| !record::is_id(call)) {
            return Err(Failure::trouble("--call takes a ULID").into());
        }
        let seed = std::env::var_os(SEED_VARIABLE).map(OsString::into_string).transpose();
        Ok(Self {
            place,
            now,
            only: cli.provider.as_deref(),
            bound_by: None,
            exclude: &cli.exclude,
            strategy: cli.strategy.map(Into::into),
            sticky: cli.sticky.as_deref(),
            seed: seed.map_err(|_| Failure::trouble(format!("{SEED_VARIABLE} is not UTF-8")))?,
            timeout: cli.timeout.as_deref().map(clock::parse_duration).transpose().context("--timeout")?,
            owner: cli.owner.and_then(processes::mark),
            run,
            call: cli.call.as_deref().unwrap_or(run),
            attempt: cli.attempt,
        })
    }

    /// Whether the caller leaves this provider out.
    pub fn excludes(&self, model: &str, provider: &str) -> bool {
        let named = |exclude: &String| match exclude.split_once('/') {
            Some((of, name)) => of == model && name == provider,
            None => exclude == provider,
        };
        self.only.is_some_and(|only| only != provider) || self.exclude.iter().any(named)
    }

    /// The order in which a model's providers are taken; `runs` is how many the model has had.
    ///
    /// What is drawn depends on nothing else, so that `--explain` foretells the next pick.
    pub fn order(&self, db: &Connection, model: &Model, runs: i64) -> Result<Order> {
        if let Some(key) = self.sticky {
            return Ok(Order::Sticky(chance::hash(&[key])));
        }
        Ok(match self.strategy.unwrap_or(model.strategy) {
            Strategy::RoundRobin => Order::RoundRobin,
            Strategy::LeastBusy => Order::LeastBusy,
            Strategy::Ordered => Order::Ordered,
            Strategy::SoonestReset => Order::SoonestReset,
            Strategy::Random => {
                let seed = match &self.seed {
                    Some(seed) => seed.clone(),
                    None => db.query_row("SELECT seed FROM chance", [], |row| row.get(0))?,
                };
                Order::Random(chance::hash(&[&seed, &model.name, &runs.to_string()]))
            }
        })
    }

    /// The name of the queue in which calls wait that any of the same providers can serve.
    pub fn queue(&self, model: &Model) -> String {
        let names = model.providers.iter().map(|provider| provider.name.as_str());
        let left_out: Vec<&str> = names.filter(|name| self.excludes(&model.name, name)).collect();
        format!("{} -{}", model.name, left_out.join(" -"))
    }
}

impl From<cli::Strategy> for Strategy {
    fn from(strategy: cli::Strategy) -> Self {
        match strategy {
            cli::Strategy::RoundRobin => Self::RoundRobin,
            cli::Strategy::LeastBusy => Self::LeastBusy,
            cli::Strategy::Ordered => Self::Ordered,
            cli::Strategy::SoonestReset => Self::SoonestReset,
            cli::Strategy::Random => Self::Random,
        }
    }
}
