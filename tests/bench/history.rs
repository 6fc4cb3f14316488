//! A long history, made of copies of the first run.

use ar_tests::Home;
use rusqlite::Connection;

/// Adds `rows` good runs of the last hour. The tools' own counters are as if they had served them.
pub fn fill(home: &Home, rows: u32) {
    let db = Connection::open(home.state()).unwrap();
    let columns = home.query("SELECT name FROM pragma_table_info('run')");
    let values = columns.iter().map(|column| match column.as_str() {
        "id" | "call_id" => "printf('01A%023d', n)".to_owned(),
        "picked_at" => format!("picked_at - n * 3600000 / {rows}"),
        "provider" | "account" => "substr('abcd', 1 + n % 4, 1)".to_owned(),
        column => column.to_owned(),
    });
    let sql = format!(
        "WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < {rows})
         INSERT INTO run ({}) SELECT {} FROM run, count;
         UPDATE provider SET runs = runs + {rows} / 4;
         PRAGMA wal_checkpoint(TRUNCATE);",
        columns.join(", "),
        values.collect::<Vec<_>>().join(", ")
    );
    db.execute_batch(&sql).unwrap();
}

/// Adds `rows` runs of the last 90 days as people have them: of several models, providers and accounts, some of which do not
/// tell their cost, some failed, some with tags and sessions, and long and short ones.
pub fn fill_with_varied_rows(home: &Home, rows: u32) {
    let sql = format!(
        "WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < {rows})
         INSERT INTO run (id, call_id, attempt, model, provider, account, status, host, picked_at, lease_until, ended_at,
             elapsed_ms, code, verdict, class, detail, tags, record, input_tokens, output_tokens, cache_read_tokens,
             cache_write_tokens, cost_micros, payload_bytes, session, prompt)
         SELECT printf('01A%023d', n), printf('01A%023d', n - (n % 20 = 1)), 1 + (n % 20 = 1), 'pool' || (n % 3),
             substr('abcdef', 1 + n % 6, 1), substr('xyz', 1 + n % 3, 1), 'done', host, at, at + 3600000, at + length,
             length, CASE WHEN n % 20 = 0 THEN 75 ELSE 0 END,
             CASE WHEN n % 20 = 0 THEN 'provider' WHEN n % 111 = 0 THEN 'task' ELSE 'ok' END,
             CASE WHEN n % 100 = 0 THEN 'quota_exhausted' WHEN n % 20 = 0 THEN 'rate_limit'
                 WHEN n % 111 = 0 THEN 'unknown' END,
             CASE WHEN n % 20 = 0 THEN 'usage_limit' END, CASE WHEN n % 100 = 7 THEN '{{\"job\":\"nightly\"}}' END, record,
             1000 + n % 5000, 100 + n % 900, n % 3 * 10000, 0, CASE WHEN n % 3 < 2 THEN 1000 + n % 40000 END,
             2000 + n % 2000, CASE WHEN n % 5 = 0 THEN 's' || (n / 50) END, 'explain what number ' || n || ' is about'
         FROM (SELECT n, record, host, 1000 + abs((n * 2654435761) % 600000) AS length,
                 picked_at - ({rows} - n) * (7776000000 / {rows}) AS at
             FROM count, (SELECT record, host, picked_at FROM run LIMIT 1));
         PRAGMA wal_checkpoint(TRUNCATE);"
    );
    Connection::open(home.state()).unwrap().execute_batch(&sql).unwrap();
}

/// Adds `rows` runs for which a pick must not care, of the last year and without what was said. Indices are built once all rows
/// are there, which is what makes millions of them a matter of a minute.
pub fn fill_with_bare_rows(home: &Home, rows: u32) {
    let db = Connection::open(home.state()).unwrap();
    let derived =
        "FROM sqlite_master WHERE tbl_name = 'run' AND sql IS NOT NULL AND type IN ('index', 'trigger')";
    let drops = home.query(&format!("SELECT 'DROP ' || type || ' ' || name {derived}")).join(";\n");
    let makes = home.query(&format!("SELECT sql {derived}")).join(";\n");
    let sql = format!(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000;
         {drops};
         WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < {rows})
         INSERT INTO run (id, call_id, attempt, model, provider, account, status, host, picked_at, lease_until, ended_at,
             elapsed_ms, code, verdict)
         SELECT printf('00A%023d', n), printf('00A%023d', n), 1, 'pool', substr('abcd', 1 + n % 4, 1),
             substr('abcd', 1 + n % 4, 1), 'done', 'here', base + n * (31536000000 / {rows}), base + 1, base + 1, 1, 0, 'ok'
         FROM count, (SELECT max(picked_at) - 31536000000 AS base FROM run);
         {makes};
         PRAGMA journal_mode = WAL;"
    );
    db.execute_batch(&sql).unwrap();
}
