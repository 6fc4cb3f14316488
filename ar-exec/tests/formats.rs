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
    let bin = home.join("bin");
    fs::create_dir_all(&bin).unwrap();
    let script = bin.join(agent);
    fs::write(&script, format!("#!/bin/sh\nexec cat '{}'\n", output.display())).unwrap();
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
