//! Which of the agents' own sessions a run goes on with. A session lives in one provider's account, so it binds the choice.

use crate::cli::Cli;
use anyhow::{Context, Result};
use ar_core::Failure;
use ar_core::config::Model;
use ar_core::record::{Session, Usage};
use ar_core::state::State;
use rusqlite::{OptionalExtension, Row, params};
use serde_json::Value;

/// The longest name of a session, in bytes: it stands in the record, whose line must stay short.
const MAX_NAME: usize = 256;

/// The session that is asked for, and the provider that has it, if there is one.
pub struct Asked {
    pub session: Session,
    pub provider: Option<String>,
    /// Why a session that there is cannot go on, and is begun anew.
    pub lost: Option<String>,
}

impl Asked {
    /// What a message calls the session.
    pub fn label(&self) -> String {
        match &self.session.name {
            Some(name) => format!("session '{name}'"),
            None => "the last session".to_owned(),
        }
    }
}

/// Looks up what the command line asks for.
///
/// A name without a session begins one; so does a session whose provider is no longer in the model, or is not the one asked
/// for. To continue where nothing went before is an error.
pub fn find(state: &State, cli: &Cli, model: &Model) -> Result<Option<Asked>> {
    let mut asked = match &cli.session {
        Some(name) => {
            check_name(name)?;
            let found = if cli.afresh { None } else { named(state, name, &model.name)? };
            going_on(name, found, cli, model)
        }
        None if cli.resume => {
            let (provider, id) = last(state, &model.name, cli.provider.as_deref())?;
            if model.provider(&provider).is_err() {
                let message = format!(
                    "the last session of model '{}' is with '{provider}', which it has no more",
                    model.name
                );
                return Err(Failure::trouble(message).into());
            }
            let session = Session { name: None, id: Some(id), usage: None };
            Asked { session, provider: Some(provider), lost: None }
        }
        None => return Ok(None),
    };
    let session = &mut asked.session;
    session.usage = session.id.as_ref().map(|id| used(state, id)).transpose()?.flatten();
    Ok(Some(asked))
}

/// The session of that name with who has it, or the beginning of one.
fn going_on(name: &str, found: Option<(String, String)>, cli: &Cli, model: &Model) -> Asked {
    let why = |provider: &str| match &cli.provider {
        Some(asked) if asked != provider => Some(format!("is with '{provider}'")),
        _ if model.provider(provider).is_err() => {
            Some(format!("is with '{provider}', which model '{}' has no more", model.name))
        }
        _ => None,
    };
    let lost = found.as_ref().and_then(|(provider, _)| why(provider));
    let (provider, id) = found.filter(|_| lost.is_none()).unzip();
    Asked { session: Session { name: Some(name.to_owned()), id, usage: None }, provider, lost }
}

/// Refuses a name that an empty variable gave, or that could not be shown.
fn check_name(name: &str) -> Result<(), Failure> {
    let problem = match name.len() {
        0 => "is empty".to_owned(),
        _ if name.chars().any(char::is_control) => "has a control character in it".to_owned(),
        length if length > MAX_NAME => format!("has {length} bytes, and {MAX_NAME} is the limit"),
        _ => return Ok(()),
    };
    Err(Failure::trouble(format!("the name of the session {problem}")))
}

fn named(state: &State, name: &str, model: &str) -> Result<Option<(String, String)>> {
    let sql = "SELECT provider, id FROM session WHERE name = $1 AND model = $2";
    state.db().query_row(sql, [name, model], pair).optional().context("cannot read the session")
}

/// The session of the model's last good run, of one provider's where that is asked for.
fn last(state: &State, model: &str, provider: Option<&str>) -> Result<(String, String)> {
    let sql = "SELECT provider, session FROM run WHERE model = $1 AND verdict = 'ok' AND session IS NOT NULL \
               AND ($2 IS NULL OR provider = $2) ORDER BY picked_at DESC LIMIT 1";
    let last = state.db().query_row(sql, params![model, provider], pair).optional();
    let of = provider.map_or_else(String::new, |provider| format!("provider '{provider}' of "));
    last.context("cannot read the last session")?
        .ok_or_else(|| Failure::trouble(format!("{of}model '{model}' has no session to go on with")).into())
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
