//! Times the judging of texts that nobody wrote: pieces of known messages put together at random.
//!
//! `splices PATH…`, each a directory of `.txt` files or a file of JSON lines with `text`, or `stdout` and `stderr`.
//! Nothing is asserted but what holds for any text; the times are for somebody to read.

use anyhow::{Context, Result, ensure};
use ar_core::Stamp;
use ar_diagnose::evidence::Evidence;
use ar_diagnose::judge::judge;
use ar_diagnose::rule::BUILT_IN;
use ar_diagnose::when::LONGEST;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

const SPLICES: usize = 10_000;
const JUDGINGS: usize = 3;
/// So many pieces make a text at most.
const PIECES: u64 = 6;

fn main() -> Result<()> {
    let mut texts = Vec::new();
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        collect(&path, &mut texts)?;
    }
    texts.retain(|text| !text.is_empty());
    ensure!(!texts.is_empty(), "no text to splice");
    let now = Stamp::parse("2026-06-01T12:00:00Z")?;
    let mut chance = Chance(0x9e37_79b9_7f4a_7c15);
    let mut times = Vec::with_capacity(SPLICES);
    for _ in 0..SPLICES {
        let stderr = splice(&texts, &mut chance).into_bytes();
        let evidence = Evidence { exit_code: Some(1), stderr, ..Evidence::default() };
        // Of some judgings of a text the quickest tells what it costs: the first finds cold caches.
        let mut quickest = Duration::MAX;
        let mut at = None;
        for _ in 0..JUDGINGS {
            let start = processor();
            at = judge(&evidence, BUILT_IN, now).diagnosis.retry_at;
            quickest = quickest.min(processor().saturating_sub(start));
        }
        times.push(quickest);
        ensure!(
            at.is_none_or(|at| at >= now && at <= now.plus(LONGEST)),
            "a window outside of the next 31 days"
        );
    }
    times.sort_unstable();
    let part = |part: usize| ms(times.get((SPLICES - 1) * part / 1000).copied().unwrap_or_default());
    let (median, p99, slowest) = (part(500), part(990), part(1000));
    writeln!(
        io::stdout(),
        "{SPLICES} splices of {} texts, processor time: median {median:.2} ms, 99 % within {p99:.2} ms, slowest {slowest:.2} ms",
        texts.len()
    )
    .context("cannot write to standard output")
}

/// The processor time of this thread: the machine may do other things too.
fn processor() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn collect(path: &Path, texts: &mut Vec<String>) -> Result<()> {
    let subject = || format!("cannot read '{}'", path.display());
    if path.is_dir() {
        for entry in fs::read_dir(path).with_context(subject)? {
            let path = entry.with_context(subject)?.path();
            if path.is_dir() || path.extension().is_some_and(|ending| ending == "txt") {
                collect(&path, texts)?;
            }
        }
        return Ok(());
    }
    let text = fs::read_to_string(path).with_context(subject)?;
    if path.extension().is_none_or(|ending| ending != "jsonl") {
        texts.push(text);
        return Ok(());
    }
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).with_context(subject)?;
        let fields = ["text", "stdout", "stderr"].iter().filter_map(|name| record.get(*name)?.as_str());
        texts.push(fields.collect::<Vec<_>>().join("\n"));
    }
    Ok(())
}

/// Joins pieces that are cut out of some of the texts.
fn splice(texts: &[String], chance: &mut Chance) -> String {
    let mut out = String::new();
    for _ in 0..=chance.below(PIECES - 1) {
        let text = texts.get(chance.index(texts.len())).map_or("", String::as_str);
        let (a, b) = (chance.index(text.len() + 1), chance.index(text.len() + 1));
        let (from, to) = (text.floor_char_boundary(a.min(b)), text.floor_char_boundary(a.max(b)));
        out.push_str(text.get(from..to).unwrap_or(""));
    }
    out
}

/// The same numbers in each run, so that a slow splice can be met again (xorshift64*).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % limit.max(1)
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }
}
