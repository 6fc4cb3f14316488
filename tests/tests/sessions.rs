//! Calls that go on with an agent's own session.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::{Home, Signal, kill, wait_until};
use serde_json::Value;
use std::process::Stdio;

/// Answers as `codex exec --json` does: its session, and what it was asked to resume.
const AGENT: &str = "id=new-$AGENT_RUNNER_PROVIDER; [ \"$1\" = resume ] && id=$2
echo \"{\\\"type\\\":\\\"thread.started\\\",\\\"thread_id\\\":\\\"$id\\\"}\"
echo \"{\\\"type\\\":\\\"item.completed\\\",\\\"item\\\":{\\\"type\\\":\\\"agent_message\\\",\\\"text\\\":\\\"$AGENT_RUNNER_PROVIDER $*\\\"}}\"";

const POOL: &str = "output = 'codex-json'
args = ['start']
resume_args = ['resume', '{session}']
[[providers]]
name = 'a'
command = 'agent'
[[providers]]
name = 'b'
command = 'agent'
";

fn home(agent: &str) -> Home {
    let home = Home::new();
    home.command("agent", agent);
    home.model("pool", POOL);
    home
}

#[test]
fn a_session_stays_with_its_provider() {
    let home = home(AGENT);
    home.ar(&["run", "-m", "pool", "--session=talk", "hi"]).stdout("a start").check();
    for _ in 0..3 {
        home.ar(&["run", "-m", "pool", "--session=talk", "hi"]).stdout("a resume new-a").check();
    }
    home.ar(&["run", "-m", "pool", "--session=other", "hi"]).stdout("b start").check();
    home.ar(&["run", "-m", "pool", "-c", "hi"]).stdout("b resume new-b").check();
    home.ar(&["run", "-m", "pool", "--session=talk", "hi"]).stdout("a resume new-a").check();
}

#[test]
fn there_must_be_something_to_continue() {
    let home = home(AGENT);
    home.ar(&["run", "-m", "pool", "-c", "hi"])
        .status(125)
        .stderr("ar-pick: model 'pool' has no session to go on with\n")
        .check();
}

const GONE: &str =
    "[ \"$1\" = resume ] && { echo \"No conversation found with session ID: $2\" >&2; exit 1; }";

#[test]
fn a_session_that_is_gone_costs_one_line_and_no_second_object() {
    let home = home(&format!("{GONE}\n{AGENT}"));
    home.ar(&["run", "-m", "pool", "--session=talk", "hi"]).stdout("a start").check();
    home.ar(&["run", "-q", "-m", "pool", "--session=talk", "hi"]).stdout("b start").check();
    let run = home.ar(&["run", "-m", "pool", "--session=talk", "--json", "hi"]);
    let said = "ar: b: session_not_found, beginning the session afresh\n";
    let output = run.stderr(said).any_stdout().check();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("\"answer\":\"a start\""), "{text}");
}

#[test]
fn a_session_says_who_keeps_it_from_going_on() {
    let home = home(AGENT);
    home.ar(&["run", "-m", "pool", "--session=talk", "hi"]).stdout("a start").check();
    home.model("pool", &POOL.replacen("'agent'", "'agent'\ndisabled = true", 1));
    for (option, session) in [("--session=talk", "session 'talk'"), ("-c", "the last session")] {
        home.ar(&["run", "-m", "pool", option, "hi"])
            .status(69)
            .stderr(format!(
                "ar: {session} of model 'pool' cannot go on: a is disabled\n\
                 hint: 'ar pick -m pool --explain' tells more; --reset, --enable and --unlock help\n"
            ))
            .check();
    }
}

#[test]
fn a_session_whose_provider_is_left_out_begins_afresh_and_says_so() {
    let home = home(AGENT);
    home.ar(&["run", "-m", "pool", "--session=talk", "hi"]).stdout("a start").check();
    home.ar(&["run", "-m", "pool", "--session=talk", "--provider=b", "hi"])
        .stdout("b start")
        .stderr("ar-pick: session 'talk' is with 'a'; beginning it afresh\n")
        .check();
    home.model("pool", &POOL.replace("'b'", "'z'"));
    home.ar(&["run", "-m", "pool", "-c", "hi"])
        .status(125)
        .stderr("ar-pick: the last session of model 'pool' is with 'b', which it has no more\n")
        .check();
    home.ar(&["run", "-m", "pool", "-c", "--provider=a", "hi"]).stdout("a resume new-a").check();
    home.ar(&["run", "-m", "pool", "--session=talk", "hi"])
        .stdout("z start")
        .stderr("ar-pick: session 'talk' is with 'b', which model 'pool' has no more; beginning it afresh\n")
        .check();
}

#[test]
fn a_session_has_a_name_that_can_be_shown() {
    let home = home(AGENT);
    let long = "x".repeat(257);
    for (name, problem) in [
        ("", "is empty"),
        ("a\nb", "has a control character in it"),
        (long.as_str(), "has 257 bytes, and 256 is the limit"),
    ] {
        home.ar(&["run", "-m", "pool", &format!("--session={name}"), "hi"])
            .status(125)
            .stderr(format!("ar-pick: the name of the session {problem}\n"))
            .check();
    }
}

#[test]
fn a_session_whose_run_was_cancelled_goes_on() {
    let home =
        home(&format!("{AGENT}\n[ \"$1\" = resume ] || {{ touch \"$HOME/started\"; exec sleep 600; }}"));
    let mut call = home.ar(&["run", "-m", "pool", "--session=talk", "hi"]).spawn(|command| {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    });
    wait_until("the agent starts", || home.path("started").exists());
    kill(i32::try_from(call.id()).unwrap(), Signal::TERM);
    call.wait().unwrap();
    home.ar(&["run", "-m", "pool", "--session=talk", "hi"]).stdout("a resume new-a").check();
}

/// Counts as codex does: the tokens of all runs of the session, which it keeps by its id.
const COUNTING: &str = "id=s1; [ \"$1\" = resume ] && id=$2
echo x >>\"$HOME/$id\"; runs=$(wc -l <\"$HOME/$id\")
echo \"{\\\"type\\\":\\\"thread.started\\\",\\\"thread_id\\\":\\\"$id\\\"}\"
echo '{\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\",\"text\":\"hello\"}}'
echo \"{\\\"type\\\":\\\"turn.completed\\\",\\\"usage\\\":{\\\"input_tokens\\\":${runs}00,\\\"cached_input_tokens\\\":${runs}0,\
\\\"output_tokens\\\":${runs}7,\\\"reasoning_output_tokens\\\":${runs}}}\"";

#[test]
fn a_run_that_goes_on_with_a_session_has_tokens_of_its_own() {
    let home = home(COUNTING);
    for (options, own) in [
        (["--session=talk"], [90, 17, 10, 1]),
        (["--session=talk"], [90, 10, 10, 1]),
        (["-c"], [90, 10, 10, 1]),
        (["--session=talk"], [90, 10, 10, 1]),
    ] {
        let args: Vec<&str> =
            ["run", "--json", "-m", "pool"].into_iter().chain(options).chain(["hi"]).collect();
        let record: Value = serde_json::from_slice(&home.ar(&args).any_stdout().check().stdout).unwrap();
        let usage = &record["exec"]["usage"];
        let counts = ["input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens"];
        assert_eq!(counts.map(|name| usage[name].as_u64().unwrap()), own, "{record}");
        assert_eq!(usage["since_session"], Value::Null);
    }
    let sums = home.ar(&["log", "usage", "--json"]).any_stdout().check().stdout;
    let sums: Value = serde_json::from_slice(&sums).unwrap();
    assert_eq!((&sums["input_tokens"], &sums["output_tokens"]), (&360.into(), &47.into()), "{sums}");
}
