//! A secret that is planted wherever it can be stays where it was said.

#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use ar_tests::Home;
use std::fs;
use std::path::{Path, PathBuf};

/// Known by the provider's configuration alone.
const OF_CONFIG: &str = "correct-horse-battery";
/// Printed by a program that the configuration names.
const OF_COMMAND: &str = "staple-in-the-vault";
/// Known by its shape.
const OF_SHAPE: &str = "sk-ant-api03-AbCdEfGhIjKlMnOpQrSt";

fn files_with(dir: &Path, secret: &str, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files_with(&path, secret, found);
        } else if fs::read(&path).unwrap().windows(secret.len()).any(|window| window == secret.as_bytes()) {
            found.push(path);
        }
    }
}

#[test]
fn a_secret_is_nowhere_but_in_the_prompt_and_the_answer() {
    let home = Home::new();
    let say = "cat; echo \"it is $MY_PASSWORD and $VAULTED\"; echo \"with $MY_PASSWORD, $VAULTED\" >&2";
    home.command("good", &format!("{say}; echo {OF_SHAPE} >&2"));
    home.command(
        "bad",
        &format!("{say}; echo 'usage limit {OF_SHAPE}'; echo 'invalid key {OF_SHAPE}' >&2; exit 1"),
    );
    let provider = |name: &str| {
        format!(
            "[[providers]]\ncommand = \"{name}\"\nenv = {{ MY_PASSWORD = \"{OF_CONFIG}\" }}\n\
             env_command = {{ VAULTED = \"echo {OF_COMMAND}\" }}\n"
        )
    };
    home.model("pool", &(provider("bad") + &provider("good")));
    home.write(".config/agent-runner/config.toml", "[hooks]\non_failure = ['false']\n");
    let prompt = format!("use {OF_CONFIG}, {OF_COMMAND} or {OF_SHAPE}");
    home.ar(&["run", "-m", "pool", &prompt]).any_status().any_stdout().any_stderr().check();
    home.tool("ar-exec", &["--version"]).any_stdout().check();
    assert!(home.query("SELECT count(*) FROM run") != ["0"]);
    home.query("PRAGMA wal_checkpoint(TRUNCATE)");
    for secret in [OF_CONFIG, OF_COMMAND, OF_SHAPE] {
        let mut found = Vec::new();
        files_with(home.state().parent().unwrap(), secret, &mut found);
        assert!(!found.is_empty());
        for path in found {
            let name = path.file_name().unwrap();
            assert!(name == "prompt" || name == "answer", "{secret} is in '{}'", path.display());
        }
        for verb in [&["list", "--json"][..], &["show", "-1"], &["report"], &["export"], &["search", "use"]] {
            let printed = home.ar(&[&["log"], verb].concat()).any_stdout().check().stdout;
            assert!(!String::from_utf8(printed).unwrap().contains(secret), "{secret} is in {verb:?}");
        }
    }
}

#[test]
fn a_secret_is_nowhere_in_what_an_agent_says_of_its_own_error() {
    let key = "MIIEvQIBADANBgkqhkiG9w0BAQEF";
    let home = Home::new();
    let quoted = r#"correct\"horse\\battery"#;
    let padding = "x".repeat(980);
    let said = format!(
        r#"{{"type":"result","is_error":true,"result":"{padding} {quoted}","api_error":"{quoted} {key}","session_id":"{key}"}}"#
    );
    home.write("said", said);
    home.command("agent", "cat \"$HOME/said\"; exit 1");
    let env = "[env]\nA_KEY = '''-----BEGIN-----\nMIIEvQIBADANBgkqhkiG9w0BAQEF\n'''\n\
               A_PASSWORD = 'correct\"horse\\battery'\n";
    home.model("pool", &format!("command = 'agent'\noutput = 'claude-json'\n{env}"));
    let run = home.ar(&["run", "-v", "-m", "pool", "--json", "hi"]);
    let output = run.any_status().any_stdout().any_stderr().check();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    home.query("PRAGMA wal_checkpoint(TRUNCATE)");
    for secret in [r#"correct\"ho"#, "correct\"ho", key] {
        assert!(!said.contains(secret), "{secret} is in {said}");
        let mut found = Vec::new();
        files_with(home.state().parent().unwrap(), secret, &mut found);
        assert!(found.is_empty(), "{secret} is in {found:?}");
    }
}
