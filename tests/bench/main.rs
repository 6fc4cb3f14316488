//! `make bench`: what the tools cost, measured side by side with the bare command in one run.
//!
//! An argument is the number of rows of the longest history; ten million take some gigabytes in `TMPDIR` while they last.
//! Nothing is asserted: times depend on the machine and on what else it does. Compare lines of one run with each other.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot be made ends the program")]

mod history;
mod memory;
mod pick;
mod queries;
mod timing;

use ar_tests::Home;
use std::io::{self, Write};
use std::path::PathBuf;
use timing::{Subject, compare};

/// How often each command is timed.
const ROUNDS: usize = 200;
/// The rows of a long history.
const ROWS: u32 = 100_000;
/// The rows of a very long one, where no argument says how many.
const MANY_ROWS: u32 = 10_000_000;
/// The calls made at once.
const CALLS: usize = 64;

fn main() -> io::Result<()> {
    let rows = std::env::args().nth(1).map_or(MANY_ROWS, |rows| rows.parse().unwrap());
    let (short, long) = (home(), home());
    history::fill(&long, ROWS);
    let (short_text, long_text) = (text(&short, "short", 4 << 10), text(&short, "long", 10 << 20));
    let mut out = io::stdout().lock();

    writeln!(
        out,
        "Wall time in milliseconds, {ROUNDS} runs each, taken in turns. The floor is an empty Rust program."
    )?;
    let floor = std::env::current_exe()?.with_file_name("ar-bench-floor");
    let subjects = [
        Subject::new("floor", || short.program(&floor, &[""; 0])),
        Subject::new("bare command", || short.program("/bin/echo".as_ref(), &["ok"])),
        Subject::new("ar run, no history", || short.ar(&["run", "-m", "pool", "hi"])),
        Subject::new("ar run, 100,000 rows", || long.ar(&["run", "-m", "pool", "hi"])),
        Subject::new("pipeline in sh, no history", || short.sh(PIPELINE)),
        Subject::new("pipeline in sh, 100,000 rows", || long.sh(PIPELINE)),
        Subject::new("ar-pick, no history", || short.tool("ar-pick", &["-m", "pool"])),
        Subject::new("ar-pick, 100,000 rows", || long.tool("ar-pick", &["-m", "pool"])),
        Subject::with_record("ar-exec", &short, "ar-pick -m pool", || short.tool("ar-exec", &["hi"])),
        Subject::with_record("ar-diagnose", &short, "ar-pick -m pool | ar-exec hi", || {
            short.tool("ar-diagnose", &[])
        }),
        Subject::with_file("ar-diagnose --text, 4 KB", short_text, || short.tool("ar-diagnose", &["--text"])),
        Subject::with_file("ar-diagnose --text, 10 MB", long_text.clone(), || {
            short.tool("ar-diagnose", &["--text"])
        }),
        Subject::with_record("ar-log, no history", &short, DIAGNOSED, || short.tool("ar-log", &["--cat"])),
        Subject::with_record("ar-log, 100,000 rows", &long, DIAGNOSED, || long.tool("ar-log", &["--cat"])),
        Subject::new("ar-setup path", || short.tool("ar-setup", &["path"])),
        Subject::new("ar version", || short.ar(&["version"])),
    ];
    compare(&mut out, &subjects, ROUNDS)?;

    queries::million(&mut out, &home(), &floor)?;

    writeln!(out, "\n{CALLS} calls at once, in milliseconds, on providers that answer at once:")?;
    timing::at_once(&mut out, "bare command", CALLS, || short.program("/bin/echo".as_ref(), &["ok"]))?;
    timing::at_once(&mut out, "ar run, no history", CALLS, || short.ar(&["run", "-m", "pool", "hi"]))?;
    timing::at_once(&mut out, "ar run, 100,000 rows", CALLS, || long.ar(&["run", "-m", "pool", "hi"]))?;

    pick::measure(&mut out, &floor, rows)?;

    writeln!(
        out,
        "\nAn answer of 1 GiB, read by a pipe: seconds, and the most memory of each process in MiB:"
    )?;
    memory::gibibyte(&mut out, &short)?;

    writeln!(out, "\nThe most memory of ar-diagnose in MiB, reading a text of 10 MB from a pipe:")?;
    memory::of_diagnosing(&mut out, &short, &long_text)
}

const PIPELINE: &str = "ar-pick -m pool | ar-exec hi | ar-diagnose | ar-log --cat";
const DIAGNOSED: &str = "ar-pick -m pool | ar-exec hi | ar-diagnose";

/// What an agent may print before it ends at its limit: work of many kinds, of at least so many bytes.
fn text(home: &Home, name: &str, bytes: usize) -> PathBuf {
    let work = "test auth::refuses_an_expired_token ... ok\nGET /items 429 3ms\nI changed src/limits.rs:14 and ran the tests.\n\
        error[E0308]: mismatched types, expected 429\nretrying after a connection reset by the fixture\n";
    let mut text = work.repeat(bytes / work.len() + 1);
    text.push_str("API Error: 429 rate limit exceeded, try again in 30 s\n");
    home.write(&format!("work/{name}.txt"), text)
}

/// A home with a pool of four providers that answer at once.
fn home() -> Home {
    let home = Home::new();
    let providers = ["a", "b", "c", "d"]
        .map(|name| format!("[[providers]]\nname = \"{name}\"\ncommand = \"/bin/echo\"\nargs = [\"ok\"]\n"));
    home.model("pool", &providers.concat());
    home.ar(&["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    home
}
