//! The texts in tests/fixtures/errors/CLI/CLASS, each of which must be judged as its directory says.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use assert_cmd::Command;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

fn entries(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

/// A time that a text tells without a zone is one of the machine's, so the variable sets that.
fn judge(cli: &str, file: &Path) -> Value {
    let mut tool = Command::new(env!("CARGO_BIN_EXE_ar-diagnose"));
    tool.env_clear().env("AGENT_RUNNER_NOW", "2026-06-01T12:00:00Z").env("TZ", "UTC");
    let text = std::fs::read(file).unwrap();
    let output = tool.args(["--text", "--json", "--cli", cli]).write_stdin(text).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_fixture_is_judged_as_its_directory_says() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/errors");
    let times = std::fs::read_to_string(root.join("times.toml")).unwrap();
    let times: BTreeMap<String, String> = toml::from_str(&times).unwrap();
    let mut wrong = Vec::new();
    for cli in entries(&root).iter().filter(|path| path.is_dir()) {
        for class in entries(cli) {
            for file in entries(&class) {
                let judged = judge(&name(cli), &file);
                let key = format!("{}/{}/{}", name(cli), name(&class), name(&file));
                let at = judged["retry_at"].as_str().map(|at| at.replace(".000Z", "Z"));
                let told = times.get(&key).map(|at| at.replace(".2Z", ".200Z").replace(".5Z", ".500Z"));
                if judged["class"] != name(&class) || at != told {
                    wrong.push(format!("{key}: {judged}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
