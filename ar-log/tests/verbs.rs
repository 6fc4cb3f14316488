//! ar-log through its binary: what it shows.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod history;

use ar_tests::{Home, Run, wait_until};
use history::{NOW, Past, id};
use serde_json::Value;
use std::fs;
use std::process::Stdio;

fn log(home: &Home, args: &[&str]) -> Run {
    history::log(home, args).env("AGENT_RUNNER_NOW", NOW)
}

/// Four runs: a good one, one that hopped from a limit to a good answer, and one whose work failed.
fn past() -> Home {
    let home = Home::new();
    Past::new(&home, 1).prompt("first words\nand more").usage(1200, 340, 0.0123).store(&home);
    Past::new(&home, 2).fails("rate_limit").prompt("say \"hi\"\tnow").stderr("429\n").store(&home);
    Past::new(&home, 3)
        .with("/call", id(2))
        .with("/attempt", 2)
        .with("/pick/provider", "q")
        .with("/pick/account", "b")
        .with("/exec/elapsed_ms", 65_000)
        .with("/exec/session", "s-1")
        .prompt("say \"hi\"\tnow")
        .answer("hi\n")
        .usage(10, 20, 1.5)
        .store(&home);
    let past = Past::new(&home, 4).task(3).with("/model", "n").prompt("break it");
    log(&home, &["--tag", "job=night"]).stdin(past.line()).status(3).any_stdout().check();
    home
}

#[test]
fn the_list_tells_what_happened() {
    let table = "\
TIME                 RUN                         MODEL  PROVIDER  RESULT                    TOOK  TOKENS     COST  PROMPT
2025-11-20 09:01:00  01KAG1B0000000000000000001  m      p         ok                     1500 ms   1.54k  $0.0123  first words and more
2025-11-20 09:02:00  01KAG1B0000000000000000002  m      p         rate_limit (throttle)  1500 ms       -        -  say \"hi\" now
2025-11-20 09:03:00  01KAG1B0000000000000000003  m      q         ok                       1m 5s      30    $1.50  say \"hi\" now
2025-11-20 09:04:00  01KAG1B0000000000000000004  n      p         task                   1500 ms       -        -  break it
";
    let home = past();
    log(&home, &["list"]).stdout(table).check();
}

#[test]
fn an_empty_history_is_no_error() {
    let home = Home::new();
    for verb in ["list", "live", "stats", "usage", "sessions"] {
        let output = log(&home, &[verb]).any_stdout().check();
        assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 1, "{verb}");
        log(&home, &[verb, "--json"]).check();
    }
    log(&home, &["last"])
        .status(2)
        .stderr("ar-log: there is no run '-1'\nhint: 'ar log' lists the last runs\n")
        .check();
}

#[test]
fn conditions_select_runs() {
    let home = past();
    for (args, runs) in [
        (&["--model", "m"][..], "1 2 3"),
        (&["--provider", "q"], "3"),
        (&["--account", "a"], "1 2 4"),
        (&["--class", "rate_limit"], "2"),
        (&["--verdict", "task"], "4"),
        (&["--tag", "job=night"], "4"),
        (&["--tag", "job=nigh"], ""),
        (&["--failed"], "2 4"),
        (&["--failed", "--model", "m"], "2"),
        (&["--since", "58m"], "2 3 4"),
        (&["--since", "2025-11-20 09:02", "--until", "2025-11-20T09:04:00Z"], "2 3"),
        (&["-n", "2"], "3 4"),
        (&["-n", "1", "--verdict", "ok"], "3"),
        (&["--until", "yesterday"], ""),
    ] {
        let output = log(&home, &["list", "--cols", "run"]).any_stdout();
        let output = args.iter().fold(output, Run::arg).check();
        let found = String::from_utf8(output.stdout).unwrap();
        let found: Vec<&str> =
            found.lines().map(|id| id.trim_start_matches("01KAG1B").trim_start_matches('0')).collect();
        assert_eq!(found.join(" "), runs, "{args:?}");
    }
}

#[test]
fn a_mistyped_condition_is_an_error() {
    let home = Home::new();
    log(&home, &["list", "--class", "ratelimit"])
        .status(2)
        .stderr("ar-log: there is no class 'ratelimit'\nhint: there are rate_limit, quota_exhausted, auth_expired, cli_version_mismatch, network_error, unknown\n")
        .check();
    log(&home, &["list", "--since", "sometime"])
        .status(2)
        .stderr("ar-log: cannot read 'sometime' as a time\nhint: write 2h, yesterday, 2026-11-20, '2026-11-20 18:30' or 2026-11-20T18:30:00Z\n")
        .check();
    log(&home, &["list", "--cols", "provder"])
        .status(2)
        .stderr("ar-log: there is no column 'provder'\nhint: did you mean 'provider'?\n")
        .check();
}

#[test]
fn columns_are_fields_of_the_json() {
    let home = past();
    log(&home, &["list", "--cols", "provider,code,record.exec.end,prompt,session", "-n", "3"])
        .stdout("p\t75\texit\tsay \"hi\" now\t\nq\t0\texit\tsay \"hi\" now\ts-1\np\t3\texit\tbreak it\t\n")
        .check();
    let output = log(&home, &["list", "--json", "-n", "1"]).any_stdout().check();
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&run["v"], &run["run"], &run["tags"]["job"]), (&1.into(), &id(4).into(), &"night".into()));
    assert_eq!(run["record"]["diagnosis"]["verdict"], "task");
    assert_eq!(run["record"]["dir"], home.state().with_file_name("runs").join(id(4)).to_str().unwrap());
}

#[test]
fn ar_log_without_a_verb_lists_even_where_standard_input_is_no_terminal() {
    let home = past();
    home.ar(&["log", "-n", "1", "--cols", "provider,code"])
        .env("AGENT_RUNNER_NOW", NOW)
        .stdout("p\t3\n")
        .check();
}

#[test]
fn colours_are_for_those_who_want_them() {
    let home = past();
    let painted = log(&home, &["list", "-n", "1", "--color", "always"]).any_stdout().check();
    assert!(String::from_utf8(painted.stdout).unwrap().contains("\x1b[31mtask\x1b[0m"));
    for args in [&["list"][..], &["list", "--color", "never"]] {
        let plain = log(&home, args).env("CLICOLOR_FORCE", "1").any_stdout().check();
        assert!(!String::from_utf8(plain.stdout).unwrap().contains('\x1b'));
    }
}

#[test]
fn a_run_is_shown_with_the_other_attempts_of_its_call() {
    let home = past();
    log(&home, &["show", "-2"])
        .stdout(format!(
            "run       {three} (attempt 2 of 2, call {two})\n\
             prompt    say \"hi\" now\n\
             model     m\n\
             provider  q\n\
             account   b\n\
             picked    2025-11-20 09:03:00\n\
             because   the only one\n\
             ended     2025-11-20 10:00:00\n\
             took      1m 5s\n\
             end       exit\n\
             result    ok\n\
             status    0\n\
             by        exit\n\
             tokens    10 read, 20 written\n\
             cost      $1.50\n\
             session   s-1\n\
             host      [..]\n\
             prompt    [HOME]/.local/state/agent-runner/runs/{three}/prompt (12 bytes)\n\
             stdout    [HOME]/.local/state/agent-runner/runs/{three}/stdout (3 bytes)\n\
             answer    [HOME]/.local/state/agent-runner/runs/{three}/answer (3 bytes)\n\
             \n\
             ATTEMPT     RUN                         PROVIDER  RESULT                    TOOK\n      \
                   1     {two}  p         rate_limit (throttle)  1500 ms\n      \
                   2  *  {three}  q         ok                       1m 5s\n",
            two = id(2),
            three = id(3)
        ))
        .check();
    for (which, error) in [
        ("-9", "there is no run '-9'\nhint: 'ar log' lists the last runs\n"),
        ("01KAG", "several runs begin with '01KAG'\nhint: give more letters\n"),
        ("x/y", "there is no run 'x/y'\nhint: 'ar log' lists the last runs\n"),
    ] {
        log(&home, &["show", which]).status(2).stderr(format!("ar-log: {error}")).check();
    }
}

#[test]
fn a_name_from_elsewhere_gives_the_terminal_no_orders() {
    let home = past();
    Past::new(&home, 5).with("/pick/provider", "p\u{1b}[31m\u{202e}q").prompt("words").store(&home);
    for args in [&["last"][..], &["list"], &["search", "words"], &["stats"], &["show", "-1", "--color=never"]]
    {
        let output = log(&home, args).any_stdout().check();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains("p [31m q") && !text.contains(['\u{1b}', '\u{202e}']), "{args:?}: {text}");
    }
}

#[test]
fn a_full_disk_is_told_by_every_verb() {
    let home = past();
    for verb in ["list", "last", "stats", "usage", "report", "path"] {
        home.sh(&format!("'{}' {verb} >/dev/full", env!("CARGO_BIN_EXE_ar-log")))
            .env("AGENT_RUNNER_NOW", NOW)
            .status(2)
            .stderr("ar-log: cannot write to standard output: No space left on device (os error 28)\n")
            .check();
    }
}

#[test]
fn the_files_of_a_run_come_byte_for_byte() {
    let home = past();
    log(&home, &["show", &id(3).to_lowercase(), "--answer"]).stdout("hi\n").check();
    log(&home, &["show", "-3", "--stderr"]).stdout("429\n").check();
    log(&home, &["last", "--prompt"]).stdout("break it").check();
    log(&home, &["last", "--stderr"])
        .status(2)
        .stderr("ar-log: cannot open '[HOME]/[..]/stderr': No such file or directory (os error 2)\n")
        .check();
    let output = log(&home, &["show", "-2", "--json"]).any_stdout().check();
    let run: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(run["files"]["answer"], 3);
}

#[test]
fn sums_are_by_what_was_asked() {
    let home = past();
    log(&home, &["stats", "--by", "provider", "--cols", "provider,runs,good,p50_ms,p95_ms,cost_usd,hops"])
        .stdout("p\t3\t1\t1500\t1500\t0.0123\t0\nq\t1\t1\t65000\t65000\t1.5\t1\n")
        .check();
    let once = log(&home, &["stats", "--by", "day,class"]).any_stdout().check().stdout;
    assert_eq!(log(&home, &["stats", "--by", "day,class,day"]).any_stdout().check().stdout, once);
    log(&home, &["stats", "--by", "day,class", "--cols", "day,class,runs"])
        .stdout("2025-11-20\tok\t2\n2025-11-20\trate_limit\t1\n2025-11-20\tunknown\t1\n")
        .check();
    log(&home, &["stats", "--by", "hour", "--failed", "--cols", "hour,runs"]).stdout("9\t2\n").check();
    let later = |args: &[&str]| log(&home, args).env("AGENT_RUNNER_NOW", "2026-01-20T12:00:00Z");
    later(&["stats", "--by", "hour", "--cols", "hour,runs"]).check();
    later(&["stats", "--by", "hour", "--cols", "hour,runs", "-n", "9"]).stdout("9\t4\n").check();
    later(&["stats", "--by", "hour", "--cols", "hour,runs", "--since", "99d"]).stdout("9\t4\n").check();
    for (number, sums) in [("0", ""), ("1", "n\t1\n"), ("2", "m\t1\nn\t1\n"), ("9", "m\t3\nn\t1\n")] {
        log(&home, &["stats", "--by", "model", "--cols", "model,runs", "-n", number]).stdout(sums).check();
    }
    log(&home, &["stats", "--by", "provider", "--cols", "provider,runs", "-n", "1", "--verdict", "ok"])
        .stdout("q\t1\n")
        .check();
    log(&home, &["stats", "--by", "model"])
        .stdout(
            "MODEL  RUNS   GOOD      P50      P95   READ  WRITTEN   COST  HOPS\n\
             m         3  66.7%  1500 ms    1m 5s  1.21k      360  $1.51     1\n\
             n         1   0.0%  1500 ms  1500 ms      -        -      -     0\n",
        )
        .check();
    // What nobody told is not nothing.
    log(&home, &["stats", "--by", "model", "--cols", "model,cost_usd"]).stdout("m\t1.5123\nn\t\n").check();
}

#[test]
fn sums_over_several_days_show_how_these_went() {
    let home = past();
    for (n, day) in [(5, 18), (6, 20), (7, 20)] {
        Past::new(&home, n).with("/pick/at", format!("2025-11-{day}T09:00:00.000Z")).store(&home);
    }
    let table = "\
MODEL  RUNS   GOOD      P50    P95   READ  WRITTEN   COST  HOPS  TREND
m         6  83.3%  1500 ms  1m 5s  1.21k      360  $1.51     1  ▂ █
";
    log(&home, &["stats", "--by", "model", "--model", "m"]).stdout(table).check();
    let ascii = log(&home, &["stats", "--by", "model"]).env("LC_ALL", "C").any_stdout().check();
    assert!(String::from_utf8(ascii.stdout).unwrap().contains("  : #\n"));
    log(&home, &["stats", "--by", "model", "--cols", "model,runs"]).stdout("m\t6\nn\t1\n").check();
}

#[test]
fn usage_draws_what_each_account_cost() {
    let home = past();
    log(&home, &["usage"])
        .stdout(
            "DAY (UTC)   ACCOUNT  RUNS   READ  CACHED  WRITTEN     COST\n\
             2025-11-20  a           3  1.20k       0      340  $0.0123  ▏\n\
             2025-11-20  b           1     10       0       20    $1.50  ████████████████████████\n",
        )
        .check();
    log(&home, &["usage", "--account", "b", "-o", "tsv"])
        .stdout("1\t2025-11-20\tb\t1\t10\t20\t0\t0\t1.5\n")
        .check();
}

#[test]
fn sessions_are_listed_with_the_prompt_that_began_them() {
    let home = past();
    Past::new(&home, 5).with("/exec/session", "s-1").with("/pick/provider", "q").prompt("go on").store(&home);
    log(&home, &["sessions", "--cols", "session,provider,runs,last_at,prompt"])
        .stdout("s-1\tq\t2\t2025-11-20T09:05:00.000Z\tsay \"hi\" now\n")
        .check();
}

#[test]
fn sessions_are_listed_under_the_names_that_callers_gave_them() {
    let home = past();
    home.query(
        "INSERT INTO session (name, model, provider, id, used_at) VALUES \
         ('talk', 'm', 'q', 's-1', 1763632790000), ('old', 'm', 'q', 's-0', 1763629200000)",
    );
    log(&home, &["sessions"])
        .stdout(
            "\
LAST                 NAME  SESSION  MODEL  PROVIDER  RUNS  PROMPT
2025-11-20 09:00:00  old   s-0      m      q            0
2025-11-20 09:03:00  talk  s-1      m      q            1  say \"hi\" now
",
        )
        .check();
    log(&home, &["sessions", "--provider=q", "--cols=name,session,runs"]).stdout("talk\ts-1\t1\n").check();
}

#[test]
fn what_runs_now_is_listed_with_its_last_line() {
    let home = past();
    let run = id(9);
    home.query(&format!(
        "INSERT INTO run (id, call_id, attempt, model, provider, account, status, picked_at) \
         VALUES ('{run}', '{run}', 1, 'm', 'p', 'a', 'picked', 1763632790000)"
    ));
    let cols = "run,phase,elapsed_ms,last_line";
    log(&home, &["live", "--cols", cols]).stdout(format!("{run}\tstarting\t10000\t\n")).check();
    let dir = home.state().with_file_name("runs").join(&run);
    fs::create_dir(&dir).unwrap();
    let lock = fs::File::create(dir.join("lock")).unwrap();
    lock.lock().unwrap();
    fs::write(dir.join("stdout"), "reading\nthinking \x1b[1mhard\n\n").unwrap();
    log(&home, &["live", "--cols", cols])
        .stdout(format!("{run}\trunning\t10000\tthinking [1mhard\n"))
        .check();
    lock.unlock().unwrap();
    log(&home, &["live", "--cols", "phase"]).stdout("ending\n").check();
}

#[test]
fn follow_prints_runs_as_they_come() {
    let home = past();
    let out = home.path("out");
    let mut child =
        log(&home, &["follow", "-n", "1", "--cols", "run,status,provider", "--failed"]).spawn(|command| {
            command.stdin(Stdio::null()).stdout(fs::File::create(&out).unwrap());
        });
    let printed = || fs::read_to_string(&out).unwrap();
    wait_until("the last run is printed", || printed().lines().count() == 1);
    Past::new(&home, 5).store(&home);
    Past::new(&home, 6).task(1).store(&home);
    wait_until("the failed run is printed", || printed().lines().count() == 2);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(printed(), format!("{}\tdone\tp\n{}\tdone\tp\n", id(4), id(6)));
}

#[test]
fn follow_prints_the_output_of_a_run_to_its_end() {
    let home = past();
    let past = Past::new(&home, 7).answer("one\n");
    home.query(&format!(
        "INSERT INTO run (id, call_id, attempt, model, provider, account, status, picked_at) \
         VALUES ('{0}', '{0}', 1, 'm', 'p', 'a', 'picked', 1763629620000)",
        id(7)
    ));
    let out = home.path("out");
    let mut child = log(&home, &["follow", &id(7)]).spawn(|command| {
        command.stdin(Stdio::null()).stdout(fs::File::create(&out).unwrap());
    });
    let printed = || fs::read_to_string(&out).unwrap();
    wait_until("the first line is printed", || printed() == "one\n");
    let mut stdout = fs::OpenOptions::new().append(true).open(past.dir().join("stdout")).unwrap();
    std::io::Write::write_all(&mut stdout, b"two\n").unwrap();
    past.store(&home);
    assert!(child.wait().unwrap().success());
    assert_eq!(printed(), "one\ntwo\n");
}

#[test]
fn paths_are_printed() {
    let home = past();
    log(&home, &["path"]).stdout("[HOME]/.local/state/agent-runner/state.db\n").check();
    log(&home, &["path", "-1"]).stdout(format!("[HOME]/.local/state/agent-runner/runs/{}\n", id(4))).check();
}
