//! The ground that the tests of whole pipelines stand on: a user of their own, and runs that assert everything.
//!
//! ```no_run
//! use ar_tests::Home;
//!
//! let home = Home::new();
//! home.command("codex", "echo \"You've hit your usage limit.\" >&2; exit 1");
//! home.command("claude", "cat");
//! home.pool("smart", &["codex", "claude"]);
//! home.ar(&["run", "-m", "smart", "hello"])
//!     .stdout("hello")
//!     .stderr("ar: codex: quota_exhausted, trying claude\n")
//!     .check();
//! ```
//!
//! A run is expected to exit with 0 and to print nothing on either stream, unless the test says otherwise.
//!
//! Cargo builds the tools beside this package's tests only together with the whole workspace, so `make check` is the way to
//! run them. After a change in a tool, `cargo test -p ar-tests` alone would still run the tool as it was.

#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a panic is how a test fails")]

mod expect;
mod home;
pub mod mock;
mod run;

pub use home::Home;
pub use run::Run;
pub use rustix::process::Signal;

use rustix::process::{Pid, kill_process, kill_process_group};
use std::env;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The programs of the pipeline and around it.
pub const TOOLS: [&str; 6] = ["ar", "ar-diagnose", "ar-exec", "ar-log", "ar-pick", "ar-setup"];

/// The directory of the built tools: that of this executable, or the one above where that is cargo's `deps`.
pub fn tools_dir() -> PathBuf {
    let exe = env::current_exe().unwrap();
    let own = exe.parent().unwrap();
    let dir = if own.ends_with("deps") { own.parent().unwrap() } else { own };
    for tool in TOOLS {
        assert!(dir.join(tool).exists(), "'{tool}' is not built in '{}': run 'make check'", dir.display());
    }
    dir.to_path_buf()
}

/// The root of the source tree.
pub fn source_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Says that a test is skipped, and why.
#[allow(clippy::print_stderr, reason = "the test harness prints standard error of a test")]
pub fn skip(reason: &str) {
    eprintln!("skipped: {reason}");
}

/// Sends a signal to a process, or to a process group where `pid` is negative.
pub fn kill(pid: i32, signal: Signal) {
    let sent = match Pid::from_raw(pid.abs()).unwrap() {
        group if pid < 0 => kill_process_group(group, signal),
        process => kill_process(process, signal),
    };
    sent.unwrap();
}

/// Waits until `done` holds; fails the test when it does not come true within half a minute.
///
/// For what another process does. A test of time itself sets `AGENT_RUNNER_NOW` instead of waiting.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(30), "waited in vain: {what}");
        sleep(Duration::from_millis(5));
    }
}
