//! What `ar setup init` must know: asked on a terminal, read from a file, or taken as it usually is.

use crate::ask;
use crate::detect::{self, Agent};
use crate::earlier::{self, Earlier};
use crate::known::{Known, by_name};
use crate::login::{Login, State};
use crate::places::{Kind, Place};
use crate::probe::PATIENCE;
use anyhow::Context;
use ar_core::clock::{Stamp, parse_duration};
use ar_core::config::{is_name, with_nearest};
use ar_core::{Failure, paths};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::io::Write;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::{Duration, Instant};

/// How often a login is looked for.
const PAUSE: Duration = Duration::from_secs(1);

/// The answers. Each has a usual value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answers {
    /// The agents to use, by the names that `detect` prints; all where there are none.
    pub agents: Option<Vec<String>>,
    /// Further accounts of agents.
    pub accounts: Vec<NewAccount>,
    /// The tier of each agent and account; 1 where it is not named.
    pub tiers: BTreeMap<String, u32>,
    /// The limit on wall time of a run.
    pub timeout: Option<String>,
    /// How many runs of each agent and account may go at once; any number where it is not named.
    pub max_parallel: BTreeMap<String, NonZeroU32>,
    /// The model that is asked why a run failed when no rule knows.
    pub diagnostics_model: Option<String>,
    /// The model of a call that names none.
    pub default: Option<String>,
    /// Whether files that exist are written anew.
    pub replace: bool,
    /// Whether a person was asked everything, so that what is not chosen is not wanted.
    #[serde(skip)]
    pub is_all: bool,
}

/// A further account of an agent, told from the first by the directory of its login.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewAccount {
    /// The agent.
    pub agent: String,
    /// What to call it.
    pub name: String,
    /// The directory of its login.
    pub directory: String,
}

impl Answers {
    /// Reads a file of answers.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read '{}'", file.display()))?;
        toml::from_str(&text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or("");
            let (line, message) = (1 + before.matches('\n').count(), error.message().replace('`', "'"));
            Failure::trouble(format!("{}:{line}: {message}", file.display())).into()
        })
    }

    /// The ways to agents that are wanted: those chosen of what was found, and the further accounts.
    pub fn places(&self, found: &[Place]) -> anyhow::Result<Vec<Place>> {
        let mut places = Vec::new();
        match &self.agents {
            None => places.extend(found.iter().cloned()),
            Some(names) => {
                for name in names {
                    places.push(named(name, found)?.clone());
                }
            }
        }
        for account in &self.accounts {
            places.push(account.place(named(&account.agent, found)?)?);
        }
        self.refuse_strangers(&places)?;
        Ok(places)
    }

    /// Refuses a tier or a limit for somebody who is not among those chosen.
    fn refuse_strangers(&self, places: &[Place]) -> anyhow::Result<()> {
        let names = || places.iter().map(|place| place.name.as_str());
        let keys = self.tiers.keys().map(|name| ("tiers", name));
        let mut keys = keys.chain(self.max_parallel.keys().map(|name| ("max_parallel", name)));
        match keys.find(|(_, name)| names().all(|known| known != name.as_str())) {
            None => Ok(()),
            Some((key, name)) => {
                let failure =
                    Failure::trouble(format!("'{key}' names '{name}', which is no agent or account chosen"));
                Err(with_nearest(failure, name, names()).into())
            }
        }
    }
}

fn named<'a>(name: &str, found: &'a [Place]) -> anyhow::Result<&'a Place> {
    found.iter().find(|place| place.name == name).ok_or_else(|| {
        let failure = Failure::trouble(format!("there is no agent '{name}' on this machine"));
        with_nearest(failure, name, found.iter().map(|place| place.name.as_str())).into()
    })
}

impl NewAccount {
    /// The way to this account: the agent with the directory of its login moved.
    fn place(&self, agent: &Place) -> anyhow::Result<Place> {
        checked_name(&self.name).map_err(Failure::trouble)?;
        let credential = by_name(agent.known).and_then(|known| known.credential);
        let credential = credential.with_context(|| format!("'{}' keeps one login alone", agent.name))?;
        let home = paths::home().map(|home| home.display().to_string());
        let directory = match (self.directory.strip_prefix("~/"), home) {
            (Some(below), Some(home)) => format!("{home}/{below}"),
            _ => self.directory.clone(),
        };
        let env = vec![(credential.variable.to_owned(), directory)];
        Ok(Place { name: self.name.clone(), env, kind: Kind::Alias, ..agent.clone() })
    }
}

fn checked_name(name: &str) -> Result<(), String> {
    if is_name(name) {
        Ok(())
    } else {
        Err(format!("'{name}' cannot be a name: use letters, digits and . _ + @ -"))
    }
}

/// Asks a person everything, and proposes what was answered before.
pub fn asked(found: &[Place], earlier: &Earlier, out: &mut impl Write) -> anyhow::Result<Answers> {
    let agents = detect::ask_all(found, Stamp::now()?, PATIENCE)?;
    let mut answers =
        Answers { agents: Some(which_agents(&agents, &earlier.agents(&agents))?), ..Answers::default() };
    let chosen: Vec<&Place> = found
        .iter()
        .filter(|place| answers.agents.iter().flatten().any(|name| *name == place.name))
        .collect();
    for place in &chosen {
        answers.accounts.extend(further_accounts(place, earlier.accounts(place, found))?);
    }
    for place in answers.places(found)? {
        await_login(&place, out)?;
    }
    let mut names: Vec<String> = answers.places(found)?.into_iter().map(|place| place.name).collect();
    if names.len() > 1 {
        let alike = "all alike: each run goes to the one used least";
        let order = "in order: the next only while those before cannot serve";
        // A person who presses Enter throughout gets the order that was.
        names.sort_by_key(|name| earlier.tier(name));
        let before = usize::from(earlier.is_ordered());
        if ask::choice("How are they used?", vec![alike, order], before)? == order {
            for tier in 1.. {
                let Some(next) = next_in_order(&mut names, tier)? else { break };
                answers.tiers.insert(next, tier);
            }
        }
    }
    let valid =
        |text: &str| parse_duration(text).map(drop).map_err(|_| "say it like 90s, 30m or 2h".to_owned());
    let timeout = ask::text("End a run after", &earlier.timeout(), valid)?;
    answers.timeout = Some(timeout).filter(|timeout| timeout != earlier::TIMEOUT);
    answers.max_parallel = limits(&answers.places(found)?, earlier)?;
    let mut models = vec!["any".to_owned()];
    let mut known: Vec<String> = chosen.iter().map(|place| place.known.to_owned()).collect();
    known.dedup();
    models.extend(known);
    let at = |models: &[String], model: Option<&str>| {
        models.iter().position(|name| Some(name.as_str()) == model).unwrap_or(0)
    };
    let before = at(&models, earlier.default());
    answers.default =
        Some(ask::choice("Which model serves a call that names none?", models.clone(), before)?);
    let none = "none: such a run counts as failed";
    models.insert(0, none.to_owned());
    let before = at(&models, earlier.diagnostics_model());
    let asked = ask::choice("Which model is asked why a run failed when no rule knows?", models, before)?;
    answers.is_all = true;
    answers.diagnostics_model = Some(asked).filter(|asked| asked != none);
    Ok(answers)
}

/// How many runs may go at once.
fn limits(places: &[Place], earlier: &Earlier) -> anyhow::Result<BTreeMap<String, NonZeroU32>> {
    let mut limits = BTreeMap::new();
    if !ask::confirm("Limit how many runs go at once?", earlier.is_limited())? {
        return Ok(limits);
    }
    for place in places {
        let valid = |text: &str| match text.parse::<u32>() {
            Ok(_) => Ok(()),
            Err(_) => Err("a whole number, 0 for no limit".to_owned()),
        };
        let most = ask::text(
            &format!("  Of {}, at most (0: no limit)", place.name),
            &earlier.limit(&place.name),
            valid,
        )?;
        limits.extend(most.parse().ok().map(|most| (place.name.clone(), most)));
    }
    Ok(limits)
}

fn which_agents(agents: &[Agent], before: &[usize]) -> anyhow::Result<Vec<String>> {
    let lines: Vec<String> = agents
        .iter()
        .map(|agent| {
            let state = match agent.login.state {
                State::In => "logged in",
                State::Out => "not logged in",
                State::Expired => "login expired",
                State::Damaged => "login cannot be read",
                State::Unknown => "login unknown",
            };
            format!("{} {} ({state})", agent.name, agent.version.as_deref().unwrap_or(""))
        })
        .collect();
    let chosen = ask::choices("Which agents?", lines.clone(), before)?;
    let names = agents.iter().zip(&lines).filter(|(_, line)| chosen.contains(line));
    let names: Vec<String> = names.map(|(agent, _)| agent.name.clone()).collect();
    if names.is_empty() {
        return Err(Failure::trouble("no agent was chosen; nothing was written").into());
    }
    Ok(names)
}

fn further_accounts(place: &Place, before: Vec<NewAccount>) -> anyhow::Result<Vec<NewAccount>> {
    let mut accounts: Vec<NewAccount> = Vec::new();
    let Some(Known { credential: Some(credential), .. }) = by_name(place.known) else { return Ok(accounts) };
    if place.kind != Kind::Program || credential.default.is_empty() {
        return Ok(accounts);
    }
    for account in before {
        if ask::confirm(&format!("Keep the account {} in {}?", account.name, account.directory), true)? {
            accounts.push(account);
        }
    }
    while ask::confirm(&format!("Another account of {}?", place.name), false)? {
        let name =
            ask::text("  What to call it", &format!("{}{}", place.name, accounts.len() + 2), checked_name)?;
        let default = format!("~/{}-{name}", credential.default);
        let directory = ask::text("  Directory of its login", &default, |text| {
            let absolute = text.starts_with('/') || text.starts_with("~/");
            if absolute { Ok(()) } else { Err("start it with / or ~/".to_owned()) }
        })?;
        accounts.push(NewAccount { agent: place.name.clone(), name, directory });
    }
    Ok(accounts)
}

/// Shows the command that logs in, and waits until it was used or the person goes on without. Tells whether there is a login.
pub fn await_login(place: &Place, out: &mut impl Write) -> anyhow::Result<bool> {
    let Some(known) = by_name(place.known).filter(|_| place.kind != Kind::Wrapper) else { return Ok(false) };
    let look = || detect::login_of(known, place, Stamp::now()?, Instant::now() + PATIENCE);
    let is_there = |login: &Login| !matches!(login.state, State::Out | State::Expired | State::Damaged);
    let mut login = look()?;
    if is_there(&login) {
        return Ok(login.state == State::In);
    }
    writeln!(out, "{} is not logged in. In another terminal:", place.name)?;
    writeln!(out, "  {}", detect::login_command(known, &place.env))?;
    write!(out, "waiting for that; enter goes on without... ")?;
    out.flush()?;
    while !is_there(&login) {
        if ask::is_entered(PAUSE)? {
            return Ok(false);
        }
        login = look()?;
    }
    writeln!(out, "done")?;
    Ok(login.state == State::In)
}

fn next_in_order(names: &mut Vec<String>, tier: u32) -> anyhow::Result<Option<String>> {
    let next = match names.len() {
        0 => return Ok(None),
        1 => names.swap_remove(0),
        _ => ask::choice(&format!("Number {tier}"), names.clone(), 0)?,
    };
    names.retain(|name| *name != next);
    Ok(Some(next))
}
