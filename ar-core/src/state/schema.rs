//! The schema: an append-only list of steps. `user_version` counts the steps that a database has seen.

use crate::exit::Failure;
use anyhow::Context;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Steps are never changed once released, only added at the end.
///
/// Times are BIGINT milliseconds since 1970 in UTC, ids are ULIDs made by whoever inserts.
const STEPS: &[&str] = &["
    -- How far the least used provider of a tier has come: newcomers and those that come back start here.
    CREATE TABLE pool (
        model TEXT NOT NULL,
        tier  BIGINT NOT NULL,
        level BIGINT NOT NULL,
        PRIMARY KEY (model, tier)
    );

    -- Counters of each provider. pass grows by the stride of its weight with each run; the lowest is chosen next.
    -- blamed_1 to blamed_3 are the times of its last three failures, newest first. watch is the JSON list of the files
    -- whose change ends its cooldown. switched_off is when somebody did so by hand.
    CREATE TABLE provider (
        model    TEXT NOT NULL,
        name     TEXT NOT NULL,
        tier     BIGINT NOT NULL,
        runs     BIGINT NOT NULL,
        pass     BIGINT NOT NULL,
        blamed_1 BIGINT,
        blamed_2 BIGINT,
        blamed_3 BIGINT,
        watch    TEXT,
        switched_off BIGINT,
        PRIMARY KEY (model, name)
    );

    -- The provider that all runs of a model go to, until a time or until somebody releases it.
    CREATE TABLE route (
        model    TEXT NOT NULL PRIMARY KEY,
        provider TEXT NOT NULL,
        set_at   BIGINT NOT NULL,
        until    BIGINT
    );

    -- Calls that wait for a provider. Of those with the same queue the lowest place is served first. Each holds the lock
    -- of a file of its run's name for as long as it lives.
    CREATE TABLE waiter (
        run   TEXT NOT NULL PRIMARY KEY,
        queue TEXT NOT NULL,
        place BIGINT NOT NULL,
        host  TEXT NOT NULL,
        since BIGINT NOT NULL
    );

    -- What the quota command of an account told last. asked_at is when somebody began to ask.
    CREATE TABLE quota (
        account  TEXT NOT NULL PRIMARY KEY,
        asked_at BIGINT NOT NULL,
        told_at  BIGINT,
        windows  TEXT,
        problem  TEXT
    );

    -- Cooldowns. A row is there while one lasts; scope is 'account', 'model:MODEL' or 'provider:MODEL/NAME'. watched tells
    -- how the files of watch looked when it began.
    CREATE TABLE health (
        account     TEXT NOT NULL,
        scope       TEXT NOT NULL,
        class       TEXT NOT NULL,
        detail      TEXT,
        run         TEXT NOT NULL,
        opened_at   BIGINT NOT NULL,
        retry_at    BIGINT NOT NULL,
        resets_at   BIGINT,
        strikes     BIGINT NOT NULL,
        watched     TEXT,
        probe_run   TEXT,
        probe_until BIGINT,
        PRIMARY KEY (account, scope)
    );

    -- One row a run, written when it is picked. status is picked, done, failed (a tool's own trouble) or lost. why is the
    -- JSON list of the candidates among which it was picked.
    CREATE TABLE run (
        id          TEXT NOT NULL PRIMARY KEY,
        call_id     TEXT NOT NULL,
        attempt     BIGINT NOT NULL,
        model       TEXT,
        provider    TEXT,
        account     TEXT,
        status      TEXT NOT NULL,
        host        TEXT,
        picked_at   BIGINT NOT NULL,
        lease_until BIGINT,
        ended_at    BIGINT,
        elapsed_ms  BIGINT,
        code        BIGINT,
        verdict     TEXT,
        class       TEXT,
        detail      TEXT,
        tags        TEXT,
        record      TEXT,
        why         TEXT
    );
    CREATE INDEX run_live ON run (picked_at) WHERE status = 'picked';
    CREATE INDEX run_by_time ON run (picked_at);
    CREATE INDEX run_by_call ON run (call_id);
"];

/// The version that this program writes and the highest that it reads.
pub(super) const CURRENT: usize = STEPS.len();

/// How many steps a database has seen.
pub(super) fn version(db: &Connection) -> anyhow::Result<usize> {
    let version: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    usize::try_from(version).with_context(|| format!("its schema has the version {version}"))
}

/// Brings a database to [`CURRENT`].
pub(super) fn migrate(db: &mut Connection, path: &Path) -> anyhow::Result<()> {
    refuse_foreign(db, path)?;
    switch_to_wal(db)?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let seen = version(&transaction)?;
    for step in STEPS.iter().skip(seen) {
        transaction.execute_batch(step)?;
    }
    transaction.execute_batch(&format!("PRAGMA user_version = {CURRENT}"))?;
    transaction.commit()?;
    Ok(())
}

fn refuse_foreign(db: &Connection, path: &Path) -> anyhow::Result<()> {
    let seen = version(db)?;
    if seen > CURRENT {
        let message = format!(
            "cannot use the state database '{}': it has schema {seen}, and {CURRENT} is the highest known here",
            path.display()
        );
        return Err(Failure::trouble(message)
            .hint("use the newer release of the agent runner that wrote it")
            .into());
    }
    // Between the two questions another process may have created our tables.
    let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_master", [], |row| row.get(0))?;
    if seen == 0 && tables > 0 && version(db)? == 0 {
        let message =
            format!("cannot use the state database '{}': it belongs to another program", path.display());
        return Err(Failure::trouble(message).hint("name another file with --state").into());
    }
    Ok(())
}

/// SQLite does not ask the busy handler while it changes the journal mode, so simultaneous first starts wait here.
fn switch_to_wal(db: &Connection) -> anyhow::Result<()> {
    let start = Instant::now();
    loop {
        let mode = db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get::<_, String>(0));
        match mode {
            Ok(mode) if mode == "wal" => return Ok(()),
            Ok(mode) => anyhow::bail!("its journal cannot be switched from '{mode}' to a write-ahead log"),
            Err(error)
                if error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy)
                    && start.elapsed() < super::PATIENCE =>
            {
                sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}
