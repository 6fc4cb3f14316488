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
