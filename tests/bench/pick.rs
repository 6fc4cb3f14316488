//! What a pick costs beside one of a small pool without a history: with a long history, a big pool, a crowd.

use crate::history;
use crate::timing::{self, Subject, compare};
use ar_tests::{Home, Run};
use std::io::{self, Write};
use std::path::Path;

/// How often each is timed.
const ROUNDS: usize = 200;

/// Prints all of it; `rows` is the length of the history.
pub fn measure(out: &mut impl Write, floor: &Path, rows: u32) -> io::Result<()> {
    let (short, long, crowd) = (pool(4), pool(4), pool(1000));
    history::fill_with_bare_rows(&long, rows);
    let with_history = format!("ar-pick, {rows} rows");
    let subjects = [
        Subject::new("floor", || short.program(floor, &[""; 0])),
        Subject::new("bare command", || short.program("/bin/echo".as_ref(), &["ok"])),
        Subject::new("ar-pick, no history", || pick(&short)),
        Subject::new(&with_history, || pick(&long)),
        Subject::new("ar-pick, 1,000 providers", || pick(&crowd)),
    ];
    writeln!(out, "\nA pick, {ROUNDS} times each, in milliseconds:")?;
    compare(out, &subjects, ROUNDS)?;

    writeln!(out, "\nPicks at once from four providers, in milliseconds, and how level they are:")?;
    for picks in [64, 256] {
        timing::at_once(out, &format!("empty program, {picks}"), picks, || short.program(floor, &[""; 0]))?;
        let home = pool(4);
        timing::at_once(out, &format!("ar-pick, {picks}"), picks, || pick(&home))?;
        // One was picked when the pool was made.
        writeln!(out, "{:30} {}", "", home.query("SELECT name || ' ' || runs FROM provider").join(", "))?;
    }
    Ok(())
}

fn pick(home: &Home) -> Run {
    home.tool("ar-pick", &["-m", "pool"])
}

/// A home with a pool of so many providers, from which one was picked.
fn pool(providers: usize) -> Home {
    let home = Home::new();
    let provider = |n| format!("[[providers]]\nname = \"p{n}\"\ncommand = \"/bin/echo\"\n");
    home.model("pool", &(0..providers).map(provider).collect::<String>());
    pick(&home).any_stdout().check();
    home
}
