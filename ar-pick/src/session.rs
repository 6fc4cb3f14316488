//! Which of the agents' own sessions a run goes on with. A session lives in one provider's account, so it binds the choice.

use crate::cli::Cli;
use anyhow::{Context, Result};
use ar_core::Failure;
use ar_core::config::Model;
use ar_core::record::Session;
use ar_core::state::State;
use rusqlite::{OptionalExtension, Row};

/// The session that is asked for, and the provider that has it, if there is one.
pub struct Asked {
    pub session: Session,
    pub provider: Option<String>,
}

/// Looks up what the command line asks for.
///
/// A name without a session begins one; so does a session whose provider is no longer in the model, or is not the one asked
/// for. To continue where nothing went before is an error.
pub fn find(state: &State, cli: &Cli, model: &Model) -> Result<Option<Asked>> {
    let found = match &cli.session {
        Some(_) if cli.afresh => None,
        Some(name) => named(state, name, &model.name)?,
        None if cli.resume => Some(last(state, &model.name)?),
        None => return Ok(None),
    };
    let usable = |(provider, _): &(String, String)| {
        model.provider(provider).is_ok() && cli.provider.as_ref().is_none_or(|asked| asked == provider)
    };
    let (provider, id) = found.filter(usable).unzip();
    Ok(Some(Asked { session: Session { name: cli.session.clone(), id }, provider }))
}

fn named(state: &State, name: &str, model: &str) -> Result<Option<(String, String)>> {
    let sql = "SELECT provider, id FROM session WHERE name = $1 AND model = $2";
    state.db().query_row(sql, [name, model], pair).optional().context("cannot read the session")
}

fn last(state: &State, model: &str) -> Result<(String, String)> {
    let sql = "SELECT provider, session FROM run WHERE model = $1 AND verdict = 'ok' AND session IS NOT NULL \
               ORDER BY picked_at DESC LIMIT 1";
    let last = state.db().query_row(sql, [model], pair).optional().context("cannot read the last session")?;
    last.ok_or_else(|| Failure::trouble(format!("model '{model}' has no session to go on with")).into())
}

fn pair(row: &Row) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}
