//! Which of the agents' own sessions a run goes on with. A session lives in one provider's account, so it binds the choice.

use crate::cli::Cli;
use anyhow::{Context, Result};
use ar_core::Failure;
use ar_core::config::Model;
use ar_core::record::{Session, Usage};
use ar_core::state::State;
use rusqlite::{OptionalExtension, Row};
use serde_json::Value;

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
    let usage = id.as_ref().map(|id| used(state, id)).transpose()?.flatten();
    Ok(Some(Asked { session: Session { name: cli.session.clone(), id, usage }, provider }))
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

/// What the runs of a session have used, None where the history tells of none: some agents count from the session's
/// beginning, and what a run used by itself is the difference.
fn used(state: &State, id: &str) -> Result<Option<Usage>> {
    let sql = "SELECT input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, record FROM run \
               WHERE session = $1 AND input_tokens IS NOT NULL ORDER BY picked_at";
    let subject = "cannot read what the session has used";
    let mut found = state.db().prepare(sql).context(subject)?;
    let runs = found.query_map([id], usage).context(subject)?;
    let mut sum = None;
    for run in runs {
        sum.get_or_insert_with(Usage::default).add(&run.context(subject)?);
    }
    Ok(sum)
}

/// The tokens of a row. What has no column is in its record, where the history keeps that.
fn usage(row: &Row) -> rusqlite::Result<Usage> {
    let record: Option<String> = row.get(4)?;
    let record: Option<Value> = record.and_then(|record| serde_json::from_str(&record).ok());
    let rest = record.as_ref().and_then(|record| record.pointer("/exec/usage"));
    let count = |index| {
        let count: Option<i64> = row.get(index)?;
        Ok::<_, rusqlite::Error>(count.and_then(|count| u64::try_from(count).ok()).unwrap_or(0))
    };
    Ok(Usage {
        input_tokens: count(0)?,
        output_tokens: count(1)?,
        cache_read_tokens: count(2)?,
        cache_write_tokens: count(3)?,
        reasoning_tokens: rest.and_then(|rest| rest["reasoning_tokens"].as_u64()).unwrap_or(0),
        since_session: rest.is_some_and(|rest| rest["since_session"] == true),
        ..Usage::default()
    })
}

fn pair(row: &Row) -> rusqlite::Result<(String, String)> {
    Ok((row.get(0)?, row.get(1)?))
}
