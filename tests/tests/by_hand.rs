//! The pipeline typed into a shell does what `ar run` does: the same answer, the same status, the same rows.

use ar_tests::Home;

const BY_HAND: &str = "ar-pick -m pool | ar-exec 'hi there' | ar-diagnose | ar-log --cat";

/// A home where each case finds its own commands.
fn home(body: &str, template: &str) -> Home {
    let home = Home::new();
    home.command("agent", body);
    home.model("pool", &format!("command = \"agent\"\n{template}"));
    home
}

fn rows(home: &Home) -> Vec<String> {
    home.query(
        "SELECT attempt, model, provider, account, status, code, verdict, class, detail FROM run ORDER BY id",
    )
}

#[test]
fn both_ways_give_the_same_answer_status_and_rows() {
    let cases = [
        ("good", "echo \"answer to $(cat)\"", "", 0, "answer to hi there\n"),
        ("a failed task", "echo partly; echo wrong >&2; exit 7", "", 7, ""),
        ("out of quota", "echo \"You've hit your usage limit.\" >&2; exit 1", "", 75, ""),
        ("empty", "exit 0", "", 1, ""),
        ("empty and allowed", "exit 0", "allow_empty = true\n", 0, ""),
        ("crashed", "kill -SEGV $$", "", 139, ""),
        ("killed", "kill -KILL $$", "", 137, ""),
        ("too slow", "exec sleep 60", "timeout = 1\n", 124, ""),
        ("silent", "exec sleep 60", "idle_timeout = 1\n", 124, ""),
    ];
    for (name, body, template, status, answer) in cases {
        let (one, other) = (home(body, template), home(body, template));
        let by_hand = one.sh(BY_HAND).any_stdout().any_stderr().any_status().check();
        let by_run =
            other.ar(&["run", "-m", "pool", "hi there"]).any_stdout().any_stderr().any_status().check();
        assert_eq!(by_hand.status.code(), Some(status), "{name}, by hand: {by_hand:?}");
        assert_eq!(by_run.status.code(), Some(status), "{name}, ar run: {by_run:?}");
        assert_eq!(String::from_utf8_lossy(&by_hand.stdout), answer, "{name}");
        assert_eq!(String::from_utf8_lossy(&by_run.stdout), answer, "{name}");
        assert_eq!(rows(&one), rows(&other), "{name}");
        assert!(!rows(&one).is_empty(), "{name}");
    }
}

#[test]
fn by_hand_all_cooling_is_status_75_with_the_time() {
    let home = home("echo \"You've hit your usage limit. Try again in 3 hours.\" >&2; exit 1", "");
    let now = "2026-11-20T10:00:00Z";
    home.sh(BY_HAND).env("AGENT_RUNNER_NOW", now).status(75).any_stderr().check();
    let output = home.sh(BY_HAND).env("AGENT_RUNNER_NOW", now).status(75).any_stderr().check();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("2026-11-20T13:0"), "{said}");
    let record = home.sh("ar-pick -q -m pool").env("AGENT_RUNNER_NOW", now).status(75).any_stdout().check();
    let record = String::from_utf8_lossy(&record.stdout).into_owned();
    assert!(record.contains("\"retry_at\":\"2026-11-20T13:0") && record.len() < 4096, "{record}");
}

#[test]
fn what_a_dry_run_prints_can_be_run() {
    let home = home("echo \"answer to $(cat)\"", "");
    let output = home.ar(&["run", "-n", "-m", "pool", "it's", "\"me\""]).any_stdout().check();
    let script = String::from_utf8(output.stdout).unwrap();
    home.sh(&script).stdout("answer to it's \"me\"\n").check();
    assert_eq!(home.query("SELECT count(*) FROM run"), ["1"]);
}

#[test]
fn an_unknown_model_rides_the_pipe() {
    let home = home("echo ok", "");
    home.sh("ar-pick -m pol | ar-exec hi | ar-diagnose | ar-log --cat")
        .status(2)
        .stderr("ar-pick: there is no model 'pol' in '[HOME]/.config/agent-runner/models'\nhint: did you mean 'pool'?\n")
        .check();
}

#[test]
fn nothing_on_standard_input_is_an_error_of_its_own() {
    let home = home("echo ok", "");
    home.sh("</dev/null ar-exec hi | ar-diagnose | ar-log --cat")
        .status(2)
        .stderr("ar-exec: no record on standard input\nhint: start the pipeline with 'ar-pick -m MODEL', see ar(7)\n")
        .check();
}

#[test]
fn what_is_printed_gives_the_same_prompt() {
    let home = Home::new();
    home.command("echoing", "cat");
    home.pool("pool", &["echoing"]);
    home.write("plain", "no newline at the end");
    home.write("-dash", "a name with a dash\n");
    let calls = [
        r"a\tb -",
        r"'before  it' - 'after\n'",
        "-- -v --foo",
        "-f plain -",
        "-f plain",
        "-f=-dash -",
        "--file=-dash",
        "-f -",
        "-n", // stands for nothing: without words the prompt is standard input
    ];
    for call in calls {
        let call = if call == "-n" { "" } else { call };
        let ours = home
            .sh(&format!("cd \"$HOME\" && printf 'from stdin' | ar run -m pool {call}"))
            .any_stdout()
            .check();
        let pipeline = home.sh(&format!("ar run -n -m pool {call}")).any_stdout().check().stdout;
        let pipeline = String::from_utf8(pipeline).unwrap();
        home.sh(&format!("cd \"$HOME\" && printf 'from stdin' | {}", grouped(&pipeline)))
            .stdout(ours.stdout)
            .check();
    }
}

/// A pipeline that begins with what does not read standard input would take it away from what does.
fn grouped(pipeline: &str) -> String {
    format!("{{ {}; }}", pipeline.trim_end())
}

#[test]
fn an_error_of_the_command_line_reserves_nobody() {
    let home = Home::new();
    home.command("good", "cat");
    home.model("pool", "command = 'good'\nmax_parallel = 1\n");
    for wrong in [
        "--timeout=x",
        "--idle-timeout=x",
        "--deadline=x",
        "--wait=x",
        "--tag=novalue",
        "-p nowhere",
        "-a nobody",
    ] {
        home.sh(&format!("ar run -m pool {wrong} hi")).status(125).any_stderr().check();
    }
    home.ar(&["run", "-m", "pool", "hi"]).stdout("hi").check();
    assert_eq!(home.query("SELECT count(*) FROM run"), ["1"]);
}

#[test]
fn a_missing_command_has_the_same_status_in_both() {
    for (body, status) in [(None, 127), (Some("echo 'Invalid API key' >&2; exit 1"), 69), (Some("true"), 1)] {
        let home = Home::new();
        if let Some(body) = body {
            home.command("only", body);
        }
        home.pool("pool", &["only"]);
        home.ar(&["run", "-q", "-m", "pool", "hi"]).status(status).any_stderr().check();
        home.ar(&["pick", "-m", "pool", "--reset"]).check();
        let by_hand = "ar-pick -m pool | ar-exec hi | ar-diagnose | ar-log --cat";
        home.sh(by_hand).status(status).any_stderr().check();
    }
}
