//! ar-log killed at any moment.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod history;

use ar_tests::Home;
use history::{NOW, Past, id, log};
use std::io::Write;
use std::process::{Child, Stdio};

const RUNS: u32 = 60;

#[test]
fn whoever_saw_an_answer_finds_its_row_however_many_are_killed() {
    let home = Home::new();
    log(&home, &["list"]).any_stdout().check();
    // Reserved as ar-pick does it.
    for n in 1..=RUNS {
        home.query(&format!(
            "INSERT INTO run (id, call_id, attempt, model, provider, account, status, host, picked_at, lease_until) \
             VALUES ('{0}', '{0}', 1, 'm', 'p', 'a', 'picked', 'h', 1763629200000 + {n} * 60000, 1763632800000)",
            id(n)
        ));
    }
    let children: Vec<Child> = (1..=RUNS)
        .map(|n| {
            let line = Past::new(&home, n).line();
            let mut child = log(&home, &["--cat"]).env("AGENT_RUNNER_NOW", NOW).spawn(|command| {
                command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
            });
            child.stdin.take().unwrap().write_all(line.as_bytes()).unwrap();
            child
        })
        .collect();
    let mut answered = Vec::new();
    for (mut child, n) in children.into_iter().zip(1..) {
        // They are at all stages by now; some are still waiting for the others' locks.
        if n % 3 == 0 {
            child.kill().unwrap();
        }
        if child.wait_with_output().unwrap().stdout == b"ok\n" {
            answered.push(id(n));
        }
    }
    assert!(answered.len() >= (RUNS - RUNS / 3) as usize);
    let done = home.query("SELECT id FROM run WHERE status = 'done' AND verdict = 'ok'");
    assert!(answered.iter().all(|id| done.contains(id)), "{answered:?} {done:?}");
    log(&home, &["check"])
        .env("AGENT_RUNNER_NOW", NOW)
        .stdout(format!("{RUNS} runs, nothing is wrong\n"))
        .check();
    assert_eq!(home.query("SELECT sum(runs) FROM tally"), [done.len().to_string()]);
}
