//! Asking a program something small: no terminal, no input, an end after a few seconds, and nothing left running.

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The longest that a probe may take.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// How long a probe's end may go unnoticed.
const PAUSE: Duration = Duration::from_millis(5);
/// What is read of each stream, in bytes.
const MOST: u64 = 256 * 1024;

/// What became of a probe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ended by itself.
    Ended {
        /// Whether with exit status 0.
        good: bool,
        /// What it printed.
        stdout: String,
        /// What it complained of.
        stderr: String,
    },
    /// It was ended because its time was up.
    TimedOut,
    /// It could not be started, for this reason.
    NotStarted(String),
}

/// Runs a program until `deadline` at the latest. `prepare` may set its environment.
///
/// Its streams are files, so a child that it leaves behind keeps nobody waiting, and the whole session is killed at the end.
pub fn ask(
    program: &Path,
    args: &[&str],
    deadline: Instant,
    prepare: impl FnOnce(&mut Command),
) -> io::Result<Outcome> {
    if Instant::now() >= deadline {
        return Ok(Outcome::TimedOut);
    }
    let (mut stdout, mut stderr) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(stdout.try_clone()?).stderr(stderr.try_clone()?);
    command.env("NO_COLOR", "1").env("TERM", "dumb").env("CI", "1");
    command.env("OPENCODE_DISABLE_MODELS_FETCH", "1");
    prepare(&mut command);
    own_session(&mut command);
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(error) => return Ok(Outcome::NotStarted(error.to_string())),
    };
    let ended = wait(&child, deadline);
    // What the program started may outlive it; a group that is gone is what we want.
    if let Some(group) = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0)) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let status = child.wait()?;
    if !ended? {
        return Ok(Outcome::TimedOut);
    }
    Ok(Outcome::Ended { good: status.success(), stdout: text(&mut stdout)?, stderr: text(&mut stderr)? })
}

/// Gives the program a session without a terminal: it cannot ask anything on /dev/tty or draw on the user's screen. A Ctrl-C
/// that ends us does not reach it there, so it asks to be killed when its parent is gone.
#[allow(unsafe_code, reason = "std has no stable way to start a session")]
fn own_session(command: &mut Command) {
    // SAFETY: setsid(2) and prctl(2) are async-signal-safe, and the closure touches no memory of the parent.
    unsafe {
        command.pre_exec(|| {
            rustix::process::setsid()?;
            #[cfg(target_os = "linux")]
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            Ok(())
        });
    }
}

/// Waits for the child's end. Tells whether it came before the deadline. Its status stays where it is, and with it the
/// number by which what it started is killed.
fn wait(child: &Child, deadline: Instant) -> io::Result<bool> {
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap_or(0)).ok_or(io::ErrorKind::NotFound)?;
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    loop {
        if waitid(WaitId::Pid(pid), look)?.is_some() {
            return Ok(true);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        sleep(left.min(PAUSE));
    }
}

fn text(file: &mut File) -> io::Result<String> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(script: &str, patience: Duration) -> Outcome {
        ask(Path::new("/bin/sh"), &["-c", script], Instant::now() + patience, |_| {}).unwrap()
    }

    #[test]
    fn a_probe_has_no_input_and_no_terminal() {
        let outcome =
            sh("cat; (: </dev/tty) 2>/dev/null && echo terminal; echo out; echo err >&2; exit 3", PATIENCE);
        assert_eq!(
            outcome,
            Outcome::Ended { good: false, stdout: "out\n".to_owned(), stderr: "err\n".to_owned() }
        );
    }

    #[test]
    fn what_hangs_is_ended_with_its_children() {
        let marker = format!("{}", 100_000 + std::process::id());
        let script = format!("trap '' TERM INT; sleep {marker} & sleep {marker}");
        assert_eq!(sh(&script, Duration::from_millis(300)), Outcome::TimedOut);
        ar_tests::wait_until("its children are gone", || {
            !std::fs::read_dir("/proc").unwrap().any(|entry| {
                let words =
                    std::fs::read(entry.unwrap().path().join("cmdline")).unwrap_or_else(|_| Vec::new());
                words.ends_with(format!("\0{marker}\0").as_bytes())
            })
        });
    }

    #[test]
    fn what_cannot_be_started_says_why() {
        let outcome = ask(Path::new("/nowhere"), &[], Instant::now() + PATIENCE, |_| {}).unwrap();
        assert!(matches!(outcome, Outcome::NotStarted(_)), "{outcome:?}");
    }
}
