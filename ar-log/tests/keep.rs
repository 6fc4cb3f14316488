//! ar-log through its binary: what is kept, moved, removed and checked.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod history;

use ar_tests::{Home, Run, wait_until};
use history::{NOW, Past, id};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

const CONFIG: &str = ".config/agent-runner/config.toml";

fn log(home: &Home, args: &[&str]) -> Run {
    history::log(home, args).env("AGENT_RUNNER_NOW", NOW)
}

fn past() -> Home {
    let home = Home::new();
    Past::new(&home, 1).prompt("why is the sky blue").answer("Rayleigh scattering of light\n").store(&home);
    Past::new(&home, 2).prompt("how deep is the sea").fails("rate_limit").store(&home);
    Past::new(&home, 3)
        .prompt("sky and sea")
        .answer("both are blue;\nthe sky by scattering, the sea by absorption\n")
        .usage(7, 5, 0.25)
        .store(&home);
    home
}

fn runs(home: &Home) -> String {
    let ids = home.query("SELECT id FROM run ORDER BY id");
    let short = ids.iter().map(|id| id.trim_start_matches("01KAG1B").trim_start_matches('0').to_owned());
    short.collect::<Vec<_>>().join(" ")
}

#[test]
fn words_are_found_in_prompts_and_answers_the_best_first() {
    let home = past();
    for (words, found) in [
        (&["sky"][..], "1 3"),
        (&["scattering"], "1 3"),
        (&["blue", "sea"], "3"),
        (&["sky by scattering"], "3"),
        (&["by sky"], ""),
        (&["absor*"], "3"),
        (&["deep"], "2"),
        (&["deep", "--verdict", "ok"], ""),
        (&["NOT \" OR ("], ""),
    ] {
        let search = log(&home, &["search", "--cols", "run"]).any_stdout();
        let output = words.iter().fold(search, Run::arg).check();
        let mut ids: Vec<String> = String::from_utf8(output.stdout)
            .unwrap()
            .lines()
            .map(|id| id.trim_start_matches("01KAG1B").trim_start_matches('0').to_owned())
            .collect();
        ids.sort();
        assert_eq!(ids.join(" "), found, "{words:?}");
    }
    log(&home, &["search", "absorption", "--color", "always"])
        .stdout(format!(
            "2025-11-20 09:03:00  \x1b[2m{}\x1b[0m  m  p  \x1b[32mok\x1b[0m\n    \
             both are blue; the sky by scattering, the sea by \x1b[1mabsorption\x1b[0m\n",
            id(3)
        ))
        .check();
}

#[test]
fn the_configuration_says_how_much_is_kept() {
    let home = Home::new();
    home.write(CONFIG, "log_search_bytes = 3\nlog_secrets = ['blue\\w*']\n");
    Past::new(&home, 1).prompt("blueish sky").answer("sky\n").store(&home);
    assert_eq!(home.query("SELECT prompt, answer FROM content"), ["***|sky"]);
    home.write(CONFIG, "log_secrets = ['blue\\w*']\n");
    Past::new(&home, 2).prompt("blueish sky").store(&home);
    assert_eq!(home.query("SELECT prompt FROM run WHERE id LIKE '%2'"), ["*** sky"]);
    home.write(CONFIG, "log_content = 'none'\n");
    let past = Past::new(&home, 3).prompt("private").usage(1, 2, 0.5).evidence("private").store(&home);
    assert_eq!(home.query("SELECT prompt, input_tokens, verdict FROM run WHERE id LIKE '%3'"), ["|1|ok"]);
    assert_eq!(home.query("SELECT count(*) FROM run WHERE record LIKE '%private%'"), ["0"]);
    assert!(!past.dir().exists());
}

#[test]
fn a_broken_configuration_loses_no_run_and_keeps_nothing_that_was_said() {
    let home = Home::new();
    home.write(CONFIG, "log_contents = 'none'\n");
    let past = Past::new(&home, 1).prompt("private");
    log(&home, &["--cat"])
        .stdin(past.line())
        .stdout("ok\n")
        .stderr("ar-log: [HOME]/[..]/config.toml:1: unknown key 'log_contents'\nhint: did you mean 'log_content'?\n")
        .check();
    assert_eq!(home.query("SELECT status, prompt FROM run"), ["done|"]);
}

#[test]
fn a_pattern_that_is_none_loses_no_run_and_keeps_nothing_that_was_said() {
    let home = Home::new();
    home.write(CONFIG, "log_secrets = ['(bad']\n");
    let past = Past::new(&home, 1).prompt("private");
    log(&home, &["--cat"])
        .stdin(past.line())
        .stdout("ok\n")
        .stderr(
            "ar-log: 'log_secrets' in config.toml has the pattern '(bad', which is no regular expression\n\
             hint: single quotes keep backslashes; 'ar setup check' finds what else is wrong\n",
        )
        .check();
    assert_eq!(home.query("SELECT status, prompt FROM run"), ["done|"]);
    assert!(!past.dir().exists());
}

#[test]
fn patterns_leave_a_record_readable() {
    let home = Home::new();
    home.write(CONFIG, "log_secrets = ['20[0-9]{2}', 'exit', '']\n");
    Past::new(&home, 1).prompt("in 2025").fails("rate_limit").evidence("until 2026").store(&home);
    let shown = log(&home, &["show", "-1", "--json"]).any_stdout().check().stdout;
    let shown: serde_json::Value = serde_json::from_slice(&shown).unwrap();
    assert_eq!(shown["prompt"], "in ***");
    assert_eq!(shown["record"]["exec"]["end"], "exit");
    assert_eq!(shown["record"]["exec"]["started"], "2025-11-20T09:01:00.000Z");
    assert_eq!(shown["record"]["diagnosis"]["evidence"], "until ***");
}

#[test]
fn tags_sessions_and_hooks_get_no_secret() {
    let home = Home::new();
    let key = "sk-ant-api03-AbCdEfGhIjKlMnOpQrSt";
    home.command("told", "cat >\"$HOME/part\"; mv \"$HOME/part\" \"$HOME/told\"");
    home.write(CONFIG, "[hooks]\non_failure = ['told']\n");
    let past = Past::new(&home, 1).fails("auth_expired").with("/exec/session", key).with(
        "/exec/error",
        serde_json::json!({"kind": key, "message": format!("bad {key}"), "status": 401}),
    );
    for n in [1, 2] {
        let line = past.line().replace(&id(1), &id(n));
        let keep = if n == 1 { "--cat" } else { "--no-log" };
        log(&home, &[keep, "--tag", &format!("k={key}")])
            .stdin(line)
            .status(69)
            .any_stdout()
            .any_stderr()
            .check();
    }
    log(&home, &["check", "--secrets"]).stdout("no secret of a known shape is in the database\n").check();
    assert_eq!(home.query("SELECT tags FROM run LIMIT 1"), ["{\"k\":\"***\"}"]);
    wait_until("the hook is told", || home.path("told").exists());
    assert!(!fs::read_to_string(home.path("told")).unwrap().contains(key));
}

#[test]
fn an_import_brings_no_secret_and_nothing_that_breaks_what_is_there() {
    let (here, there) = (past(), Home::new());
    let exported = String::from_utf8(log(&here, &["export"]).any_stdout().check().stdout).unwrap();
    let line: serde_json::Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    let key = "sk-ant-api03-AbCdEfGhIjKlMnOpQrSt";
    let mut secret = line.clone();
    secret["row"]["prompt"] = format!("use {key}").into();
    secret["row"]["tags"] = format!("{{\"k\":\"{key}\"}}").into();
    log(&there, &["import"]).stdin(format!("{secret}\n")).any_stdout().check();
    log(&there, &["check", "--secrets"]).stdout("no secret of a known shape is in the database\n").check();
    for (field, value, problem) in [
        ("tags", "garbage".into(), "its 'tags' are no JSON object"),
        ("why", "{}".into(), "its 'why' is no JSON array"),
        ("provider", "\u{1b}[31mred".into(), "its 'provider' has control characters"),
        ("verdict", "a\nb".into(), "its 'verdict' has control characters"),
        (
            "input_tokens",
            serde_json::json!(i64::MAX),
            "its 'input_tokens' are [..], and 1000000000000 is the most",
        ),
        ("cost_micros", serde_json::json!(-1), "its 'cost_micros' are -1, and 0 is the least"),
    ] {
        let mut line = line.clone();
        line["row"][field] = value;
        log(&there, &["import"])
            .stdin(format!("{line}\n"))
            .status(2)
            .stderr(format!(
                "ar-log: line 1 of standard input is no run of an export: {problem}\n\
                 hint: the 0 runs before it are imported; importing again adds none of them twice\n"
            ))
            .check();
    }
}

#[test]
fn counts_beyond_all_measure_leave_the_sums_readable() {
    let home = Home::new();
    for n in 1..=20 {
        Past::new(&home, n).usage(u64::MAX, 1 << 62, 1e300).store(&home);
    }
    log(&home, &["stats", "--cols", "runs"]).stdout("20\n").check();
    log(&home, &["check"]).stdout("20 runs, nothing is wrong\n").check();
}

#[test]
fn the_oldest_runs_are_removed_with_their_files() {
    let home = past();
    log(&home, &["prune", "--older-than", "2025-11-20 09:02", "--dry-run"])
        .stdout("would remove 1 runs with 77 bytes of files\n")
        .check();
    assert_eq!(runs(&home), "1 2 3");
    log(&home, &["prune", "--older-than", "2025-11-20 09:02"])
        .stdout("removed 1 runs with 77 bytes of files\n")
        .check();
    assert_eq!(runs(&home), "2 3");
    assert!(!home.state().with_file_name("runs").join(id(1)).exists());
    log(&home, &["search", "Rayleigh"]).check();
    log(&home, &["prune", "--keep", "1"]).any_stdout().check();
    assert_eq!(runs(&home), "3");
    assert_eq!(home.query("SELECT sum(runs) FROM tally"), ["1"]);
    log(&home, &["prune", "--max-bytes", "1K"]).stdout("removed 0 runs with 0 bytes of files\n").check();
    log(&home, &["prune", "--max-bytes", "10"]).any_stdout().check();
    assert_eq!(runs(&home), "");
    log(&home, &["check"]).stdout("0 runs, nothing is wrong\n").check();
}

#[test]
fn nothing_is_left_of_what_was_removed() {
    let home = Home::new();
    for n in 1..=9 {
        let word = if n % 2 == 0 { "unspeakable" } else { "common" };
        Past::new(&home, n)
            .prompt(&format!("{word}{n} words"))
            .answer(&format!("{word}{n} answer"))
            .store(&home);
    }
    for n in [2, 4, 6, 8] {
        log(&home, &["rm", &id(n)]).check();
    }
    for entry in fs::read_dir(home.state().parent().unwrap()).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            let bytes = fs::read(&path).unwrap();
            assert!(!bytes.windows(9).any(|word| word == b"speakable"), "in '{}'", path.display());
        }
    }
    log(&home, &["search", "common*", "--cols", "run"]).any_stdout().check();
    log(&home, &["check"]).stdout("5 runs, nothing is wrong\n").check();
}

#[test]
fn retention_keeps_pace_with_storing() {
    let home = Home::new();
    home.write(CONFIG, "log_keep_days = 30\nlog_keep_runs = 4\n");
    for n in 1..=40 {
        Past::new(&home, n).store(&home);
    }
    let left: usize = home.query("SELECT count(*) FROM run")[0].parse().unwrap();
    assert!((4..=12).contains(&left), "{left}");
    let dirs = fs::read_dir(home.state().with_file_name("runs")).unwrap().count();
    assert_eq!(dirs, left);
    let later = Past::new(&home, 41);
    history::log(&home, &[])
        .env("AGENT_RUNNER_NOW", "2026-02-01T00:00:00Z")
        .stdin(later.line())
        .any_stdout()
        .check();
    assert_eq!(home.query("SELECT count(*) FROM run"), ["0"]);
}

#[test]
fn runs_are_removed_by_name_unless_they_are_not_over() {
    let home = past();
    log(&home, &["rm", "-1", &id(1)]).check();
    assert_eq!(runs(&home), "2");
    home.query("UPDATE run SET status = 'picked'");
    log(&home, &["rm", &id(2)])
        .status(2)
        .stderr(format!(
            "ar-log: run '{}' is not over\nhint: a run that died is marked as lost by the next call\n",
            id(2)
        ))
        .check();
    assert_eq!(runs(&home), "2");
}

#[test]
fn an_export_is_imported_once_and_comes_out_as_it_went_in() {
    let (here, there) = (past(), Home::new());
    let export = |home: &Home| String::from_utf8(log(home, &["export"]).any_stdout().check().stdout).unwrap();
    let exported = export(&here);
    log(&there, &["import"]).stdin(exported.clone()).stdout("imported 3 runs, 0 were known\n").check();
    log(&there, &["import"]).stdin(exported.clone()).stdout("imported 0 runs, 3 were known\n").check();
    assert_eq!(export(&there), exported);
    log(&there, &["search", "absorption", "--cols", "prompt"]).stdout("sky and sea\n").check();
    let sums = "SELECT day, provider, outcome, runs, input_tokens, cost_micros FROM tally ORDER BY outcome";
    assert_eq!(there.query(sums), here.query(sums));
    // The files stay where they were, and take no room here.
    assert_eq!(there.query("SELECT sum(payload_bytes) FROM tally"), ["0"]);
    log(&there, &["check"]).stdout("3 runs, nothing is wrong\n").check();
    log(&there, &["show", "-1", "--prompt"])
        .stdout("sky and sea")
        .stderr("ar-log: this is what was imported: the beginning, without secrets\n")
        .check();
    let some = log(&here, &["export", "--failed"]).any_stdout().check().stdout;
    assert_eq!(String::from_utf8(some).unwrap().lines().count(), 1);
}

#[test]
fn an_import_names_no_directory_but_a_runs_own() {
    let (here, there) = (past(), Home::new());
    let exported = String::from_utf8(log(&here, &["export"]).any_stdout().check().stdout).unwrap();
    let mut line: serde_json::Value = serde_json::from_str(exported.lines().next().unwrap()).unwrap();
    line["record"] = serde_json::Value::Null;
    line["row"]["run"] = "../../x".into();
    log(&there, &["import"])
        .stdin(format!("{line}\n"))
        .status(2)
        .stderr(
            "ar-log: line 1 of standard input is no run of an export: its id is no ULID\n\
             hint: the 0 runs before it are imported; importing again adds none of them twice\n",
        )
        .check();
}

#[test]
fn old_files_are_compressed_and_nobody_who_reads_them_notices() {
    let home = Home::new();
    let text = "the answer, again and again\n".repeat(1000);
    let past = Past::new(&home, 1).prompt("short").answer(&text).store(&home);
    let words = "what the agent wrote on the side\n".repeat(1000);
    let failed = Past::new(&home, 2).fails("rate_limit").stderr(&words).store(&home);
    let here = |past: &Past| {
        let names = fs::read_dir(past.dir()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = names.map(|name| name.into_string().unwrap()).collect();
        names.sort();
        names.join(" ")
    };
    assert_eq!(here(&past), "answer prompt stdout");
    // Stored a day later, each looks after a few of the oldest.
    let store = |n| {
        history::log(&home, &[])
            .env("AGENT_RUNNER_NOW", "2025-11-21T10:00:01Z")
            .stdin(Past::new(&home, n).line())
            .any_stdout()
            .check();
    };
    home.write(CONFIG, "log_compress_days = 0\n");
    store(3);
    assert_eq!(here(&past), "answer prompt stdout");
    home.write(CONFIG, "");
    // Somebody is at work there.
    let lock = fs::File::create(past.dir().join("lock")).unwrap();
    lock.lock().unwrap();
    store(4);
    assert_eq!(here(&past), "answer lock prompt stdout");
    assert_eq!(here(&failed), "answer stderr.zst stdout");
    // Closing would not do: a child that another test is starting may have a copy of the descriptor for a moment.
    lock.unlock().unwrap();
    store(5);
    assert_eq!(here(&past), "answer.zst lock prompt stdout.zst");
    assert_eq!(fs::metadata(past.dir().join("answer.zst")).unwrap().permissions().mode() & 0o777, 0o600);

    log(&home, &["show", &id(1), "--answer"]).stdout(&text).check();
    log(&home, &["show", &id(2), "--stderr"]).stdout(&words).check();
    log(&home, &["show", &id(1), "--cols", "files.answer,files.prompt"])
        .stdout(format!("{}\t5\n", text.len()))
        .check();
    log(&home, &["--cat"]).stdin(past.line()).stdout(&text).check();
    log(&home, &["follow", &id(1)]).stdout(&text).check();
    log(&home, &["check"]).stdout("5 runs, nothing is wrong\n").check();
    let bytes = home.query("SELECT sum(payload_bytes) FROM tally")[0].parse::<usize>().unwrap();
    assert!(bytes < text.len() / 4, "{bytes}");
    log(&home, &["rm", &id(1)]).check();
    assert!(!past.dir().exists());
}

#[test]
fn all_old_files_are_compressed_on_demand() {
    let home = Home::new();
    let past = Past::new(&home, 1).answer(&"again and again\n".repeat(1000)).store(&home);
    log(&home, &["compress"]).stdout("compressed the files of 0 runs from 0 to 0 bytes\n").check();
    log(&home, &["compress", "--older-than", "2025-11-21"])
        .stdout("compressed the files of 1 runs from 32000 to [..] bytes\n")
        .check();
    assert!(past.dir().join("answer.zst").exists());
}

#[test]
fn a_cut_import_keeps_what_was_whole() {
    let (here, there) = (past(), Home::new());
    let mut exported = log(&here, &["export"]).any_stdout().check().stdout;
    exported.truncate(exported.len() - 20);
    log(&there, &["import"])
        .stdin(exported)
        .status(2)
        .stderr(
            "ar-log: line 3 of standard input is no run of an export: it is cut\n\
             hint: the 2 runs before it are imported; importing again adds none of them twice\n",
        )
        .check();
    assert_eq!(runs(&there), "1 2");
}

#[test]
fn a_backup_is_a_private_database_that_can_be_used() {
    let home = past();
    let copy = home.path("copy.db");
    let copy = copy.to_str().unwrap();
    log(&home, &["backup", copy]).check();
    assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
    log(&home, &["list", "--state", copy, "--cols", "code"]).stdout("0\n75\n0\n").check();
    log(&home, &["backup", copy])
        .status(2)
        .stderr("ar-log: cannot create '[HOME]/copy.db': File exists (os error 17)\n")
        .check();
}

#[test]
fn check_finds_what_is_wrong_and_mends_what_can_be_mended() {
    let home = past();
    log(&home, &["check"]).stdout("3 runs, nothing is wrong\n").check();
    let runs_dir = home.state().with_file_name("runs");
    fs::remove_dir_all(runs_dir.join(id(1))).unwrap();
    fs::set_permissions(runs_dir.join(id(3)), fs::Permissions::from_mode(0o755)).unwrap();
    home.query("UPDATE tally SET runs = runs + 5 WHERE outcome = 'ok'");
    // Two that nobody knows of: one with an answer, one without anything.
    for (orphan, answer) in [(id(7), "an answer"), (id(8), "")] {
        fs::create_dir(runs_dir.join(&orphan)).unwrap();
        fs::set_permissions(runs_dir.join(&orphan), fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(runs_dir.join(&orphan).join("answer"), answer).unwrap();
    }
    let problems = |end: &str| {
        format!(
            "the sums by day do not fit the runs{end}\n\
             run {}: its files are gone\n\
             run {}: others can read its files{end}\n\
             run {}: it has files and no row{end}\n\
             run {}: it has files and no row{end}\n",
            id(1),
            id(3),
            id(7),
            id(8)
        )
    };
    log(&home, &["check"]).status(1).stdout(format!("{}3 runs, problems: 5\n", problems(""))).check();
    log(&home, &["check", "--repair"])
        .status(1)
        .stdout(format!("{}4 runs, problems: 5, repaired: 4\n", problems(": repaired")))
        .check();
    log(&home, &["show", &id(7), "--answer"]).stdout("an answer").check();
    assert!(!runs_dir.join(id(8)).exists());
    log(&home, &["check"])
        .status(1)
        .stdout(format!("run {}: its files are gone\n4 runs, problems: 1\n", id(1)))
        .check();
}

#[test]
fn what_can_be_read_of_a_damaged_database_is_saved() {
    let home = Home::new();
    for n in 1..=40 {
        Past::new(&home, n).prompt(&format!("number {n} {}", "x".repeat(90))).store(&home);
    }
    home.query("PRAGMA wal_checkpoint(TRUNCATE)");
    // A page with rows of the table itself, which is not its root.
    let page = "SELECT pageno FROM dbstat WHERE name = 'run' AND pagetype = 'leaf' LIMIT 1 OFFSET 1";
    let page: u64 = home.query(page)[0].parse().unwrap();
    let mut file = fs::OpenOptions::new().write(true).open(home.state()).unwrap();
    file.seek(SeekFrom::Start((page - 1) * 4096)).unwrap();
    file.write_all(&[0x5a; 4096]).unwrap();
    log(&home, &["list", "-n", "40"])
        .status(2)
        .stderr(
            "ar-log: cannot use the state database '[HOME]/[..]/state.db': it is damaged\n\
             hint: 'ar log check --repair' makes it anew from what can be read; [..]\n",
        )
        .check();
    log(&home, &["check"])
        .status(1)
        .any_stdout()
        .stderr("ar-log: the state database '[HOME]/[..]/state.db' is damaged\nhint: 'ar log check --repair' [..]\n")
        .check();
    let saved = log(&home, &["export"]).status(2).any_stdout().any_stderr().check();
    let lost = String::from_utf8(saved.stderr).unwrap().lines().count() - 1;
    assert!(lost > 0 && lost < 20, "{lost}");
    let other = Home::new();
    log(&other, &["import"])
        .stdin(saved.stdout)
        .stdout(format!("imported {} runs, 0 were known\n", 40 - lost))
        .check();
    // The rows that are lost come back by their files.
    let later = || history::log(&home, &["check"]).env("AGENT_RUNNER_NOW", "2025-11-21T10:00:00Z");
    let mended = later().arg("--repair").any_stdout().check().stdout;
    let mended = String::from_utf8(mended).unwrap();
    assert!(mended.contains(&format!("made anew with {} runs", 40 - lost)), "{mended}");
    assert!(mended.contains("/state.db.damaged-1'\n"), "{mended}");
    later().stdout("40 runs, nothing is wrong\n").check();
    assert_eq!(home.query("SELECT count(*) FROM run WHERE status = 'lost'"), [lost.to_string()]);
    let copy = home.state().with_file_name("state.db.damaged-1");
    assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn check_says_where_secrets_are_and_not_what_they_are() {
    let home = past();
    let key = "sk-proj-abcdefghijklmnop0123456789";
    Past::new(&home, 4).prompt(&format!("line one\nuse {key}\n")).store(&home);
    log(&home, &["check", "--secrets"])
        .stdout(format!(
            "file: [HOME]/.local/state/agent-runner/runs/{}/prompt:2\nno secret of a known shape is in the database\n",
            id(4)
        ))
        .check();
    home.query(&format!("UPDATE run SET tags = '{{\"key\":\"{key}\"}}' WHERE id = '{}'", id(4)));
    log(&home, &["check", "--secrets"])
        .status(1)
        .stdout(format!(
            "database: table run, column tags, run {0}\n\
             file: [HOME]/.local/state/agent-runner/runs/{0}/prompt:2\n",
            id(4)
        ))
        .check();
}

#[test]
fn check_finds_secrets_that_no_row_has() {
    let home = past();
    let key = "sk-proj-abcdefghijklmnop0123456789";
    for (name, line) in [
        ("state.db.schema-1", "file: [HOME]/.local/state/agent-runner/state.db.schema-1\n"),
        ("hooks.log", "file: [HOME]/.local/state/agent-runner/hooks.log\n"),
    ] {
        let path = home.state().with_file_name(name);
        // Across the end of the first piece that is read.
        fs::write(&path, [&vec![0; (1 << 20) - 10], key.as_bytes(), &[0; 100]].concat()).unwrap();
        log(&home, &["check", "--secrets"]).status(1).stdout(line).check();
        fs::remove_file(path).unwrap();
    }
    // As a program that does not overwrite what it deletes leaves it.
    for sql in ["CREATE TABLE t (x)", &format!("INSERT INTO t VALUES ('the key {key}')"), "DROP TABLE t"] {
        home.query(sql);
    }
    log(&home, &["check", "--secrets"])
        .status(1)
        .stdout("database: what is left of removed rows in '[HOME]/.local/state/agent-runner/state.db'\n")
        .check();
}

#[test]
fn repair_takes_secrets_out_of_all_runs_that_were_killed() {
    let key = "sk-proj-abcdefghijklmnop0123456789";
    let home = Home::new();
    Past::new(&home, 1).store(&home);
    let lost = Past::new(&home, 2).answer(&format!("my {key} here\n"));
    let dir = lost.dir().to_owned();
    let host = home.query("SELECT host FROM run")[0].clone();
    home.query(&format!(
        "INSERT INTO run (id, call_id, attempt, status, host, picked_at) VALUES ('{0}', '{0}', 1, 'lost', '{host}', 1)",
        id(2)
    ));
    log(&home, &["check", "--repair"])
        .stdout(format!(
            "run {}: it was lost with secrets in its output: repaired\n2 runs, problems: 1, repaired: 1\n",
            id(2)
        ))
        .check();
    assert_eq!(fs::read_to_string(dir.join("stdout")).unwrap(), "my *** here\n");
    log(&home, &["check", "--repair"]).stdout("2 runs, nothing is wrong\n").check();
}

#[test]
fn the_files_of_a_run_that_was_killed_get_looked_after() {
    let key = "sk-proj-abcdefghijklmnop0123456789";
    for (config, left) in [("", Some("my *** here\n")), ("log_content = 'none'\n", None)] {
        let home = Home::new();
        Past::new(&home, 1).store(&home);
        let lost = Past::new(&home, 2).answer(&format!("my {key} here\n"));
        let host = home.query("SELECT host FROM run")[0].clone();
        home.query(&format!(
            "INSERT INTO run (id, call_id, attempt, status, host, picked_at) VALUES ('{0}', '{0}', 1, 'lost', '{host}', 9)",
            id(2)
        ));
        home.write(CONFIG, config);
        let lock = fs::File::create(lost.dir().join("lock")).unwrap();
        lock.lock().unwrap();
        Past::new(&home, 3).store(&home);
        assert!(fs::read_to_string(lost.dir().join("stdout")).unwrap().contains(key));
        lock.unlock().unwrap();
        Past::new(&home, 4).store(&home);
        assert_eq!(fs::read_to_string(lost.dir().join("stdout")).ok().as_deref(), left, "{config}");
        log(&home, &["check"]).stdout("4 runs, nothing is wrong\n").check();
    }
}

#[test]
fn hooks_are_told_of_a_run_and_hold_up_nobody() {
    let home = Home::new();
    home.command("told", "cat >>\"$HOME/$1\"; echo done >>\"$HOME/$1.done\"");
    home.command("slow", "exec sleep 60");
    home.write(
        CONFIG,
        "[hooks]\non_success = ['told', 'good']\non_failure = ['slow']\non_cooldown = ['told', 'rests']\n",
    );
    let good = Past::new(&home, 1).store(&home).line();
    let bad = Past::new(&home, 2).fails("rate_limit").store(&home).line();
    wait_until("both are told", || home.path("good.done").exists() && home.path("rests.done").exists());
    assert_eq!(fs::read_to_string(home.path("good")).unwrap(), good);
    assert_eq!(fs::read_to_string(home.path("rests")).unwrap(), bad);
    for process in home.processes().iter().filter(|process| process.contains("sleep 60")) {
        let pid = process.split(' ').next().unwrap().parse().unwrap();
        rustix::process::kill_process(
            rustix::process::Pid::from_raw(pid).unwrap(),
            rustix::process::Signal::KILL,
        )
        .unwrap();
    }
}

#[test]
fn a_hook_that_fails_is_written_down() {
    let home = Home::new();
    home.command("bad", "exit 3");
    home.write(CONFIG, "[hooks]\non_success = ['bad']\non_failure = ['missing']\n");
    Past::new(&home, 1).store(&home);
    let notes = home.state().with_file_name("hooks.log");
    let text = || fs::read_to_string(&notes).unwrap_or_default();
    wait_until("it is written down", || text().contains('\n'));
    assert_eq!(text(), "2025-11-20T10:00:00.000Z on_success: 'bad' ended with exit status: 3\n");
    Past::new(&home, 2).task(1).store(&home);
    wait_until("the second is written down", || text().lines().count() == 2);
    assert!(text().ends_with("on_failure: cannot start 'missing': No such file or directory (os error 2)\n"));
}

#[test]
fn a_reader_that_went_away_keeps_no_run_from_its_row_and_no_hook_from_its_run() {
    let home = Home::new();
    home.command("told", "cat >>\"$HOME/told\"");
    home.write(CONFIG, "[hooks]\non_success = ['told']\n");
    let lines = Past::new(&home, 1).line() + &Past::new(&home, 2).line();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let mut child = log(&home, &["--cat"]).spawn(|command| {
        command.stdin(Stdio::piped()).stdout(full).stderr(Stdio::null());
    });
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert_eq!(runs(&home), "1 2");
    wait_until("the hook is told of both", || {
        fs::read_to_string(home.path("told")).is_ok_and(|told| told.lines().count() == 2)
    });
}
