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
