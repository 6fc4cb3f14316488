//! A call goes on to the next provider when, and only when, the provider or the network is at fault.

use ar_tests::Home;

const LIMIT: &str = "echo \"You've hit your usage limit. Try again in 3 hours.\" >&2; exit 1";

#[test]
fn providers_take_turns() {
    let home = Home::new();
    for name in ["a", "b", "c"] {
        home.command(name, &format!("echo {name}"));
    }
    home.pool("pool", &["a", "b", "c"]);
    for answer in ["a\n", "b\n", "c\n", "a\n"] {
        home.ar(&["run", "-m", "pool", "hi"]).stdout(answer).check();
    }
}

#[test]
fn a_provider_out_of_quota_is_left_for_the_next_and_stays_out() {
    let home = Home::new();
    home.command("first", LIMIT);
    home.command("second", "echo \"second: $(cat)\"");
    home.pool("pool", &["first", "second"]);
    home.ar(&["run", "-m", "pool", "hi", "there"])
        .stdout("second: hi there\n")
        .stderr("ar: first: quota_exhausted, trying second\n")
        .check();
    for _ in 0..3 {
        home.ar(&["run", "-m", "pool", "again"]).stdout("second: again\n").check();
    }
    assert_eq!(
        home.query("SELECT provider, count(*) FROM run GROUP BY provider ORDER BY provider"),
        ["first|1", "second|4"]
    );
    let attempts = "SELECT attempt, provider, verdict, class FROM run WHERE call_id = (SELECT min(call_id) FROM run) ORDER BY id";
    assert_eq!(home.query(attempts), ["1|first|provider|quota_exhausted", "2|second|ok|"]);
}

#[test]
fn nothing_of_a_failed_attempt_reaches_standard_output() {
    let home = Home::new();
    home.command("first", "echo 'half an answer'; echo \"You've hit your usage limit.\"; exit 1");
    home.command("second", "echo good");
    home.pool("pool", &["first", "second"]);
    home.ar(&["run", "-q", "-m", "pool", "hi"]).stdout("good\n").check();
}

#[test]
fn a_limit_text_at_status_0_is_a_failure() {
    let home = Home::new();
    home.command("first", "echo \"You've hit your 5-hour limit · resets 3:49am (UTC)\"");
    home.command("second", "echo good");
    home.pool("pool", &["first", "second"]);
    home.ar(&["run", "-m", "pool", "hi"])
        .env("AGENT_RUNNER_NOW", "2026-11-20T01:00:00Z")
        .stdout("good\n")
        .stderr("ar: first: quota_exhausted, trying second\n")
        .check();
}

#[test]
fn a_failed_task_ends_the_call_with_the_status_of_the_child() {
    let home = Home::new();
    home.command("first", "echo 'no such ticket' >&2; exit 7");
    home.command("second", "echo never");
    home.pool("pool", &["first", "second"]);
    home.ar(&["run", "-m", "pool", "hi"])
        .status(7)
        .stderr("ar-log: first: unknown: no such ticket\nno such ticket\n")
        .check();
    assert_eq!(home.query("SELECT provider, verdict, code FROM run"), ["first|task|7"]);
}

#[test]
fn a_missing_command_is_recorded_and_left_out() {
    let home = Home::new();
    home.command("good", "echo ok");
    home.pool("pool", &["missing", "good"]);
    home.ar(&["run", "-m", "pool", "hi"])
        .stdout("ok\n")
        .stderr("ar: missing: cli_version_mismatch, trying good\n")
        .check();
    for _ in 0..3 {
        home.ar(&["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    }
    let rows = "SELECT provider, verdict, class, detail, count(*) FROM run GROUP BY 1, 2, 3, 4 ORDER BY 1";
    assert_eq!(home.query(rows), ["good|ok|||4", "missing|provider|cli_version_mismatch|not_installed|1"]);
}

#[test]
fn a_broken_model_file_breaks_that_model_alone_and_says_where() {
    let home = Home::new();
    home.command("good", "echo ok");
    home.pool("pool", &["good"]);
    home.model("broken", "[[providers]]\ncommand = \"good\"\nargz = []\n");
    home.ar(&["run", "-m", "pool", "hi"]).stdout("ok\n").check();
    home.ar(&["run", "-m", "broken", "hi"])
        .status(125)
        .stderr("ar[..]: [..]/models/broken.toml:3: unknown key 'argz'\nhint: did you mean 'args'?\n")
        .check();
}

#[test]
fn an_empty_answer_is_a_failure_unless_the_template_allows_it() {
    let home = Home::new();
    home.command("good", "echo ok");
    home.pool("pool", &["true", "good"]);
    home.ar(&["run", "-m", "pool", "hi"])
        .stdout("ok\n")
        .stderr("ar: true: empty_answer, trying good\n")
        .check();
    assert_eq!(
        home.query("SELECT verdict, class, detail FROM run WHERE provider = 'true'"),
        ["provider|unknown|empty_answer"]
    );
    home.model("quiet", "command = \"true\"\nallow_empty = true\n");
    home.ar(&["run", "-m", "quiet", "hi"]).check();
}

#[test]
fn all_cooling_is_status_75_with_the_time() {
    let home = Home::new();
    home.command("first", LIMIT);
    home.pool("pool", &["first"]);
    let now = "2026-11-20T10:00:00Z";
    home.ar(&["run", "-m", "pool", "hi"]).env("AGENT_RUNNER_NOW", now).status(75).any_stderr().check();
    let output =
        home.ar(&["run", "-m", "pool", "hi"]).env("AGENT_RUNNER_NOW", now).status(75).any_stderr().check();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("2026-11-20T13:0"), "{said}");
    assert_eq!(home.query("SELECT count(*) FROM run WHERE provider = 'first'"), ["1"]);
}

#[test]
fn a_cooldown_ends_by_the_clock() {
    let home = Home::new();
    let limit = "test -e \"$HOME/paid\" || { echo \"You've hit your usage limit. Try again in 3 hours.\" >&2; exit 1; }";
    home.command("first", &format!("{limit}\necho ok"));
    home.pool("pool", &["first"]);
    let at = |now: &str| home.ar(&["run", "-m", "pool", "hi"]).env("AGENT_RUNNER_NOW", now);
    at("2026-11-20T10:00:00Z").status(75).any_stderr().check();
    home.write("paid", "");
    at("2026-11-20T12:00:00Z").status(75).any_stderr().check();
    at("2026-11-20T14:00:00Z").stdout("ok\n").check();
    at("2026-11-20T14:00:01Z").stdout("ok\n").check();
}
