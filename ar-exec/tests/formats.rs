//! The result formats through the binary: what the record says of a run, and the file that holds its answer.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on is to fail")]

use assert_cmd::Command;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

const SAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/format/samples");

/// Runs ar-exec on a fake agent of that name and flags that prints a file, and gives the record and the run's directory.
fn run(home: &Path, agent: &str, flags: &[&str], output: &Path) -> (Value, PathBuf) {
    run_script(home, agent, flags, &format!("exec cat '{}'", output.display()))
}

fn run_script(home: &Path, agent: &str, flags: &[&str], script_text: &str) -> (Value, PathBuf) {
    let bin = home.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let script = bin.join(agent);
    fs::write(&script, format!("#!/bin/sh\n{script_text}\n")).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let assert = Command::cargo_bin("ar-exec")
        .unwrap()
        .env_clear()
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("HOME", home)
        .env("AGENT_RUNNER_STATE", home.join("state.db"))
        .args(["--", agent])
        .args(flags)
        .assert()
        .code(0)
        .stderr("");
    let record: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let dir = PathBuf::from(record["dir"].as_str().unwrap());
    (record, dir)
}

#[test]
fn an_agent_known_by_its_command_line_is_read() {
    let home = tempfile::tempdir().unwrap();
    let sample = Path::new(SAMPLES).join("claude-stream-ok.jsonl");
    let flags = ["-p", "--verbose", "--output-format", "stream-json"];
    let (record, dir) = run(home.path(), "claude", &flags, &sample);
    let exec = &record["exec"];
    assert_eq!(exec["session"], "77c9f457-29ab-4cdd-8a30-cc33315ab59d");
    assert_eq!((&exec["turns"], &exec["tool_calls"]), (&json!(1), &json!(0)));
    assert_eq!(exec["usage"]["input_tokens"], 1234);
    assert_eq!(exec["usage"]["cost_usd"], json!(0.005_096_000_000_000_001_f64));
    assert_eq!(fs::read_to_string(dir.join("answer")).unwrap(), "Hello from the mock model.");
    assert_eq!(fs::read(dir.join("stdout")).unwrap(), fs::read(&sample).unwrap());
    assert_eq!(fs::metadata(dir.join("answer")).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn the_agent_s_own_error_is_in_the_record() {
    let home = tempfile::tempdir().unwrap();
    let sample = Path::new(SAMPLES).join("claude-stream-usage-limit.jsonl");
    let (record, dir) = run(home.path(), "claude", &["--output-format", "stream-json"], &sample);
    let error = json!({
        "kind": "usage_limit_reached", "message": "You've hit your 5-hour limit · resets 11:35am (UTC)", "status": 429,
        "resets_at": "2026-11-21T11:35:37.000Z",
    });
    assert_eq!(record["exec"]["error"], error);
    assert_eq!(fs::read(dir.join("answer")).unwrap(), b"");
}

#[test]
fn an_error_that_gemini_tells_on_the_other_stream_is_in_the_record() {
    let home = tempfile::tempdir().unwrap();
    let script = "cat >&2 <<'EOF'
Warning: 256-color support not detected.
Error when talking to Gemini API _ApiError: {\"error\":{\"code\":400}}
    at async Turn.run (file:///x.js:1:24) {
  status: 400
}
{
  \"session_id\": \"s1\",
  \"error\": {
    \"type\": \"Error\",
    \"message\": \"API key not valid.\",
    \"code\": 400
  }
}
EOF
exit 144";
    let (record, dir) = run_script(home.path(), "gemini", &["-o", "json"], script);
    let error = json!({"kind": "Error", "message": "API key not valid.", "status": 400});
    assert_eq!((&record["exec"]["error"], &record["exec"]["session"]), (&error, &json!("s1")));
    assert_eq!(fs::read(dir.join("answer")).unwrap(), b"");
}

#[test]
fn tokens_that_copilot_writes_to_a_file_are_in_the_record() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("models")).unwrap();
    let cli = home.path().join("copilot");
    let usage = r#"{"modelMetrics":{"a":{"usage":{"inputTokens":1434,"outputTokens":6,"cacheReadTokens":200}},
        "b":{"usage":{"inputTokens":10,"outputTokens":4,"reasoningTokens":1}}}}"#;
    let sample = Path::new(SAMPLES).join("copilot-ok.jsonl");
    let script = format!("#!/bin/sh\ncat '{}'\necho '{usage}' >\"$2\"\n", sample.display());
    fs::write(&cli, script).unwrap();
    fs::set_permissions(&cli, fs::Permissions::from_mode(0o755)).unwrap();
    let model = format!(
        "command = '{}'\noutput = 'copilot-json'\nargs = ['--usage', '{{usage_file}}']\n",
        cli.display()
    );
    fs::write(home.path().join("models/m.toml"), model).unwrap();
    let record = json!({
        "v": 1, "run": "01K9ZXW6N7Q8R9S0T1V2W3X4Y5", "model": "m",
        "pick": {"provider": "copilot", "account": "a", "at": "2026-11-20T10:00:00Z", "lease_until": "2026-11-20T11:00:00Z", "probe": false, "reason": "x"},
    });
    let assert = Command::cargo_bin("ar-exec")
        .unwrap()
        .env_clear()
        .env("PATH", "/usr/bin:/bin")
        .env("HOME", home.path())
        .args(["--config", home.path().to_str().unwrap(), "--state"])
        .arg(home.path().join("state.db"))
        .arg("hi")
        .write_stdin(format!("{record}\n"))
        .assert()
        .code(0)
        .stderr("");
    let record: Value = serde_json::from_slice(&assert.get_output().stdout).unwrap();
    let usage = &record["exec"]["usage"];
    let counts = ["input_tokens", "output_tokens", "cache_read_tokens", "reasoning_tokens"];
    assert_eq!(counts.map(|name| usage[name].as_u64().unwrap()), [1244, 10, 200, 1], "{record}");
    assert!(!Path::new(record["dir"].as_str().unwrap()).join("usage").exists());
}

#[test]
fn an_output_that_is_not_of_its_format_is_text() {
    let home = tempfile::tempdir().unwrap();
    let output = home.path().join("output");
    fs::write(&output, "Usage: codex [OPTIONS]\n").unwrap();
    let (record, dir) = run(home.path(), "codex", &["exec", "--json"], &output);
    assert_eq!(record["exec"]["session"], Value::Null);
    assert_eq!(fs::read(dir.join("answer")).unwrap(), fs::read(&output).unwrap());
}

#[test]
fn an_unknown_format_is_refused_with_the_nearest_one() {
    let home = tempfile::tempdir().unwrap();
    fs::create_dir_all(home.path().join("models")).unwrap();
    fs::write(home.path().join("models/m.toml"), "command = 'true'\noutput = 'codex-jsn'\n").unwrap();
    let record = json!({
        "v": 1, "run": "01K9ZXW6N7Q8R9S0T1V2W3X4Y5", "model": "m",
        "pick": {"provider": "true", "account": "true", "at": "2026-11-20T10:00:00Z", "lease_until": "2026-11-20T10:00:00Z",
                 "probe": false, "reason": "first"},
    });
    Command::cargo_bin("ar-exec")
        .unwrap()
        .env_clear()
        .env("HOME", home.path())
        .env("AGENT_RUNNER_CONFIG", home.path())
        .env("AGENT_RUNNER_STATE", home.path().join("state.db"))
        .write_stdin(format!("{record}\n"))
        .assert()
        .code(2)
        .stderr(format!(
            "ar-exec: {}:2: 'codex-jsn' is none of {}\nhint: did you mean 'codex-json'?\n",
            home.path().join("models/m.toml").display(),
            ar_core::config::Provider::OUTPUTS.join(", ")
        ));
}
