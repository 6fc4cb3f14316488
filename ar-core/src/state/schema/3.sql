-- The mark of the process on whose behalf a run was picked: while nobody has started it, it is lost with that process.
ALTER TABLE run ADD COLUMN owner TEXT;

-- All that a pick wants to know of runs that are not over, so that it reads no rows.
DROP INDEX run_live;
CREATE INDEX run_live ON run (picked_at, id, model, provider, account, host, lease_until, owner)
    WHERE status = 'picked';

-- What the strategy random draws by besides the number of runs, so that it is another on each machine.
CREATE TABLE chance (seed TEXT NOT NULL);
INSERT INTO chance VALUES (random());
