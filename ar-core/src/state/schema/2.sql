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
