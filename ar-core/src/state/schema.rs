//! The schema: an append-only list of steps. `user_version` counts the steps that a database has seen.

use super::turn::Turn;
use crate::exit::Failure;
use crate::paths::create_private_file;
use anyhow::Context;
use rusqlite::{Connection, ErrorCode, TransactionBehavior};
use std::path::{Path, PathBuf};
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
        place BIGINT NOT NULL
    );
    CREATE INDEX waiter_in_line ON waiter (queue, place);

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

    -- The agents' own sessions that callers gave a name, and the provider that has each.
    CREATE TABLE session (
        name     TEXT NOT NULL,
        model    TEXT NOT NULL,
        provider TEXT NOT NULL,
        id       TEXT NOT NULL,
        used_at  BIGINT NOT NULL,
        PRIMARY KEY (name, model)
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
        why         TEXT,

        -- From here on for the history alone. Tokens are as ar-record(5) has them, cost_micros is in millionths of a US
        -- dollar, payload_bytes is what lies in the run's directory, prompt is its first words.
        input_tokens       BIGINT,
        output_tokens      BIGINT,
        cache_read_tokens  BIGINT,
        cache_write_tokens BIGINT,
        cost_micros        BIGINT,
        payload_bytes      BIGINT,
        session            TEXT,
        prompt             TEXT
    );
    CREATE INDEX run_live ON run (picked_at) WHERE status = 'picked';
    -- With the length, so that percentiles are read from an index alone.
    CREATE INDEX run_by_time ON run (picked_at, elapsed_ms);
    CREATE INDEX run_by_call ON run (call_id);
    CREATE INDEX run_by_model ON run (model, picked_at, elapsed_ms);
    CREATE INDEX run_by_provider ON run (provider, picked_at, elapsed_ms);
    CREATE INDEX run_by_account ON run (account, picked_at, elapsed_ms);
    CREATE INDEX run_by_class ON run (class, picked_at) WHERE class IS NOT NULL;
    CREATE INDEX run_by_session ON run (session, picked_at) WHERE session IS NOT NULL;
    CREATE INDEX run_failed ON run (picked_at) WHERE status <> 'picked' AND coalesce(verdict, '') <> 'ok';
    CREATE INDEX run_tagged ON run (picked_at) WHERE tags IS NOT NULL;

    -- Sums over the runs that are over, kept by triggers, so that no statement can forget them. day counts days since 1970
    -- in UTC, outcome is the verdict or, without one, the status; '' stands for NULL, which cannot be part of a key.
    CREATE TABLE tally (
        day                BIGINT NOT NULL,
        model              TEXT NOT NULL,
        provider           TEXT NOT NULL,
        account            TEXT NOT NULL,
        outcome            TEXT NOT NULL,
        class              TEXT NOT NULL,
        runs               BIGINT NOT NULL,
        hops               BIGINT NOT NULL,
        input_tokens       BIGINT NOT NULL,
        output_tokens      BIGINT NOT NULL,
        cache_read_tokens  BIGINT NOT NULL,
        cache_write_tokens BIGINT NOT NULL,
        cost_micros        BIGINT NOT NULL,
        payload_bytes      BIGINT NOT NULL,
        PRIMARY KEY (day, model, provider, account, outcome, class)
    );
    CREATE TRIGGER run_inserted AFTER INSERT ON run WHEN NEW.status <> 'picked' BEGIN
        INSERT INTO tally VALUES (
            NEW.picked_at / 86400000, coalesce(NEW.model, ''), coalesce(NEW.provider, ''), coalesce(NEW.account, ''),
            coalesce(NEW.verdict, NEW.status), coalesce(NEW.class, ''),
            1, NEW.attempt > 1, coalesce(NEW.input_tokens, 0), coalesce(NEW.output_tokens, 0),
            coalesce(NEW.cache_read_tokens, 0), coalesce(NEW.cache_write_tokens, 0),
            coalesce(NEW.cost_micros, 0), coalesce(NEW.payload_bytes, 0)
        ) ON CONFLICT (day, model, provider, account, outcome, class) DO UPDATE SET
            runs = runs + 1, hops = hops + excluded.hops,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens,
            cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
            cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
            cost_micros = cost_micros + excluded.cost_micros,
            payload_bytes = payload_bytes + excluded.payload_bytes;
    END;
    CREATE TRIGGER run_ended AFTER UPDATE ON run WHEN NEW.status <> 'picked' BEGIN
        INSERT INTO tally VALUES (
            NEW.picked_at / 86400000, coalesce(NEW.model, ''), coalesce(NEW.provider, ''), coalesce(NEW.account, ''),
            coalesce(NEW.verdict, NEW.status), coalesce(NEW.class, ''),
            1, NEW.attempt > 1, coalesce(NEW.input_tokens, 0), coalesce(NEW.output_tokens, 0),
            coalesce(NEW.cache_read_tokens, 0), coalesce(NEW.cache_write_tokens, 0),
            coalesce(NEW.cost_micros, 0), coalesce(NEW.payload_bytes, 0)
        ) ON CONFLICT (day, model, provider, account, outcome, class) DO UPDATE SET
            runs = runs + 1, hops = hops + excluded.hops,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens,
            cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
            cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
            cost_micros = cost_micros + excluded.cost_micros,
            payload_bytes = payload_bytes + excluded.payload_bytes;
    END;
    CREATE TRIGGER run_changed AFTER UPDATE ON run WHEN OLD.status <> 'picked' BEGIN
        UPDATE tally SET
            runs = runs - 1, hops = hops - (OLD.attempt > 1),
            input_tokens = input_tokens - coalesce(OLD.input_tokens, 0),
            output_tokens = output_tokens - coalesce(OLD.output_tokens, 0),
            cache_read_tokens = cache_read_tokens - coalesce(OLD.cache_read_tokens, 0),
            cache_write_tokens = cache_write_tokens - coalesce(OLD.cache_write_tokens, 0),
            cost_micros = cost_micros - coalesce(OLD.cost_micros, 0),
            payload_bytes = payload_bytes - coalesce(OLD.payload_bytes, 0)
        WHERE day = OLD.picked_at / 86400000 AND model = coalesce(OLD.model, '')
            AND provider = coalesce(OLD.provider, '') AND account = coalesce(OLD.account, '')
            AND outcome = coalesce(OLD.verdict, OLD.status) AND class = coalesce(OLD.class, '');
    END;
    CREATE TRIGGER run_deleted AFTER DELETE ON run WHEN OLD.status <> 'picked' BEGIN
        UPDATE tally SET
            runs = runs - 1, hops = hops - (OLD.attempt > 1),
            input_tokens = input_tokens - coalesce(OLD.input_tokens, 0),
            output_tokens = output_tokens - coalesce(OLD.output_tokens, 0),
            cache_read_tokens = cache_read_tokens - coalesce(OLD.cache_read_tokens, 0),
            cache_write_tokens = cache_write_tokens - coalesce(OLD.cache_write_tokens, 0),
            cost_micros = cost_micros - coalesce(OLD.cost_micros, 0),
            payload_bytes = payload_bytes - coalesce(OLD.payload_bytes, 0)
        WHERE day = OLD.picked_at / 86400000 AND model = coalesce(OLD.model, '')
            AND provider = coalesce(OLD.provider, '') AND account = coalesce(OLD.account, '')
            AND outcome = coalesce(OLD.verdict, OLD.status) AND class = coalesce(OLD.class, '');
    END;

    -- What search looks through: the beginnings of prompts and answers, without secrets.
    CREATE TABLE content (
        doc    INTEGER NOT NULL PRIMARY KEY,
        run    TEXT NOT NULL UNIQUE,
        prompt TEXT NOT NULL,
        answer TEXT NOT NULL
    );
    CREATE VIRTUAL TABLE content_words USING fts5 (prompt, answer, content = 'content', content_rowid = 'doc');
    CREATE TRIGGER content_inserted AFTER INSERT ON content BEGIN
        INSERT INTO content_words (rowid, prompt, answer) VALUES (NEW.doc, NEW.prompt, NEW.answer);
    END;
    CREATE TRIGGER content_deleted AFTER DELETE ON content BEGIN
        INSERT INTO content_words (content_words, rowid, prompt, answer)
        VALUES ('delete', OLD.doc, OLD.prompt, OLD.answer);
    END;
", "
    -- How a run's files are: NULL as ar-exec left them, 'zstd' compressed as far as that saves room, 'elsewhere' on the
    -- machine that the run was imported from.
    ALTER TABLE run ADD COLUMN files TEXT;
    CREATE INDEX run_plain ON run (ended_at) WHERE files IS NULL AND payload_bytes >= 4096;

    -- With the length, so that percentiles are read from an index alone, as for the other columns.
    DROP INDEX run_by_class;
    CREATE INDEX run_by_class ON run (coalesce(class, verdict, status), picked_at, elapsed_ms);

    -- The same sums, with the bytes that lie on this machine.
    DROP TRIGGER run_inserted;
    DROP TRIGGER run_ended;
    DROP TRIGGER run_changed;
    DROP TRIGGER run_deleted;
    CREATE TRIGGER run_inserted AFTER INSERT ON run WHEN NEW.status <> 'picked' BEGIN
        INSERT INTO tally VALUES (
            NEW.picked_at / 86400000, coalesce(NEW.model, ''), coalesce(NEW.provider, ''), coalesce(NEW.account, ''),
            coalesce(NEW.verdict, NEW.status), coalesce(NEW.class, ''),
            1, NEW.attempt > 1, coalesce(NEW.input_tokens, 0), coalesce(NEW.output_tokens, 0),
            coalesce(NEW.cache_read_tokens, 0), coalesce(NEW.cache_write_tokens, 0),
            coalesce(NEW.cost_micros, 0),
            CASE WHEN NEW.files = 'elsewhere' THEN 0 ELSE coalesce(NEW.payload_bytes, 0) END
        ) ON CONFLICT (day, model, provider, account, outcome, class) DO UPDATE SET
            runs = runs + 1, hops = hops + excluded.hops,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens,
            cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
            cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
            cost_micros = cost_micros + excluded.cost_micros,
            payload_bytes = payload_bytes + excluded.payload_bytes;
    END;
    CREATE TRIGGER run_ended AFTER UPDATE ON run WHEN NEW.status <> 'picked' BEGIN
        INSERT INTO tally VALUES (
            NEW.picked_at / 86400000, coalesce(NEW.model, ''), coalesce(NEW.provider, ''), coalesce(NEW.account, ''),
            coalesce(NEW.verdict, NEW.status), coalesce(NEW.class, ''),
            1, NEW.attempt > 1, coalesce(NEW.input_tokens, 0), coalesce(NEW.output_tokens, 0),
            coalesce(NEW.cache_read_tokens, 0), coalesce(NEW.cache_write_tokens, 0),
            coalesce(NEW.cost_micros, 0),
            CASE WHEN NEW.files = 'elsewhere' THEN 0 ELSE coalesce(NEW.payload_bytes, 0) END
        ) ON CONFLICT (day, model, provider, account, outcome, class) DO UPDATE SET
            runs = runs + 1, hops = hops + excluded.hops,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens,
            cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
            cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
            cost_micros = cost_micros + excluded.cost_micros,
            payload_bytes = payload_bytes + excluded.payload_bytes;
    END;
    CREATE TRIGGER run_changed AFTER UPDATE ON run WHEN OLD.status <> 'picked' BEGIN
        UPDATE tally SET
            runs = runs - 1, hops = hops - (OLD.attempt > 1),
            input_tokens = input_tokens - coalesce(OLD.input_tokens, 0),
            output_tokens = output_tokens - coalesce(OLD.output_tokens, 0),
            cache_read_tokens = cache_read_tokens - coalesce(OLD.cache_read_tokens, 0),
            cache_write_tokens = cache_write_tokens - coalesce(OLD.cache_write_tokens, 0),
            cost_micros = cost_micros - coalesce(OLD.cost_micros, 0),
            payload_bytes = payload_bytes
                - CASE WHEN OLD.files = 'elsewhere' THEN 0 ELSE coalesce(OLD.payload_bytes, 0) END
        WHERE day = OLD.picked_at / 86400000 AND model = coalesce(OLD.model, '')
            AND provider = coalesce(OLD.provider, '') AND account = coalesce(OLD.account, '')
            AND outcome = coalesce(OLD.verdict, OLD.status) AND class = coalesce(OLD.class, '');
    END;
    CREATE TRIGGER run_deleted AFTER DELETE ON run WHEN OLD.status <> 'picked' BEGIN
        UPDATE tally SET
            runs = runs - 1, hops = hops - (OLD.attempt > 1),
            input_tokens = input_tokens - coalesce(OLD.input_tokens, 0),
            output_tokens = output_tokens - coalesce(OLD.output_tokens, 0),
            cache_read_tokens = cache_read_tokens - coalesce(OLD.cache_read_tokens, 0),
            cache_write_tokens = cache_write_tokens - coalesce(OLD.cache_write_tokens, 0),
            cost_micros = cost_micros - coalesce(OLD.cost_micros, 0),
            payload_bytes = payload_bytes
                - CASE WHEN OLD.files = 'elsewhere' THEN 0 ELSE coalesce(OLD.payload_bytes, 0) END
        WHERE day = OLD.picked_at / 86400000 AND model = coalesce(OLD.model, '')
            AND provider = coalesce(OLD.provider, '') AND account = coalesce(OLD.account, '')
            AND outcome = coalesce(OLD.verdict, OLD.status) AND class = coalesce(OLD.class, '');
    END;
", "
    -- The mark of the process on whose behalf a run was picked: while nobody has started it, it is lost with that process.
    ALTER TABLE run ADD COLUMN owner TEXT;

    -- All that a pick wants to know of runs that are not over, so that it reads no rows.
    DROP INDEX run_live;
    CREATE INDEX run_live ON run (picked_at, id, model, provider, account, host, lease_until, owner)
        WHERE status = 'picked';

    -- What the strategy random draws by besides the number of runs, so that it is another on each machine.
    CREATE TABLE chance (seed TEXT NOT NULL);
    INSERT INTO chance VALUES (random());
", "
    -- Until when an account rested because of this run: what its failure began or prolonged, cut off by whatever ended it
    -- earlier.
    ALTER TABLE run ADD COLUMN cooled_until BIGINT;
    CREATE INDEX run_cooled ON run (picked_at) WHERE cooled_until IS NOT NULL;

    -- All that sums are made of, so that no question for them reads rows.
    DROP INDEX run_by_time;
    CREATE INDEX run_by_time ON run (picked_at, elapsed_ms, model, provider, account, class, verdict, status, attempt,
        input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, cost_micros);
    DROP INDEX run_by_session;
    CREATE INDEX run_by_session ON run (session, model, provider, picked_at) WHERE session IS NOT NULL;

    -- How many of the runs have a cost: a sum of none is not 0, but unknown.
    ALTER TABLE tally ADD COLUMN priced BIGINT NOT NULL DEFAULT 0;
    UPDATE tally SET priced = found.priced FROM (
        SELECT picked_at / 86400000 AS day, coalesce(model, '') AS model, coalesce(provider, '') AS provider,
            coalesce(account, '') AS account, coalesce(verdict, status) AS outcome, coalesce(class, '') AS class,
            count(cost_micros) AS priced
        FROM run WHERE status <> 'picked' GROUP BY 1, 2, 3, 4, 5, 6
    ) AS found
    WHERE tally.day = found.day AND tally.model = found.model AND tally.provider = found.provider
        AND tally.account = found.account AND tally.outcome = found.outcome AND tally.class = found.class;
    DROP TRIGGER run_inserted;
    DROP TRIGGER run_ended;
    DROP TRIGGER run_changed;
    DROP TRIGGER run_deleted;
    CREATE TRIGGER run_inserted AFTER INSERT ON run WHEN NEW.status <> 'picked' BEGIN
        INSERT INTO tally (day, model, provider, account, outcome, class, runs, hops, input_tokens, output_tokens,
            cache_read_tokens, cache_write_tokens, cost_micros, payload_bytes, priced) VALUES (
            NEW.picked_at / 86400000, coalesce(NEW.model, ''), coalesce(NEW.provider, ''), coalesce(NEW.account, ''),
            coalesce(NEW.verdict, NEW.status), coalesce(NEW.class, ''),
            1, NEW.attempt > 1, coalesce(NEW.input_tokens, 0), coalesce(NEW.output_tokens, 0),
            coalesce(NEW.cache_read_tokens, 0), coalesce(NEW.cache_write_tokens, 0),
            coalesce(NEW.cost_micros, 0),
            CASE WHEN NEW.files = 'elsewhere' THEN 0 ELSE coalesce(NEW.payload_bytes, 0) END, NEW.cost_micros IS NOT NULL
        ) ON CONFLICT (day, model, provider, account, outcome, class) DO UPDATE SET
            runs = runs + 1, hops = hops + excluded.hops,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens,
            cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
            cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
            cost_micros = cost_micros + excluded.cost_micros,
            payload_bytes = payload_bytes + excluded.payload_bytes, priced = priced + excluded.priced;
    END;
    CREATE TRIGGER run_ended AFTER UPDATE ON run WHEN NEW.status <> 'picked' BEGIN
        INSERT INTO tally (day, model, provider, account, outcome, class, runs, hops, input_tokens, output_tokens,
            cache_read_tokens, cache_write_tokens, cost_micros, payload_bytes, priced) VALUES (
            NEW.picked_at / 86400000, coalesce(NEW.model, ''), coalesce(NEW.provider, ''), coalesce(NEW.account, ''),
            coalesce(NEW.verdict, NEW.status), coalesce(NEW.class, ''),
            1, NEW.attempt > 1, coalesce(NEW.input_tokens, 0), coalesce(NEW.output_tokens, 0),
            coalesce(NEW.cache_read_tokens, 0), coalesce(NEW.cache_write_tokens, 0),
            coalesce(NEW.cost_micros, 0),
            CASE WHEN NEW.files = 'elsewhere' THEN 0 ELSE coalesce(NEW.payload_bytes, 0) END, NEW.cost_micros IS NOT NULL
        ) ON CONFLICT (day, model, provider, account, outcome, class) DO UPDATE SET
            runs = runs + 1, hops = hops + excluded.hops,
            input_tokens = input_tokens + excluded.input_tokens,
            output_tokens = output_tokens + excluded.output_tokens,
            cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
            cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
            cost_micros = cost_micros + excluded.cost_micros,
            payload_bytes = payload_bytes + excluded.payload_bytes, priced = priced + excluded.priced;
    END;
    CREATE TRIGGER run_changed AFTER UPDATE ON run WHEN OLD.status <> 'picked' BEGIN
        UPDATE tally SET
            runs = runs - 1, hops = hops - (OLD.attempt > 1),
            input_tokens = input_tokens - coalesce(OLD.input_tokens, 0),
            output_tokens = output_tokens - coalesce(OLD.output_tokens, 0),
            cache_read_tokens = cache_read_tokens - coalesce(OLD.cache_read_tokens, 0),
            cache_write_tokens = cache_write_tokens - coalesce(OLD.cache_write_tokens, 0),
            cost_micros = cost_micros - coalesce(OLD.cost_micros, 0),
            payload_bytes = payload_bytes
                - CASE WHEN OLD.files = 'elsewhere' THEN 0 ELSE coalesce(OLD.payload_bytes, 0) END,
            priced = priced - (OLD.cost_micros IS NOT NULL)
        WHERE day = OLD.picked_at / 86400000 AND model = coalesce(OLD.model, '')
            AND provider = coalesce(OLD.provider, '') AND account = coalesce(OLD.account, '')
            AND outcome = coalesce(OLD.verdict, OLD.status) AND class = coalesce(OLD.class, '');
    END;
    CREATE TRIGGER run_deleted AFTER DELETE ON run WHEN OLD.status <> 'picked' BEGIN
        UPDATE tally SET
            runs = runs - 1, hops = hops - (OLD.attempt > 1),
            input_tokens = input_tokens - coalesce(OLD.input_tokens, 0),
            output_tokens = output_tokens - coalesce(OLD.output_tokens, 0),
            cache_read_tokens = cache_read_tokens - coalesce(OLD.cache_read_tokens, 0),
            cache_write_tokens = cache_write_tokens - coalesce(OLD.cache_write_tokens, 0),
            cost_micros = cost_micros - coalesce(OLD.cost_micros, 0),
            payload_bytes = payload_bytes
                - CASE WHEN OLD.files = 'elsewhere' THEN 0 ELSE coalesce(OLD.payload_bytes, 0) END,
            priced = priced - (OLD.cost_micros IS NOT NULL)
        WHERE day = OLD.picked_at / 86400000 AND model = coalesce(OLD.model, '')
            AND provider = coalesce(OLD.provider, '') AND account = coalesce(OLD.account, '')
            AND outcome = coalesce(OLD.verdict, OLD.status) AND class = coalesce(OLD.class, '');
    END;
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
    take_steps(db, path, STEPS)
}

fn take_steps(db: &mut Connection, path: &Path, steps: &[&str]) -> anyhow::Result<()> {
    let seen = version(db)?;
    if seen == 0 || seen >= steps.len() {
        return step(db, steps);
    }
    // One process copies and migrates; the others find it done when their turn comes.
    let _turn = Turn::wait(path, super::PATIENCE).ok_or_else(|| {
        let message = format!("cannot migrate the state database '{}'", path.display());
        Failure::trouble(format!("{message}: another process has been writing it for 30 seconds"))
            .hint("fuser(1) tells which process has it open")
    })?;
    let seen = version(db)?;
    if seen >= steps.len() {
        return Ok(());
    }
    let copy = keep_copy(db, path, seen)?;
    step(db, steps).inspect_err(|_| {
        // What this took of a full disk is given back: nothing has changed, so there is nothing to go back to. The error
        // is told either way.
        let _ = std::fs::remove_file(&copy);
        let _ = super::checkpoint(db);
    })
}

fn step(db: &mut Connection, steps: &[&str]) -> anyhow::Result<()> {
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let seen = version(&transaction)?;
    for step in steps.iter().skip(seen) {
        transaction.execute_batch(step)?;
    }
    transaction.execute_batch(&format!("PRAGMA user_version = {}", steps.len()))?;
    transaction.commit()?;
    Ok(())
}

/// Copies the database to `FILE.schema-N` before it leaves schema N, so that the older program can be gone back to, and
/// gives the copy's path.
///
/// A copy that is there stays: somebody went back to the older program, or was killed before the steps were done. The
/// last such copy is `FILE.schema-N.again`.
fn keep_copy(db: &Connection, path: &Path, seen: usize) -> anyhow::Result<PathBuf> {
    let beside = |end: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".schema-{seen}{end}"));
        PathBuf::from(name)
    };
    let copy = if beside("").exists() { beside(".again") } else { beside("") };
    let unfinished = beside(".part");
    let cannot = || format!("cannot copy the state database to '{}' before it is migrated", copy.display());
    vacuum_into(db, &unfinished)
        .and_then(|()| Ok(std::fs::rename(&unfinished, &copy)?))
        .with_context(cannot)?;
    Ok(copy)
}

/// Writes a private copy of the database that survives a loss of power. What cannot be finished is removed.
pub(super) fn vacuum_into(db: &Connection, to: &Path) -> anyhow::Result<()> {
    // SQLite writes into an empty file, and this one nobody else can read.
    let file = create_private_file(to)?;
    let written = to
        .to_str()
        .context("its path is not UTF-8")
        .and_then(|name| Ok(db.execute("VACUUM INTO $1", [name])?))
        .and_then(|_| Ok(file.sync_all()?));
    if written.is_err() {
        // The error is told either way.
        let _ = std::fs::remove_file(to);
    }
    written
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_database_is_copied_before_it_is_migrated() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let copy = dir.path().join("state.db.schema-1");
        let mut db = Connection::open(&path).unwrap();
        let old = ["CREATE TABLE t (a)"];
        take_steps(&mut db, &path, &old).unwrap();
        assert!(!copy.exists());
        db.execute_batch("INSERT INTO t VALUES (7)").unwrap();
        // What cannot be done leaves nothing behind; the remains of one that was killed are no obstacle.
        std::fs::write(dir.path().join("state.db.schema-1.part"), "half").unwrap();
        assert!(take_steps(&mut db, &path, &[old[0], "CREATE TABLE t (b)"]).is_err());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
        for _ in 0..2 {
            take_steps(&mut db, &path, &[old[0], "ALTER TABLE t ADD COLUMN b"]).unwrap();
        }
        let sum = "SELECT sum(a) FROM t";
        let copied = Connection::open(&copy).unwrap();
        assert_eq!(version(&copied).unwrap(), 1);
        assert_eq!(copied.query_row(sum, [], |row| row.get::<_, i64>(0)).unwrap(), 7);
        assert_eq!(version(&db).unwrap(), 2);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    }
    #[test]
    fn a_copy_is_not_written_over_when_somebody_went_back_to_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let steps = ["CREATE TABLE t (a)", "ALTER TABLE t ADD COLUMN b"];
        for (number, _) in (1_i64..).zip(0..3) {
            let mut db = Connection::open(&path).unwrap();
            take_steps(&mut db, &path, &steps[..1]).unwrap();
            db.execute("INSERT INTO t VALUES ($1)", [number]).unwrap();
            take_steps(&mut db, &path, &steps).unwrap();
            db.close().unwrap();
            std::fs::remove_file(&path).unwrap();
        }
        let in_copy = |name: &str| {
            let copy = Connection::open(dir.path().join(name)).unwrap();
            copy.query_row("SELECT a FROM t", [], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!((in_copy("state.db.schema-1"), in_copy("state.db.schema-1.again")), (1, 3));
    }
}
