//! What questions to a long history cost.

use crate::history;
use crate::timing::{Subject, compare};
use ar_tests::Home;
use rusqlite::Connection;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

const RUNS: u32 = 1_000_000;
const ROUNDS: usize = 20;
const VERBS: [&str; 23] = [
    "list",
    "list --failed",
    "list --tag job=nightly",
    "list --verdict network",
    "list --since 2h -n 100000",
    "show -1",
    "stats --by day",
    "stats --by provider",
    "stats --by class",
    "stats --by hour",
    "stats --by model,provider,class,day",
    "stats --by class --provider a",
    "stats --by day --failed",
    "stats --by provider --tag job=nightly",
    "usage",
    "usage --since 30d",
    "sessions --since 2h",
    "live",
    "search common -n 10",
    "search word77",
    "search common nosuchword",
    "search lease*",
    "search common --provider a",
];

/// Prints what each verb of ar-log takes over a million runs, and what room these take.
pub fn million(out: &mut impl Write, home: &Home, floor: &Path) -> io::Result<()> {
    history::fill_with_varied_rows(home, RUNS);
    let bytes = fs::metadata(home.state())?.len() / u64::from(RUNS);
    writeln!(
        out,
        "\n{RUNS} runs, {bytes} bytes of database each without text, {ROUNDS} questions each, taken in turns:"
    )?;
    let text = "INSERT INTO content (doc, run, prompt, answer) \
                SELECT rowid + 1000, id, 'a common prompt ' || rowid || ' about the lease of a run', \
                  'an answer with word' || (rowid % 1000) || ' and what an agent says of locks' \
                FROM run WHERE id LIKE '01A%'; PRAGMA wal_checkpoint(TRUNCATE);";
    Connection::open(home.state()).unwrap().execute_batch(text).unwrap();
    let mut subjects = vec![
        Subject::new("floor", || home.program(floor, &[""; 0])),
        Subject::new("bare command", || home.program("/bin/echo".as_ref(), &["ok"])),
    ];
    subjects.extend(VERBS.map(|verb| {
        let words: Vec<&str> = verb.split(' ').collect();
        Subject::new(verb, move || home.tool("ar-log", &words))
    }));
    compare(out, &subjects, ROUNDS)
}
