//! A past for the tests: records with the files that they name.

#![allow(dead_code, reason = "each test program uses a part of this")]

use ar_tests::{Home, Run};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// The time of the tests.
pub const NOW: &str = "2025-11-20T10:00:00Z";

/// Prepares a run of ar-log.
pub fn log(home: &Home, args: &[&str]) -> Run {
    home.program(Path::new(env!("CARGO_BIN_EXE_ar-log")), args)
}

/// Where the binary under test lies.
pub fn bin_dir() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_ar-log")).parent().unwrap().to_path_buf()
}

/// The id of the nth run. Runs are a minute apart, beginning an hour before [`NOW`].
pub fn id(n: u32) -> String {
    format!("01KAG1B{n:019}")
}

/// A run that is over, and its directory.
pub struct Past {
    record: Value,
    dir: PathBuf,
}

impl Past {
    /// A good run of provider `p`.
    pub fn new(home: &Home, n: u32) -> Self {
        let dir = home.state().with_file_name("runs").join(id(n));
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&dir).unwrap();
        let at = format!("2025-11-20T09:{:02}:00.000Z", n % 60);
        let record = json!({"v": 1, "run": id(n), "call": id(n), "attempt": 1, "model": "m", "dir": dir,
            "pick": {"provider": "p", "account": "a", "at": at, "lease_until": "2025-11-20T11:00:00.000Z",
                "probe": false, "reason": "the only one"},
            "exec": {"argv0": "p", "started": at, "elapsed_ms": 1500, "end": "exit", "exit_code": 0, "signal": null,
                "stdout_bytes": 0, "stderr_bytes": 0, "session": null, "usage": null, "turns": null,
                "tool_calls": null, "error": null},
            "diagnosis": {"verdict": "ok", "class": null, "detail": null, "by": "exit", "evidence": null,
                "retry_at": null, "retry_from": null, "scope": null}});
        Self { record, dir }.answer("ok\n")
    }

    /// The run's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The record as a line.
    pub fn line(&self) -> String {
        format!("{}\n", self.record)
    }

    fn file(mut self, name: &str, text: &str) -> Self {
        fs::write(self.dir.join(name), text).unwrap();
        if name != "prompt" {
            self.record["exec"][format!("{name}_bytes")] = text.len().into();
        }
        self
    }

    pub fn prompt(self, text: &str) -> Self {
        self.file("prompt", text)
    }

    pub fn stderr(self, text: &str) -> Self {
        self.file("stderr", text)
    }

    pub fn answer(self, text: &str) -> Self {
        fs::write(self.dir.join("answer"), text).unwrap();
        self.file("stdout", text)
    }

    /// Replaces a field at a pointer.
    pub fn with(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        *self.record.pointer_mut(pointer).unwrap() = value.into();
        self
    }

    /// A failure of the provider.
    pub fn fails(self, class: &str) -> Self {
        self.answer("")
            .with("/exec/exit_code", 1)
            .with("/diagnosis/verdict", "provider")
            .with("/diagnosis/class", class)
            .with("/diagnosis/detail", "throttle")
            .evidence("429")
    }

    pub fn evidence(self, text: &str) -> Self {
        self.with("/diagnosis/evidence", text)
    }

    /// A failure of the work.
    pub fn task(self, code: i32) -> Self {
        self.with("/exec/exit_code", code)
            .with("/diagnosis/verdict", "task")
            .with("/diagnosis/class", "unknown")
    }

    /// Tokens and cost.
    pub fn usage(self, input: u64, output: u64, cost: f64) -> Self {
        self.with(
            "/exec/usage",
            json!({"input_tokens": input, "output_tokens": output, "reasoning_tokens": 0, "cache_read_tokens": 0,
                "cache_write_tokens": 0, "cost_usd": cost, "estimated": false}),
        )
    }

    /// Stores it.
    pub fn store(self, home: &Home) -> Self {
        let code = match (
            self.record["diagnosis"]["verdict"].as_str(),
            self.record["diagnosis"]["class"].as_str(),
        ) {
            (Some("ok"), _) => 0,
            (Some("task"), _) => {
                self.record["exec"]["exit_code"].as_i64().and_then(|code| code.try_into().ok()).unwrap()
            }
            (_, Some("auth_expired" | "cli_version_mismatch")) => 69,
            _ => 75,
        };
        log(home, &[]).env("AGENT_RUNNER_NOW", NOW).stdin(self.line()).status(code).any_stdout().check();
        self
    }
}
