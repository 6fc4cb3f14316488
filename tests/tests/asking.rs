//! Asking a model why a run failed, when no rule knows.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use ar_tests::Home;
use std::fs;

/// A home whose agent fails with words that nobody knows, and whose model to ask does what `doctor` says.
fn home(doctor: &str) -> Home {
    let home = Home::new();
    home.command(
        "odd",
        "echo \"Error: the moon is in the wrong house, sk-live-0123456789abcdef\" >&2; exit 9",
    );
    home.command("good", "echo fine");
    home.command("doctor", doctor);
    home.pool("pool", &["odd", "good"]);
    home.model("judge", "command = \"doctor\"\n");
    home.write(".config/agent-runner/config.toml", "diagnostics_model = \"judge\"\n");
    home
}

/// What the diagnosis of the first attempt says.
fn diagnosed(home: &Home) -> String {
    home.query("SELECT verdict, class, detail FROM run WHERE model = 'pool' ORDER BY id").remove(0)
}

const ANSWER: &str = r#"cat >"$HOME/question"; echo '{"class": "auth_expired", "detail": "invalid_key"}'"#;

#[test]
fn a_model_settles_what_no_rule_knows_and_the_call_hops() {
    let home = home(ANSWER);
    home.ar(&["run", "-m", "pool", "hello"])
        .stdout("fine\n")
        .stderr("ar: odd: auth_expired, trying good\n")
        .check();
    assert_eq!(diagnosed(&home), "provider|auth_expired|invalid_key");
    assert_eq!(home.query("SELECT count(*) FROM run WHERE model = 'judge'"), ["1"]);
    let question = fs::read_to_string(home.path("question")).unwrap();
    assert!(question.contains("the moon is in the wrong house, ***"), "{question}");
    assert!(question.contains("Its exit status: 9."), "{question}");
}

#[test]
fn what_is_no_answer_leaves_the_rules_judgement_and_says_so() {
    let answers = [
        "echo ok",
        "echo '{\"class\": \"ok\"}'",
        "exit 1",
        "echo \"You've hit your usage limit.\"",
        "echo '{\"class\": \"unknown\"'",
    ];
    for answer in answers {
        let home = home(answer);
        let script = "ar-pick -m pool --provider odd | ar-exec hi | ar-diagnose";
        let output = home.sh(script).any_stdout().check();
        let record = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(record.contains("\"verdict\":\"task\",\"class\":\"unknown\""), "{answer}: {record}");
        assert!(record.contains("\"by\":\"exit (model:judge gave no answer: "), "{answer}: {record}");
    }
}

#[test]
fn certain_cases_and_via_rules_ask_nobody() {
    let home = home(ANSWER);
    let count = |words: &str, options: &str| {
        let script = format!("echo '{words}' | ar-diagnose --text --class-only {options}");
        home.sh(&script).any_stdout().any_status().check();
        home.path("question").exists()
    };
    assert!(!count("Error: 429 Too Many Requests", ""));
    assert!(!count("the moon is in the wrong house", "--via rules"));
    assert!(count("the moon is in the wrong house", ""));
}

#[test]
fn the_provider_that_failed_is_asked_only_when_there_is_no_other() {
    let home = home(ANSWER);
    home.write(".config/agent-runner/config.toml", "diagnostics_model = \"pool\"\n");
    home.command("good", ANSWER);
    let script = "ar-pick -m pool --provider odd | ar-exec hi | ar-diagnose";
    let output = home.sh(script).any_stdout().check();
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"by\":\"model:pool\""), "{output:?}");
    assert_eq!(
        home.query("SELECT provider FROM run WHERE provider IS NOT NULL ORDER BY id"),
        ["odd", "good"]
    );

    let home = self::home(ANSWER);
    home.pool("pool", &["odd"]);
    home.write(".config/agent-runner/config.toml", "diagnostics_model = \"pool\"\n");
    let output = home.sh(script).any_stdout().check();
    let record = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(record.contains("gave no answer: it failed itself"), "{record}");
    assert_eq!(home.query("SELECT provider FROM run WHERE provider IS NOT NULL ORDER BY id"), ["odd", "odd"]);
}

#[test]
fn what_was_learned_is_a_suggestion_behind_comment_signs() {
    let home = home(ANSWER);
    home.write(".config/agent-runner/config.toml", "diagnostics_model = \"judge\"\nlearn = true\n");
    home.ar(&["run", "-m", "pool", "hello"]).stdout("fine\n").any_stderr().check();
    let learned = fs::read_to_string(home.path(".config/agent-runner/rules.d/learned.toml")).unwrap();
    assert!(learned.contains("# class = \"auth_expired\"\n"), "{learned}");
    assert!(learned.lines().all(|line| line.is_empty() || line.starts_with("# ")), "{learned}");
}
