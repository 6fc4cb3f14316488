//! What a person answered `ar setup init` before, read from what it wrote: the second time each question proposes that.

use crate::advice;
use crate::answers::NewAccount;
use crate::detect::Agent;
use crate::init::POOL;
use crate::places::{Kind, Place};
use ar_core::clock::{parse_duration, show_duration};
use ar_core::config::{Config, Model, Provider};
use std::path::Path;
use std::time::Duration;

/// The limit on wall time where none was chosen.
pub const TIMEOUT: &str = "1h";

/// The configuration as it is.
#[derive(Debug)]
pub struct Earlier {
    config: Config,
    /// The providers of the pool of all agents; none where there is no pool.
    providers: Vec<Provider>,
}

impl Earlier {
    /// Reads it. A pool that cannot be read proposes nothing; it is about to be written anew.
    pub fn read(dir: &Path) -> anyhow::Result<Self> {
        let providers = Model::load(dir, POOL).map(|model| model.providers).unwrap_or_default();
        Ok(Self { config: Config::load(dir)?, providers })
    }

    fn provider(&self, name: &str) -> Option<&Provider> {
        self.providers.iter().find(|provider| provider.name == name)
    }

    /// Which of the agents were chosen, by index; all where none was.
    pub fn agents(&self, agents: &[Agent]) -> Vec<usize> {
        let chosen = agents.iter().enumerate().filter(|(_, agent)| self.provider(&agent.name).is_some());
        let chosen: Vec<usize> = chosen.map(|(at, _)| at).collect();
        if chosen.is_empty() { (0..agents.len()).collect() } else { chosen }
    }

    /// The further accounts of an agent: providers that nothing on the machine is called like, with a login of their own.
    pub fn accounts(&self, agent: &Place, found: &[Place]) -> Vec<NewAccount> {
        let of_agent = self.providers.iter().filter_map(|provider| {
            let credential = advice::known(provider).filter(|known| known.name == agent.known)?.credential?;
            let directory = provider.env.get(credential.variable)?.clone();
            let is_found = found.iter().any(|place| place.name == provider.name);
            let account = NewAccount { agent: agent.name.clone(), name: provider.name.clone(), directory };
            (!is_found).then_some(account)
        });
        if agent.kind == Kind::Program { of_agent.collect() } else { Vec::new() }
    }

    /// Whether they serve in an order.
    pub fn is_ordered(&self) -> bool {
        self.providers.iter().any(|provider| provider.tier != 1)
    }

    /// The tier of a provider, the last one for a newcomer.
    pub fn tier(&self, name: &str) -> u32 {
        self.provider(name).map_or(u32::MAX, |provider| provider.tier)
    }

    /// The limit on wall time.
    pub fn timeout(&self) -> String {
        match self.providers.first().map(|provider| provider.timeout) {
            None => TIMEOUT.to_owned(),
            Some(timeout) => exactly(timeout.unwrap_or(Duration::ZERO)),
        }
    }

    /// Whether any account has a limit.
    pub fn is_limited(&self) -> bool {
        self.config.accounts.values().any(|account| account.max_parallel.is_some())
    }

    /// How many runs of an account may go at once, in words for the question.
    pub fn limit(&self, name: &str) -> String {
        let limit = self.config.accounts.get(name).and_then(|account| account.max_parallel);
        let usual = if self.is_limited() { "0" } else { "2" };
        limit.map_or(usual.to_owned(), |limit| limit.to_string())
    }

    /// The model of a call that names none.
    pub fn default(&self) -> Option<&str> {
        self.config.model.as_deref()
    }

    /// The model that is asked why a run failed.
    pub fn diagnostics_model(&self) -> Option<&str> {
        self.config.diagnostics_model.as_deref()
    }
}

/// A length of time as a person would write it, and to the second.
fn exactly(time: Duration) -> String {
    let shown = show_duration(time);
    if parse_duration(&shown).ok() == Some(time) { shown } else { format!("{}s", time.as_secs()) }
}
