//! Choosing and reserving, which are one transaction.

use crate::choose::{Candidate, Pool, Standing};
use crate::request::Request;
use crate::{explain, nobody, pool, queue, reclaim};
use anyhow::{Context, Result};
use ar_core::config::{Model, Provider};
use ar_core::record::{Pick, ToolError};
use ar_core::state::{State, host, scopes};
use ar_core::watch;
use rusqlite::{Connection, params};
use std::time::Duration;

/// What a run may take beyond its time limit: its end, and a diagnosis that asks a model.
const LEASE_MARGIN: Duration = Duration::from_mins(5);
/// The lease of a run without a time limit.
const LONGEST_LEASE: Duration = Duration::from_hours(24);

/// How a pick ended.
pub enum Picked {
    One(Pick),
    Nobody(ToolError),
    /// Others wait for the same providers and came first.
    Behind(ToolError),
}

/// Chooses and reserves.
pub fn pick(state: &mut State, request: &Request, model: &Model) -> Result<Picked> {
    let dead = reclaim::dead_runs(state.db(), &request.place.runs(), request.now)?;
    state.write(|db| {
        reclaim::mark_lost(db, &dead, request.now)?;
        let pool = pool::read(db, request, model, &[])?;
        let Some(chosen) = pool.choose() else {
            return Ok(Picked::Nobody(nobody::explain(request, model, &pool.candidates)));
        };
        if queue::ahead(db, request, model)?.is_some() {
            return Ok(Picked::Behind(nobody::behind(model, request.now)));
        }
        let provider = model.providers.get(chosen.index).context("the choice is not in the pool")?;
        let length = request.timeout.or(provider.timeout).map_or(LONGEST_LEASE, |limit| limit + LEASE_MARGIN);
        let pick = Pick {
            provider: provider.name.clone(),
            account: provider.account.clone(),
            at: request.now,
            lease_until: request.now.plus(length),
            probe: matches!(chosen.standing, Standing::Probe(_)),
            reason: pool.reason(chosen),
        };
        count(db, model, provider, chosen, &pool)?;
        if pick.probe {
            lease_trial(db, request, model, &pick)?;
        }
        insert_run(db, request, model, &pick, &explain::trace(&pool)?)?;
        queue::leave(db, request.run)?;
        Ok(Picked::One(pick))
    })
}

/// Moves the counters of the chosen one. The tier's level is what newcomers start from.
fn count(db: &Connection, model: &Model, provider: &Provider, chosen: &Candidate, pool: &Pool) -> Result<()> {
    db.prepare(
        "INSERT INTO pool (model, tier, level) VALUES ($1, $2, $3) \
         ON CONFLICT (model, tier) DO UPDATE SET level = excluded.level",
    )?
    .execute(params![model.name, chosen.tier, pool.level(chosen.tier)])?;
    let watch = serde_json::to_string(&watch::of_provider(model, provider))?;
    db.prepare(
        "INSERT INTO provider (model, name, tier, runs, pass, watch) VALUES ($1, $2, $3, 1, $4, $5) \
         ON CONFLICT (model, name) DO UPDATE SET tier = excluded.tier, runs = provider.runs + 1, \
           pass = excluded.pass, watch = excluded.watch",
    )?
    .execute(params![model.name, provider.name, provider.tier, pool.next_pass(chosen), watch])?;
    Ok(())
}

/// Makes the run the only one that tries the provider out.
fn lease_trial(db: &Connection, request: &Request, model: &Model, pick: &Pick) -> Result<()> {
    let [account, in_model, own] = scopes(&model.name, &pick.provider);
    db.prepare(
        "UPDATE health SET probe_run = $1, probe_until = $2 WHERE account = $3 AND scope IN ($4, $5, $6)",
    )?
    .execute(params![request.run, pick.lease_until.0, pick.account, account, in_model, own])?;
    Ok(())
}

fn insert_run(db: &Connection, request: &Request, model: &Model, pick: &Pick, why: &str) -> Result<()> {
    db.prepare(
        "INSERT INTO run \
           (id, call_id, attempt, model, provider, account, status, host, picked_at, lease_until, why, owner) \
         VALUES ($1, $2, $3, $4, $5, $6, 'picked', $7, $8, $9, $10, $11)",
    )?
    .execute(params![
        request.run,
        request.call,
        request.attempt,
        model.name,
        pick.provider,
        pick.account,
        host(),
        pick.at.0,
        pick.lease_until.0,
        why,
        request.owner,
    ])?;
    Ok(())
}
