//! Stores that are killed at any moment lose nothing that was printed, and no count.
//!
//! `AR_TRIALS=10000` makes it that many.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::Home;
use serde_json::{Value, json};
use std::env;
use std::io::Write;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{scope, sleep};
use std::time::Duration;

const PROCESSES: u32 = 64;
const NOW: &str = "2026-11-20T10:00:00Z";
const LATER: &str = "2026-11-21T10:00:00Z";

/// Reserves a run and makes it a good one.
fn record(home: &Home) -> (String, String) {
    let picked = home.tool("ar-pick", &["-m", "m"]).env("AGENT_RUNNER_NOW", NOW).any_stdout().check();
    let mut record: Value = serde_json::from_slice(&picked.stdout).unwrap();
    record["exec"] = json!({"argv0": "p", "started": NOW, "elapsed_ms": 15, "end": "exit", "exit_code": 0,
        "signal": null, "stdout_bytes": 0, "stderr_bytes": 0});
    record["diagnosis"] = json!({"verdict": "ok", "class": null, "detail": null, "by": "exit", "evidence": null,
        "retry_at": null, "retry_from": null, "scope": null});
    (record["run"].as_str().unwrap().to_owned(), format!("{record}\n"))
}

/// Stores a run, killed after a time that differs from run to run. True where its record was printed.
fn store(home: &Home, trial: u32, line: &str) -> bool {
    let mut child = home.tool("ar-log", &[]).env("AGENT_RUNNER_NOW", NOW).spawn(|command| {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    });
    child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
    if trial.is_multiple_of(2) {
        // From before its first instruction to after its last.
        sleep(Duration::from_micros(u64::from(trial.wrapping_mul(2_654_435_761) % 30_000)));
        child.kill().unwrap();
    }
    !child.wait_with_output().unwrap().stdout.is_empty()
}

#[test]
fn killed_stores_lose_nothing_that_was_printed_and_no_count() {
    let home = Home::new();
    home.model("m", "[[providers]]\ncommand = 'a'\n[[providers]]\ncommand = 'b'\n");
    let trials = env::var("AR_TRIALS").map_or(128, |trials| trials.parse::<u32>().unwrap());
    let next = AtomicU32::new(0);
    let answered: Vec<String> = scope(|scope| {
        let worker = || {
            let mut answered = Vec::new();
            loop {
                let trial = next.fetch_add(1, Ordering::Relaxed);
                if trial >= trials {
                    return answered;
                }
                let (run, line) = record(&home);
                if store(&home, trial, &line) {
                    answered.push(run);
                }
            }
        };
        let workers: Vec<_> = (0..PROCESSES).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect()
    });
    let done = home.query("SELECT id FROM run WHERE status = 'done' ORDER BY id");
    assert!(answered.iter().all(|run| done.binary_search(run).is_ok()));
    // What was killed before it was stored is lost when its lease is over, and counted as such.
    let early = "FROM run WHERE picked_at < 1795255200000";
    while !home.query(&format!("SELECT 1 {early} AND status = 'picked' LIMIT 1")).is_empty() {
        home.tool("ar-pick", &["-m", "m"]).env("AGENT_RUNNER_NOW", LATER).any_stdout().check();
    }
    let count = |sql: &str| home.query(sql)[0].parse::<u32>().unwrap();
    assert_eq!(count(&format!("SELECT count(*) {early} AND status IN ('done', 'lost')")), trials);
    assert_eq!(
        count("SELECT sum(runs) FROM tally"),
        count("SELECT count(*) FROM run WHERE status <> 'picked'")
    );
    assert_eq!(count("SELECT sum(runs) FROM provider"), count("SELECT count(*) FROM run"));
    home.tool("ar-log", &["check"])
        .env("AGENT_RUNNER_NOW", LATER)
        .stdout("[..] runs, nothing is wrong\n")
        .check();
}
