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
