//! ar-log's statements that write. A run, its provider's counters and its health are one transaction.

use crate::content::{Content, payload_bytes};
use crate::cooldown::{self, Rest, Span};
use crate::payload;
use crate::redact::Secrets;
use crate::row::Run;
use anyhow::{Context, Result};
use ar_core::config::Cooldown;
use ar_core::record::{Class, Diagnosis, Exec, Pick, Scope, Session, Verdict};
use ar_core::state::{State, end_cooldown, scopes};
use ar_core::{Record, Stamp, watch};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::Path;

/// How much of a run the history keeps.
#[derive(Debug, Clone, Copy)]
pub enum Keep {
    /// The row, and no more than counters and health need in it.
    Counters,
    /// Who, when, how long, what it cost and how it ended, but nothing that was said.
    Facts,
    /// So many bytes of prompt and answer, too.
    All(u64),
}

/// The row of a record and what was said, as far as either is kept, without secrets.
pub fn row(
    state_file: &Path,
    record: &Record,
    code: u8,
    now: Stamp,
    (keep, secrets): (Keep, &Secrets),
) -> Result<(Run, Content)> {
    let mut row = Run::of(record, code, now)?;
    row.hide(secrets);
    let mut content = Content::default();
    match keep {
        Keep::Counters => {}
        Keep::Facts => {
            let mut facts = record.clone();
            facts.forget_texts();
            row.pack(&facts, state_file, secrets);
        }
        Keep::All(most) => {
            row.pack(record, state_file, secrets);
            if let Some(dir) = record.dir() {
                payload::mask(&dir, secrets)?;
                content = Content::read(&dir, most, secrets)?;
                row.prompt = Some(content.words.clone()).filter(|words| !words.is_empty());
                row.payload_bytes = i64::try_from(payload_bytes(&dir)?).ok();
            }
        }
    }
    Ok((row, content))
}

/// Stores a run. One that is stored already stays as it is: a replayed record counts once.
pub fn store(
    state: &mut State,
    record: &Record,
    (row, content): &(Run, Content),
    now: Stamp,
    rules: &Cooldown,
) -> Result<()> {
    state.write(|db| {
        if !row.insert(db)? {
            return Ok(());
        }
        content.insert(db, &row.id)?;
        let pick: Option<Pick> = record.get("pick")?;
        if let (Some(pick), Some(diagnosis)) = (pick, record.get::<Diagnosis>("diagnosis")?) {
            match diagnosis.verdict {
                Verdict::Ok => {
                    clear(db, record, &pick, now)?;
                    keep_session(db, record, &pick, now)?;
                }
                Verdict::Provider => blame(db, record, &pick, &diagnosis, now, rules)?,
                // What a cancelled run began goes on with the next call. Where another provider may take over, the name
                // is not bound to one that failed.
                Verdict::Task => keep_session(db, record, &pick, now)?,
                Verdict::Network | Verdict::Caller => {}
            }
        }
        db.execute(
            "UPDATE health SET probe_run = NULL, probe_until = NULL WHERE probe_run = $1",
            [record.run()],
        )?;
        Ok(())
    })
}

/// A success ends the cooldowns that it tried out and those that began before the run did: it proves nothing about later
/// ones, unless their beginning still lies ahead because the clock was set back.
fn clear(db: &Connection, record: &Record, pick: &Pick, now: Stamp) -> Result<()> {
    let [account, in_model, own] = scopes(record.text("model").unwrap_or(""), &pick.provider);
    let mut delete = db.prepare(
        "DELETE FROM health WHERE account = $1 AND scope IN ($2, $3, $4) \
           AND (opened_at <= $5 OR opened_at > $6 OR probe_run = $7) RETURNING run",
    )?;
    let skewed = now.plus(Cooldown::SKEW).0;
    let params = params![pick.account, account, in_model, own, pick.at.0, skewed, record.run()];
    let ended = delete.query_map(params, |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()?;
    ended.iter().try_for_each(|run| end_cooldown(db, run, now)).context("cannot end a cooldown")
}

/// Keeps the agent's session under the name that the caller gave it.
fn keep_session(db: &Connection, record: &Record, pick: &Pick, now: Stamp) -> Result<()> {
    let name = record.get::<Session>("session")?.and_then(|session| session.name);
    let id = record.get::<Exec>("exec")?.and_then(|exec| exec.session);
    let (Some(name), Some(id)) = (name, id) else { return Ok(()) };
    db.execute(
        "INSERT INTO session (name, model, provider, id, used_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (name, model) DO UPDATE SET provider = excluded.provider, id = excluded.id, \
           used_at = excluded.used_at",
        params![name, record.text("model"), pick.provider, id, now.0],
    )?;
    Ok(())
}

fn blame(
    db: &Connection,
    record: &Record,
    pick: &Pick,
    diagnosis: &Diagnosis,
    now: Stamp,
    rules: &Cooldown,
) -> Result<()> {
    let model = record.text("model").unwrap_or("");
    db.execute(
        "UPDATE provider SET blamed_3 = blamed_2, blamed_2 = blamed_1, blamed_1 = $1 WHERE model = $2 AND name = $3",
        params![now.0, model, pick.provider],
    )?;
    let [account, in_model, own] = scopes(model, &pick.provider);
    let scope = match diagnosis.scope {
        None | Some(Scope::Account) => account,
        Some(Scope::Model) => in_model,
        Some(Scope::Provider) => own,
    };
    let (holder, before) = standing(db, &pick.account, &scope)?.unzip();
    let span = Span { picked_at: pick.at, now, is_trial: pick.probe };
    let Some(rest) = cooldown::rest(rules, diagnosis, before, span, chance(record.run())) else {
        return Ok(());
    };
    db.execute(
        "INSERT INTO health (account, scope, class, detail, run, opened_at, retry_at, resets_at, strikes, watched) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) \
         ON CONFLICT (account, scope) DO UPDATE SET class = excluded.class, detail = excluded.detail, \
           run = excluded.run, opened_at = excluded.opened_at, retry_at = excluded.retry_at, \
           resets_at = excluded.resets_at, strikes = excluded.strikes, watched = excluded.watched",
        params![
            pick.account,
            scope,
            rest.class.name(),
            diagnosis.detail,
            record.run(),
            rest.opened_at.0,
            rest.retry_at.0,
            rest.resets_at.map(|at| at.0),
            rest.strikes,
            watched(db, model, &pick.provider, rest.class)?,
        ],
    )?;
    if let Some(holder) = holder {
        end_cooldown(db, &holder, now)?;
    }
    db.execute("UPDATE run SET cooled_until = $1 WHERE id = $2", params![rest.retry_at.0, record.run()])?;
    Ok(())
}

/// The rest that lasts, and the run whose failure made it.
fn standing(db: &Connection, account: &str, scope: &str) -> Result<Option<(String, Rest)>> {
    let row = db
        .query_row(
            "SELECT class, opened_at, retry_at, resets_at, strikes, run FROM health WHERE account = $1 AND scope = $2",
            params![account, scope],
            |row| {
                Ok((row.get::<_, String>(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
            },
        )
        .optional()
        .context("cannot read the provider's health")?;
    let Some((class, opened_at, retry_at, resets_at, strikes, run)) = row else { return Ok(None) };
    let rest = Rest {
        class: Class::parse(&class)?,
        opened_at: Stamp(opened_at),
        retry_at: Stamp(retry_at),
        resets_at: Option::<i64>::map(resets_at, Stamp),
        strikes,
    };
    Ok(Some((run, rest)))
}

/// How the files look whose change would end a cooldown, as they were left by the run. Nothing that a person could change
/// ends a rate limit.
fn watched(db: &Connection, model: &str, provider: &str, class: Class) -> Result<Option<String>> {
    if class == Class::RateLimit {
        return Ok(None);
    }
    let list: Option<String> = db
        .query_row("SELECT watch FROM provider WHERE model = $1 AND name = $2", [model, provider], |row| {
            row.get(0)
        })
        .optional()
        .context("cannot read what is watched")?
        .flatten();
    let Some(list) = list else { return Ok(None) };
    let list: Vec<String> =
        serde_json::from_str(&list).context("the list of files to watch in the state database is damaged")?;
    watch::look(&list).map(Some)
}

/// A number that differs from run to run: the random end of its id.
fn chance(run: &str) -> u64 {
    run.bytes().rev().take(8).fold(0, |sum, byte| sum.wrapping_mul(33).wrapping_add(u64::from(byte)))
}
