//! Hooks: commands that are told of a run when it is over, and never hold up its answer.

use crate::hide;
use crate::redact::Secrets;
use anyhow::{Context, Result};
use ar_core::config::Hooks;
use ar_core::record::{Class, Diagnosis, Verdict};
use ar_core::{Record, Stamp};
use rustix::process::{Pid, Signal, getpid, kill_process_group};
use std::env;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Read, Write, stdin};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a hook may take.
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
/// The log of failures is begun anew beyond this many bytes.
const MAX_LOG_BYTES: u64 = 256 * 1024;

/// Starts the hooks that a run calls for, and tells them of it without secrets. They go on after us; what fails of them is
/// written beside the database.
pub fn start(hooks: &Hooks, record: &Record, secrets: &Secrets, state_file: &Path) -> Result<()> {
    for (name, command) in called_for(hooks, record)? {
        let mut line = record.as_value();
        hide::record(&mut line, secrets);
        let mut keeper = Command::new(env::current_exe().context("cannot find this program")?)
            .args(["hook", name, "--state"])
            .arg(state_file)
            .arg("--")
            .args(command)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot start a hook")?;
        if let Some(mut stdin) = keeper.stdin.take() {
            // A record is shorter than a pipe takes at once, so this waits for nobody; who does not read it wants none.
            let _ = stdin.write_all(format!("{line}\n").as_bytes());
        }
        // It is on its own from here: init reaps it.
    }
    Ok(())
}

fn called_for<'a>(hooks: &'a Hooks, record: &Record) -> Result<Vec<(&'static str, &'a [String])>> {
    let diagnosis: Option<Diagnosis> = record.get("diagnosis")?;
    let good = diagnosis.as_ref().is_some_and(|diagnosis| diagnosis.verdict == Verdict::Ok);
    let rests = diagnosis.is_some_and(|diagnosis| {
        diagnosis.verdict == Verdict::Provider
            && !matches!(diagnosis.class, None | Some(Class::NetworkError | Class::Unknown))
    });
    let hooks = [
        (good, "on_success", &hooks.on_success),
        (!good, "on_failure", &hooks.on_failure),
        (rests, "on_cooldown", &hooks.on_cooldown),
    ];
    let wanted = hooks.into_iter().filter(|(due, _, command)| *due && !command.is_empty());
    Ok(wanted.map(|(_, name, command)| (name, command.as_slice())).collect())
}

/// `ar log hook`: runs one, in a process group of its own, and ends it when it takes too long.
pub fn keep(name: &str, command: &[String], state_file: &Path, now: Stamp) -> Result<()> {
    let mut record = Vec::new();
    stdin().read_to_end(&mut record).context("cannot read the record")?;
    if let Err(problem) = run(command, &record, LIMIT) {
        note(state_file, &format!("{now} {name}: {problem:#}\n"))?;
    }
    Ok(())
}

fn run(command: &[String], record: &[u8], limit: Duration) -> Result<()> {
    let (program, arguments) = command.split_first().context("it names no program")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .with_context(|| format!("cannot start '{program}'"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who does not read the record wants none.
        let _ = stdin.write_all(record);
    }
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait().with_context(|| format!("cannot wait for '{program}'"))? {
            return if status.success() {
                Ok(())
            } else {
                Err(anyhow::anyhow!("'{program}' ended with {status}"))
            };
        }
        if start.elapsed() >= limit {
            if let Some(group) =
                i32::try_from(child.id()).ok().and_then(Pid::from_raw).filter(|pid| *pid != getpid())
            {
                kill_process_group(group, Signal::KILL).context("cannot end it")?;
            }
            child.wait().with_context(|| format!("cannot wait for '{program}'"))?;
            anyhow::bail!("'{program}' took longer than {} seconds and was ended", limit.as_secs());
        }
        sleep(PAUSE);
    }
}

/// Writes a line into `hooks.log` beside the database.
fn note(state_file: &Path, line: &str) -> Result<()> {
    let path = state_file.with_file_name("hooks.log");
    let cannot = || format!("cannot write '{}'", path.display());
    match std::fs::metadata(&path) {
        Ok(log) if log.len() > MAX_LOG_BYTES => {
            std::fs::rename(&path, path.with_extension("log.1")).with_context(cannot)?;
        }
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error).with_context(cannot),
        _ => {}
    }
    let mut log =
        OpenOptions::new().append(true).create(true).mode(0o600).open(&path).with_context(cannot)?;
    log.write_all(line.as_bytes()).with_context(cannot)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hook_that_takes_too_long_is_ended_with_its_children() {
        let dir = tempfile::tempdir().unwrap();
        let pid = dir.path().join("pid");
        let script = format!("sleep 600 & echo $! >'{}'; wait", pid.display());
        let command = ["/bin/sh".to_owned(), "-c".to_owned(), script];
        let problem = run(&command, b"{}\n", Duration::from_secs(1)).unwrap_err().to_string();
        assert_eq!(problem, "'/bin/sh' took longer than 1 seconds and was ended");
        let pid: i32 = std::fs::read_to_string(pid).unwrap().trim().parse().unwrap();
        // The signal is on its way; whoever inherits the process reaps it, at a pace of its own.
        ar_tests::wait_until("the hook's child is dead", || {
            let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        });
    }
}
