//! What people do by hand: end cooldowns, lock a model to a provider, switch a provider off and on.

use crate::cli::Cli;
use anyhow::{Context, Result};
use ar_core::config::{Model, Provider};
use ar_core::state::{State, end_cooldown, scopes};
use ar_core::{Failure, Stamp, clock};
use rusqlite::{Connection, params};

/// What is to be done.
pub enum Deed<'a> {
    /// End the cooldowns of one provider or of all.
    Reset(Option<&'a Provider>),
    /// Send all runs to this provider, until a time or until the model is unlocked.
    Lock(&'a Provider, Option<Stamp>),
    Unlock,
    Disable(&'a Provider),
    Enable(&'a Provider),
}

impl<'a> Deed<'a> {
    /// The deed that the command line asks for, if any.
    pub fn new(cli: &Cli, model: &'a Model, now: Stamp) -> Result<Option<Self>> {
        let until = match &cli.lock_time {
            Some(time) => Some(now.plus(clock::parse_duration(time).context("--for")?)),
            None => None,
        };
        Ok(if let Some(reset) = &cli.reset {
            Some(Self::Reset(
                Some(reset.as_str())
                    .filter(|name| !name.is_empty())
                    .map(|name| model.provider(name))
                    .transpose()?,
            ))
        } else if let Some(name) = &cli.lock {
            Some(Self::Lock(model.provider(name)?, until))
        } else if cli.unlock {
            Some(Self::Unlock)
        } else if let Some(name) = &cli.disable {
            Some(Self::Disable(model.provider(name)?))
        } else if let Some(name) = &cli.enable {
            Some(Self::Enable(model.provider(name)?))
        } else {
            None
        })
    }

    /// Does it.
    pub fn perform(&self, state: &mut State, model: &Model, now: Stamp) -> Result<()> {
        state.write(|db| match self {
            Self::Reset(Some(provider)) => reset(db, model, provider, now),
            Self::Reset(None) => {
                model.providers.iter().try_for_each(|provider| reset(db, model, provider, now))
            }
            Self::Lock(provider, until) => lock(db, model, provider, *until, now),
            Self::Unlock => unlock(db, model),
            Self::Disable(provider) => switch(db, model, provider, Some(now)),
            Self::Enable(provider) if provider.disabled => Err(Failure::trouble(format!(
                "cannot enable '{}': the configuration disables it",
                provider.name
            ))
            .hint(format!("take 'disabled' out of '{}'", model.file.display()))
            .into()),
            Self::Enable(provider) => switch(db, model, provider, None),
        })
    }
}

fn reset(db: &Connection, model: &Model, provider: &Provider, now: Stamp) -> Result<()> {
    let mut delete = db.prepare("DELETE FROM health WHERE account = $1 AND scope = $2 RETURNING run")?;
    for scope in scopes(&model.name, &provider.name) {
        let ended = delete.query_map(params![provider.account, scope], |row| row.get::<_, String>(0))?;
        for run in ended.collect::<rusqlite::Result<Vec<_>>>()? {
            end_cooldown(db, &run, now)?;
        }
    }
    db.execute(
        "UPDATE provider SET blamed_1 = NULL, blamed_2 = NULL, blamed_3 = NULL WHERE model = $1 AND name = $2",
        params![model.name, provider.name],
    )?;
    // What a quota command told is asked for anew.
    db.execute("DELETE FROM quota WHERE account = $1", [&provider.account])?;
    Ok(())
}

fn lock(db: &Connection, model: &Model, provider: &Provider, until: Option<Stamp>, now: Stamp) -> Result<()> {
    db.execute(
        "INSERT INTO route (model, provider, set_at, until) VALUES ($1, $2, $3, $4) \
         ON CONFLICT (model) DO UPDATE SET provider = excluded.provider, set_at = excluded.set_at, \
           until = excluded.until",
        params![model.name, provider.name, now.0, until.map(|at| at.0)],
    )?;
    Ok(())
}

fn unlock(db: &Connection, model: &Model) -> Result<()> {
    db.execute("DELETE FROM route WHERE model = $1", [&model.name])?;
    Ok(())
}

fn switch(db: &Connection, model: &Model, provider: &Provider, off: Option<Stamp>) -> Result<()> {
    db.execute(
        "INSERT INTO provider (model, name, tier, runs, pass, switched_off) VALUES ($1, $2, $3, 0, 0, $4) \
         ON CONFLICT (model, name) DO UPDATE SET switched_off = excluded.switched_off",
        params![model.name, provider.name, provider.tier, off.map(|at| at.0)],
    )?;
    Ok(())
}
