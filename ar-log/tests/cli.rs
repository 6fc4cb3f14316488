//! ar-log through its binary: the end of the pipeline.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod history;

use ar_tests::{Home, Run};
use history::{NOW, Past, bin_dir, id, log};
use serde_json::json;
use std::fs;
use std::fs::File;

/// The filter at the time of these tests.
fn filter(home: &Home, args: &[&str]) -> Run {
    log(home, args).env("AGENT_RUNNER_NOW", NOW)
}

#[test]
fn a_good_run_is_stored_before_its_answer_is_printed() {
    let home = Home::new();
    let past = Past::new(&home, 1).answer("four\n").prompt("two and two");
    filter(&home, &["--cat"]).stdin(past.line()).stdout("four\n").check();
    assert_eq!(
        home.query("SELECT status, code, verdict, model, provider, account, prompt, elapsed_ms FROM run"),
        ["done|0|ok|m|p|a|two and two|1500"]
    );
}

#[test]
fn without_options_the_record_goes_on() {
    let home = Home::new();
    let line = Past::new(&home, 1).line();
    filter(&home, &[]).stdin(line.clone()).stdout(line).check();
}

#[test]
fn json_is_the_record_with_the_answer() {
    let home = Home::new();
    let past = Past::new(&home, 1).answer("a \"b\"\n");
    let line = past.line();
    let expected =
        line.trim_end().strip_suffix('}').unwrap().to_owned() + ",\"answer\":\"a \\\"b\\\"\\n\"}\n";
    filter(&home, &["--json"]).stdin(line).stdout(expected).check();
    let line = Past::new(&home, 2).fails("rate_limit").line();
    filter(&home, &["--json"]).stdin(line.clone()).status(75).stdout(line).check();
}

#[test]
fn a_failed_run_shows_what_its_child_said() {
    let home = Home::new();
    let past = Past::new(&home, 1).fails("rate_limit").stderr("429\nslow down\n");
    filter(&home, &["--cat"])
        .stdin(past.line())
        .status(75)
        .stderr("ar-log: p: rate_limit (throttle): 429\n429\nslow down\n")
        .check();
    let past = Past::new(&home, 2).task(3).answer("half an answer\n");
    filter(&home, &["--cat"])
        .stdin(past.line())
        .status(3)
        .stderr("ar-log: p: unknown\nhalf an answer\n")
        .check();
}

#[test]
fn a_run_that_ended_at_a_limit_is_shown_by_the_limit_alone() {
    let home = Home::new();
    let line = Past::new(&home, 1).task(3).answer("{\"type\":\"assistant\"}\n").line();
    assert!(line.contains("\"end\":\"exit\""), "{line}");
    let line =
        line.replace("\"end\":\"exit\"", "\"end\":\"max_turns\"").replace("\"turns\":null", "\"turns\":4");
    let said = "ar-log: p: ended at max_turns, after 4 turns\n";
    filter(&home, &["--cat"]).stdin(line).status(124).stderr(said).check();
}

#[test]
fn failover_says_nothing_of_a_run_that_another_may_do_better() {
    let home = Home::new();
    let past = Past::new(&home, 1).fails("rate_limit").stderr("429\n");
    filter(&home, &["--cat", "--failover"]).stdin(past.line()).status(75).check();
    let past = Past::new(&home, 2).task(3).stderr("no\n");
    filter(&home, &["--cat", "--failover"])
        .stdin(past.line())
        .status(3)
        .stderr("ar-log: p: unknown\nno\n")
        .check();
    filter(&home, &["--cat", "--failover"]).check();
    assert_eq!(
        home.query("SELECT verdict, class FROM run ORDER BY id"),
        ["provider|rate_limit", "task|unknown"]
    );
}

#[test]
fn no_log_removes_no_directory_but_the_runs_own() {
    let home = Home::new();
    let past = Past::new(&home, 1);
    let precious = home.write("precious/file", "mine").parent().unwrap().to_path_buf();
    let line = past.with("/dir", precious.to_str().unwrap()).line();
    filter(&home, &["--cat", "--no-log"])
        .stdin(line)
        .status(2)
        .stderr(format!(
            "ar-log: standard input holds no record: its 'dir' is not the directory of run '{}'\n",
            id(1)
        ))
        .check();
    assert!(precious.join("file").exists());
    let other = home.write(&format!("other/{}/answer", id(2)), "theirs\n").parent().unwrap().to_path_buf();
    let line = Past::new(&home, 2).with("/dir", other.to_str().unwrap()).line();
    filter(&home, &["--cat", "--no-log"])
        .stdin(line)
        .status(2)
        .stdout("theirs\n")
        .stderr(format!(
            "ar-log: the run's directory '[HOME]/other/{}' is not beside the state database\n\
             hint: remove it yourself, or give ar-exec and ar-log the same --state\n",
            id(2)
        ))
        .check();
    assert!(other.join("answer").exists());
}

#[test]
fn no_log_forgets_what_nobody_could_be_given() {
    let home = Home::new();
    let past = Past::new(&home, 1).prompt("private words");
    let script = format!("printf '%s' '{}' | '{}' --cat --no-log >/dev/full", past.line().trim_end(), bin());
    home.sh(&script).env("AGENT_RUNNER_NOW", NOW).status(2).any_stderr().check();
    assert!(!past.dir().exists());
}

#[test]
fn a_standard_error_that_cannot_be_written_leaves_the_childs_status() {
    let home = Home::new();
    let past = Past::new(&home, 1).task(3).stderr("no\n");
    let script = format!("printf '%s' '{}' | '{}' --cat 2>/dev/full", past.line().trim_end(), bin());
    home.sh(&script).env("AGENT_RUNNER_NOW", NOW).status(3).check();
}

/// The binary under test, for scripts.
fn bin() -> String {
    bin_dir().join("ar-log").display().to_string()
}

#[test]
fn no_log_keeps_the_outcome_and_forgets_what_was_said() {
    let home = Home::new();
    let past = Past::new(&home, 1).prompt("private words").answer("private answer\n");
    filter(&home, &["--cat", "--no-log"]).stdin(past.line()).stdout("private answer\n").check();
    assert_eq!(home.query("SELECT status, verdict, prompt, record FROM run"), ["done|ok||"]);
    assert!(!past.dir().exists());
}

#[test]
fn tags_ride_in_the_record() {
    let home = Home::new();
    let output = filter(&home, &["--tag", "job=night", "--tag", "a=b=c"])
        .stdin(Past::new(&home, 1).line())
        .any_stdout()
        .check();
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["tags"], json!({"a": "b=c", "job": "night"}));
    assert_eq!(home.query("SELECT tags FROM run"), ["{\"a\":\"b=c\",\"job\":\"night\"}"]);
    filter(&home, &["--tag", "x"])
        .stdin("")
        .status(2)
        .stderr("ar-log: the tag 'x' is not KEY=VALUE\n")
        .check();
}

#[test]
fn the_failure_of_an_earlier_tool_is_stored_and_passed_on() {
    let home = Home::new();
    let run = id(1);
    let line = json!({"v": 1, "run": run, "call": run, "attempt": 1, "model": "m",
        "error": {"tool": "ar-exec", "message": "cannot write 'prompt': no space", "code": 2}});
    let line = format!("{line}\n");
    filter(&home, &["--json"]).stdin(line.clone()).status(2).stdout(line.clone()).check();
    assert_eq!(home.query("SELECT status, code, verdict, picked_at FROM run"), ["failed|2||1763632800000"]);
    filter(&home, &["--cat"]).stdin(line).status(2).check();
}

#[test]
fn where_the_pick_itself_failed_there_is_nothing_to_store() {
    let home = Home::new();
    let run = id(1);
    let line = json!({"v": 1, "run": run, "call": run, "attempt": 1, "model": "m",
        "error": {"tool": "ar-pick", "message": "cannot use the state database", "code": 2}});
    filter(&home, &["--cat"]).stdin(format!("{line}\n")).status(2).check();
    assert!(!home.state().exists());
}

#[test]
fn a_replayed_record_counts_once() {
    let home = Home::new();
    let line = Past::new(&home, 1).fails("rate_limit").line();
    for _ in 0..3 {
        filter(&home, &[]).stdin(line.clone()).status(75).stdout(line.clone()).check();
    }
    assert_eq!(home.query("SELECT count(*) FROM run"), ["1"]);
    assert_eq!(home.query("SELECT runs FROM tally"), ["1"]);
    assert_eq!(home.query("SELECT strikes FROM health"), ["0"]);
}

#[test]
fn a_run_tells_until_when_its_failure_made_the_account_rest() {
    let home = Home::new();
    let store = |past: Past, now: &str, status| {
        log(&home, &[]).env("AGENT_RUNNER_NOW", now).stdin(past.line()).status(status).any_stdout().check();
    };
    let cooled =
        || home.query("SELECT strftime('%H:%M:%S', cooled_until / 1000, 'unixepoch') FROM run ORDER BY id");
    // No provider said how long: 30 seconds, and one that fails within them changes nothing.
    store(Past::new(&home, 1).fails("rate_limit"), "2025-11-20T10:00:00Z", 75);
    store(Past::new(&home, 2).fails("rate_limit"), "2025-11-20T10:00:10Z", 75);
    assert_eq!(cooled(), ["10:00:30", ""]);
    // What prolongs it goes on in its place.
    let again = Past::new(&home, 3).fails("quota_exhausted").with("/pick/at", "2025-11-20T10:00:15.000Z");
    store(again, "2025-11-20T10:00:20Z", 75);
    assert_eq!(cooled(), ["10:00:20", "", "11:00:20"]);
    // A success ends it.
    store(Past::new(&home, 4).with("/pick/at", "2025-11-20T10:30:00.000Z"), "2025-11-20T10:30:05Z", 0);
    assert_eq!(cooled(), ["10:00:20", "", "10:30:05", ""]);
    log(&home, &["list", "--cols", "cooled_until", "-n", "2"]).stdout("2025-11-20T10:30:05.000Z\n\n").check();
}

#[test]
fn several_records_are_stored_and_the_last_bad_one_is_the_status() {
    let home = Home::new();
    let lines: String = [
        Past::new(&home, 1).task(3).line(),
        Past::new(&home, 2).task(7).line(),
        Past::new(&home, 3).answer("ok\n").line(),
    ]
    .concat();
    filter(&home, &["--cat"])
        .stdin(lines)
        .status(7)
        .stdout("ok\n")
        .stderr("ar-log: p: unknown\nok\nar-log: p: unknown\nok\n")
        .check();
    assert_eq!(home.query("SELECT code FROM run ORDER BY id"), ["3", "7", "0"]);
}

#[test]
fn a_run_that_was_taken_for_lost_is_stored_over_the_mark() {
    let home = Home::new();
    let past = Past::new(&home, 1);
    log(&home, &["list"]).any_stdout().check();
    home.query(&format!(
        "INSERT INTO run (id, call_id, attempt, model, provider, account, status, picked_at) \
         VALUES ('{0}', '{0}', 1, 'm', 'p', 'a', 'lost', 1763632800000)",
        id(1)
    ));
    filter(&home, &[]).stdin(past.line()).any_stdout().check();
    assert_eq!(home.query("SELECT status, verdict FROM run"), ["done|ok"]);
    assert_eq!(home.query("SELECT outcome, runs FROM tally WHERE runs <> 0"), ["ok|1"]);
}

#[test]
fn secrets_of_known_shapes_do_not_reach_the_database() {
    let home = Home::new();
    let key = "sk-proj-abcdefghijklmnop0123456789";
    let past = Past::new(&home, 1)
        .prompt(&format!("use {key} please"))
        .answer(&format!("I used {key}\n"))
        .fails("auth_expired")
        .evidence(&format!("Incorrect API key provided: {key}"));
    filter(&home, &[]).stdin(past.line()).status(69).any_stdout().check();
    assert_eq!(home.query("SELECT prompt FROM run"), ["use *** please"]);
    for file in fs::read_dir(home.state().parent().unwrap()).unwrap() {
        let path = file.unwrap().path();
        let bytes = if path.is_file() { fs::read(&path).unwrap() } else { continue };
        assert!(!String::from_utf8_lossy(&bytes).contains("abcdefghijklmnop0123"), "{}", path.display());
    }
}

#[test]
fn no_record_is_an_error() {
    let home = Home::new();
    filter(&home, &["--cat"]).status(2).stderr("ar-log: no record on standard input\nhint: [..]\n").check();
    filter(&home, &[]).stdin("nonsense\n").status(2).stderr("ar-log: [..]\n").check();
    assert!(!home.state().exists());
}

#[test]
fn a_closed_pipe_is_no_error_and_a_full_disk_is_one() {
    let home = Home::new();
    let past = Past::new(&home, 1).answer(&"x".repeat(1_000_000));
    home.write("record", past.line());
    let script =
        "ar-log --cat <\"$HOME/record\" | head -c 1; ar-log --cat <\"$HOME/record\" >/dev/full; echo $?";
    home.sh(script)
        .env("PATH", format!("{}:/usr/bin:/bin", history::bin_dir().display()))
        .stdout("x2\n")
        .stderr("ar-log: cannot copy the answer '[HOME]/[..]/answer' to standard output: No space left on device (os error 28)\n")
        .check();
    assert_eq!(home.query("SELECT status FROM run"), ["done"]);
}

#[test]
fn a_missing_answer_is_told_after_the_run_is_stored() {
    let home = Home::new();
    let past = Past::new(&home, 1);
    fs::remove_file(past.dir().join("answer")).unwrap();
    filter(&home, &["--cat"])
        .stdin(past.line())
        .status(2)
        .stderr("ar-log: cannot open '[HOME]/[..]/answer': No such file or directory (os error 2)\n")
        .check();
    assert_eq!(home.query("SELECT status FROM run"), ["done"]);
}

#[test]
fn a_database_that_cannot_be_used_is_told_and_left_alone() {
    let home = Home::new();
    let line = Past::new(&home, 1).line();
    fs::write(home.state(), "garbage ".repeat(1000)).unwrap();
    filter(&home, &[])
        .stdin(line)
        .status(2)
        .stderr(
            "ar-log: cannot use the state database '[HOME]/[..]/state.db': it is damaged or not a database\nhint: [..]\n",
        )
        .check();
    assert_eq!(fs::read_to_string(home.state()).unwrap(), "garbage ".repeat(1000));
}

#[test]
fn a_run_survives_the_signals_that_end_its_pipeline() {
    let home = Home::new();
    let past = Past::new(&home, 1);
    let mut child = filter(&home, &[]).spawn(|command| {
        command.stdin(std::process::Stdio::piped()).stdout(File::create(home.path("out")).unwrap());
    });
    let mut stdin = child.stdin.take().unwrap();
    // It is at work once it has read the first record.
    std::io::Write::write_all(&mut stdin, past.line().as_bytes()).unwrap();
    ar_tests::wait_until("the first record is printed", || fs::metadata(home.path("out")).unwrap().len() > 0);
    for signal in [rustix::process::Signal::INT, rustix::process::Signal::TERM, rustix::process::Signal::HUP]
    {
        let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }
    std::io::Write::write_all(&mut stdin, Past::new(&home, 2).line().as_bytes()).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(home.query("SELECT count(*) FROM run"), ["2"]);
}
