//! ar-pick's statements. Choosing and reserving are one transaction.

use crate::choose::{self, Candidate, Standing};
use crate::nobody;
use crate::reclaim;
use anyhow::{Context, Result};
use ar_core::Stamp;
use ar_core::config::{Model, Provider};
use ar_core::record::{Class, Pick, ToolError};
use ar_core::state::State;
use rusqlite::{Connection, params};
use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

/// What a run may take beyond its time limit: its end, and a diagnosis that asks a model.
const LEASE_MARGIN: Duration = Duration::from_mins(5);
/// The lease of a run without a time limit.
const LONGEST_LEASE: Duration = Duration::from_hours(24);
/// A provider with three failures within this time goes last in its tier.
const SHAKY_WINDOW: Duration = Duration::from_mins(30);
/// When to look again while another run tries a provider out.
const PROBE_PAUSE: Duration = Duration::from_secs(5);

/// What is asked of a pick.
pub struct Request<'a> {
    pub model: &'a Model,
    pub now: Stamp,
    pub only: Option<&'a str>,
    pub exclude: &'a [String],
    pub timeout: Option<Duration>,
    pub run: &'a str,
    pub call: &'a str,
    pub attempt: u32,
    /// The directory of all runs' directories.
    pub runs: &'a Path,
}

/// How a pick ended.
pub enum Picked {
    One(Pick),
    Nobody(ToolError),
}

/// A row of health that stands in a provider's way.
struct Cooldown {
    class: Class,
    retry_at: Stamp,
    probe_until: Option<Stamp>,
}

/// Chooses and reserves.
pub fn pick(state: &mut State, request: &Request) -> Result<Picked> {
    let model = request.model;
    let dead = reclaim::dead_runs(state.db(), request.runs, request.now)?;
    state.write(|db| {
        reclaim::mark_lost(db, &dead, request.now)?;
        insert_newcomers(db, model)?;
        let candidates = candidates(db, request)?;
        let levels = levels(db, model)?;
        let level = |tier| choose::level(&candidates, tier, levels.get(&tier).copied().unwrap_or(0));
        let Some(chosen) = choose::choose(&candidates, level) else {
            return Ok(Picked::Nobody(nobody::explain(model, &candidates, request.now)));
        };
        let provider = model.providers.get(chosen.index).context("the choice is not in the pool")?;
        let length = request.timeout.or(provider.timeout).map_or(LONGEST_LEASE, |limit| limit + LEASE_MARGIN);
        let pick = Pick {
            provider: provider.name.clone(),
            account: provider.account.clone(),
            at: request.now,
            lease_until: request.now.plus(length),
            probe: matches!(chosen.standing, Standing::Probe(_)),
            reason: match request.only {
                Some(_) => "asked for by name".to_owned(),
                None => choose::reason(chosen, &candidates),
            },
        };
        reserve(db, request, provider, chosen, level(chosen.tier), &pick)?;
        Ok(Picked::One(pick))
    })
}

/// All candidates as a pick would see them, without reserving anything.
pub fn look(state: &State, request: &Request) -> Result<(Vec<Candidate>, HashMap<u32, i64>)> {
    Ok((candidates(state.db(), request)?, levels(state.db(), request.model)?))
}

/// Ends the cooldowns of a provider.
pub fn reset(state: &mut State, model: &Model, provider: &Provider) -> Result<()> {
    state.write(|db| {
        for scope in scopes(model, provider) {
            db.execute("DELETE FROM health WHERE account = $1 AND scope = $2", params![provider.account, scope])?;
        }
        db.execute(
            "UPDATE provider SET blamed_1 = NULL, blamed_2 = NULL, blamed_3 = NULL WHERE model = $1 AND name = $2",
            params![model.name, provider.name],
        )?;
        Ok(())
    })
}

fn scopes(model: &Model, provider: &Provider) -> [String; 3] {
    ar_core::state::scopes(&model.name, &provider.name)
}

/// A provider without a counter, or moved to another tier, starts level with the least used of its tier.
fn insert_newcomers(db: &Connection, model: &Model) -> Result<()> {
    let known = counters(db, &model.name)?;
    for provider in &model.providers {
        if known.get(&provider.name).is_some_and(|counter| counter.tier == provider.tier) {
            continue;
        }
        db.prepare(
            "INSERT INTO provider (model, name, tier, runs, pass) VALUES ($1, $2, $3, 0, \
               coalesce((SELECT level FROM pool WHERE model = $1 AND tier = $3), 0)) \
             ON CONFLICT (model, name) DO UPDATE SET tier = excluded.tier, pass = excluded.pass",
        )?
        .execute(params![model.name, provider.name, provider.tier])?;
    }
    Ok(())
}

struct Counter {
    tier: u32,
    runs: i64,
    pass: i64,
    third_blame: Option<Stamp>,
}

fn counters(db: &Connection, model: &str) -> Result<HashMap<String, Counter>> {
    let mut select = db.prepare("SELECT name, tier, runs, pass, blamed_3 FROM provider WHERE model = $1")?;
    let rows = select.query_map([model], |row| {
        let third_blame = row.get::<_, Option<i64>>(4)?.map(Stamp);
        Ok((row.get(0)?, Counter { tier: row.get(1)?, runs: row.get(2)?, pass: row.get(3)?, third_blame }))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn levels(db: &Connection, model: &Model) -> Result<HashMap<u32, i64>> {
    let mut select = db.prepare("SELECT tier, level FROM pool WHERE model = $1")?;
    let rows = select.query_map([&model.name], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn candidates(db: &Connection, request: &Request) -> Result<Vec<Candidate>> {
    let counters = counters(db, &request.model.name)?;
    let cooldowns = cooldowns(db)?;
    let alive = in_flight(db, &request.model.name)?;
    let mut candidates = Vec::with_capacity(request.model.providers.len());
    for (index, provider) in request.model.providers.iter().enumerate() {
        let counter = counters.get(&provider.name).filter(|counter| counter.tier == provider.tier);
        let in_flight = alive.get(&provider.name).copied().unwrap_or(0);
        candidates.push(Candidate {
            index,
            tier: provider.tier,
            weight: provider.weight,
            pass: counter.map_or(0, |counter| counter.pass),
            runs: counter.map_or(0, |counter| counter.runs),
            in_flight,
            shaky: counter
                .and_then(|counter| counter.third_blame)
                .is_some_and(|third| third <= request.now && request.now.since(third) < SHAKY_WINDOW),
            excluded: request.only.is_some_and(|only| only != provider.name)
                || request.exclude.contains(&provider.name),
            standing: standing(request, provider, &cooldowns, in_flight),
        });
    }
    Ok(candidates)
}

fn standing(
    request: &Request,
    provider: &Provider,
    cooldowns: &HashMap<(String, String), Cooldown>,
    in_flight: i64,
) -> Standing {
    if provider.disabled {
        return Standing::Disabled;
    }
    let worst = scopes(request.model, provider)
        .into_iter()
        .filter_map(|scope| cooldowns.get(&(provider.account.clone(), scope)))
        .map(|cooldown| match cooldown.probe_until {
            _ if request.now < cooldown.retry_at => Standing::Cooling(cooldown.class, cooldown.retry_at),
            Some(until) if request.now < until => {
                Standing::Probing(cooldown.class, until.min(request.now.plus(PROBE_PAUSE)))
            }
            _ => Standing::Probe(cooldown.class),
        })
        .max_by_key(|standing| match standing {
            Standing::Cooling(_, at) => (2, *at),
            Standing::Probing(_, at) => (1, *at),
            _ => (0, request.now),
        });
    match worst {
        Some(cooling @ (Standing::Cooling(..) | Standing::Probing(..))) => cooling,
        _ if provider.max_parallel.is_some_and(|most| in_flight >= i64::from(most)) => Standing::Full,
        Some(probe) => probe,
        None => Standing::Ready,
    }
}

/// All cooldowns by account and scope: a short table, one row for each that lasts.
fn cooldowns(db: &Connection) -> Result<HashMap<(String, String), Cooldown>> {
    let mut select = db.prepare("SELECT account, scope, class, retry_at, probe_until FROM health")?;
    let mut rows = select.query([])?;
    let mut cooldowns = HashMap::new();
    while let Some(row) = rows.next()? {
        let class: String = row.get(2)?;
        let cooldown = Cooldown {
            class: Class::parse(&class)?,
            retry_at: Stamp(row.get(3)?),
            probe_until: row.get::<_, Option<i64>>(4)?.map(Stamp),
        };
        cooldowns.insert((row.get(0)?, row.get(1)?), cooldown);
    }
    Ok(cooldowns)
}

fn in_flight(db: &Connection, model: &str) -> Result<HashMap<String, i64>> {
    let mut select = db.prepare(
        "SELECT provider, count(*) FROM run WHERE status = 'picked' AND model = $1 GROUP BY provider",
    )?;
    let rows = select.query_map([model], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

fn reserve(
    db: &Connection,
    request: &Request,
    provider: &Provider,
    chosen: &Candidate,
    level: i64,
    pick: &Pick,
) -> Result<()> {
    let model = &request.model.name;
    db.prepare(
        "INSERT INTO pool (model, tier, level) VALUES ($1, $2, $3) \
         ON CONFLICT (model, tier) DO UPDATE SET level = excluded.level",
    )?
    .execute(params![model, chosen.tier, level])?;
    db.prepare("UPDATE provider SET runs = runs + 1, pass = $1 WHERE model = $2 AND name = $3")?
        .execute(params![choose::next_pass(chosen, level), model, provider.name])?;
    if pick.probe {
        let [account, in_model, own] = scopes(request.model, provider);
        db.prepare(
            "UPDATE health SET probe_run = $1, probe_until = $2 WHERE account = $3 AND scope IN ($4, $5, $6)",
        )?
        .execute(params![request.run, pick.lease_until.0, pick.account, account, in_model, own])?;
    }
    db.prepare(
        "INSERT INTO run (id, call_id, attempt, model, provider, account, status, host, picked_at, lease_until) \
         VALUES ($1, $2, $3, $4, $5, $6, 'picked', $7, $8, $9)",
    )?
    .execute(params![
        request.run,
        request.call,
        request.attempt,
        model,
        pick.provider,
        pick.account,
        ar_core::state::host(),
        pick.at.0,
        pick.lease_until.0
    ])?;
    Ok(())
}
