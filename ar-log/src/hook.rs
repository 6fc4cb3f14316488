//! Hooks: commands that are told of a run when it is over, and never hold up its answer.

use crate::hide;
use crate::redact::Secrets;
use anyhow::{Context, Result, anyhow, bail};
use ar_core::config::Hooks;
use ar_core::exit::one_line;
use ar_core::processes::{self, Below};
use ar_core::record::{Class, Diagnosis, Verdict};
use ar_core::{Record, Stamp};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use rustix::process::{Signal, WaitOptions, WaitStatus, getpid, setsid, wait};
use std::env;
use std::fs::{self, OpenOptions};
use std::io::{Read, Write, stdin};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a hook may take.
const LIMIT: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);
/// How long those that are killed may take to be gone.
const DYING: Duration = Duration::from_secs(1);
/// The id of no run: processes are known by whose descendants they are.
const NOBODY: &str = "-";
/// The log of failures is begun anew beyond this many bytes.
const MAX_LOG_BYTES: u64 = 256 * 1024;

/// Starts the hooks that a run calls for, and tells them of it without secrets. They go on after us; what fails of them is
/// written beside the database.
pub fn start(hooks: &Hooks, record: &Record, secrets: &Secrets, state_file: &Path) -> Result<()> {
    for (name, command) in called_for(hooks, record)? {
        let mut line = record.as_value();
        hide::record(&mut line, secrets);
        let mut keeper = Command::new(env::current_exe().context("cannot find this program")?);
        keeper.args(["hook", name, "--state"]).arg(state_file).arg("--").args(command);
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        detach(&mut keeper);
        let mut keeper = keeper.spawn().context("cannot start a hook")?;
        if let Some(mut stdin) = keeper.stdin.take() {
            // A record is shorter than a pipe takes at once, so this waits for nobody; who does not read it wants none.
            let _ = stdin.write_all(format!("{line}\n").as_bytes());
        }
        // It is on its own from here: init reaps it.
    }
    Ok(())
}

/// Gives a program a session of its own, which no Ctrl-C and no end of a terminal reaches, and nothing that we have open:
/// a lock that our caller holds by such a descriptor, or a pipe that somebody reads to its end, would outlast the call.
#[allow(unsafe_code, reason = "std has no stable way to start a session")]
fn detach(command: &mut Command) {
    // SAFETY: setsid(2) and close_range(2) are async-signal-safe, and the closure touches no memory of the parent.
    unsafe {
        command.pre_exec(|| {
            setsid()?;
            // An older kernel closes nothing, which a hook can live with.
            #[cfg(target_os = "linux")]
            libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC);
            Ok(())
        });
    }
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

/// `ar log hook`: runs one, and ends it and whatever it started when that takes too long.
pub fn keep(name: &str, command: &[String], state_file: &Path, now: Stamp) -> Result<()> {
    let mut record = Vec::new();
    stdin().read_to_end(&mut record).context("cannot read the record")?;
    if let Err(problem) = run(command, &record, LIMIT) {
        note(state_file, &format!("{now} {name}: {}\n", one_line(&format!("{problem:#}"))))?;
    }
    Ok(())
}

fn run(command: &[String], record: &[u8], limit: Duration) -> Result<()> {
    let (program, arguments) = command.split_first().context("it names no program")?;
    let start = Instant::now();
    adopt_orphans()?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start '{program}'"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // Who does not read the record wants none.
        let _ = stdin.write_all(record);
    }
    let mut ended = None;
    let all = wait_for_all(child.id(), &mut ended, start + limit)?;
    if !all {
        end_all(&mut ended, child.id())?;
    }
    let seconds = limit.as_secs();
    match ended {
        _ if !all && ended.is_none_or(|status| status.signal() == Some(Signal::KILL.as_raw())) => {
            bail!("'{program}' took longer than {seconds} seconds and was ended")
        }
        Some(status) if !status.success() => Err(anyhow!("'{program}' ended with {status}")),
        _ if !all => bail!("'{program}' left processes behind that were ended after {seconds} seconds"),
        _ => Ok(()),
    }
}

/// Waits for the hook and for all that it started, which come to us when their parents end. False where the time is over
/// before; the hook's own end is noted in either case.
fn wait_for_all(hook: u32, ended: &mut Option<ExitStatus>, deadline: Instant) -> Result<bool> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if u32::try_from(pid.as_raw_nonzero().get()) == Ok(hook) => {
                *ended = Some(exit_status(status));
            }
            Ok(Some(_)) => {}
            Ok(None) if Instant::now() >= deadline => return Ok(false),
            Ok(None) => sleep(PAUSE),
            Err(Errno::CHILD) => return Ok(true),
            Err(error) => return Err(error).context("cannot wait for the hook"),
        }
    }
}

/// Kills all that descend from us, however fast they fork.
fn end_all(ended: &mut Option<ExitStatus>, hook: u32) -> Result<()> {
    let below = Below { root: getpid(), spared: None };
    let deadline = Instant::now() + DYING;
    while Instant::now() < deadline {
        processes::signal(NOBODY, Some(below), Signal::KILL)?;
        if wait_for_all(hook, ended, Instant::now() + PAUSE)? {
            break;
        }
    }
    Ok(())
}

fn exit_status(status: WaitStatus) -> ExitStatus {
    ExitStatus::from_raw(status.as_raw())
}

/// Makes orphans of the hook our children.
#[cfg(target_os = "linux")]
fn adopt_orphans() -> Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(getpid()))?)
}

/// Other systems give orphans to init.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
fn adopt_orphans() -> Result<()> {
    Ok(())
}

/// Writes a line into `hooks.log` beside the database.
fn note(state_file: &Path, line: &str) -> Result<()> {
    let path = state_file.with_file_name("hooks.log");
    let cannot = || format!("cannot write '{}'", path.display());
    loop {
        let mut log =
            OpenOptions::new().append(true).create(true).mode(0o600).open(&path).with_context(cannot)?;
        flock(&log, FlockOperation::LockExclusive).with_context(cannot)?;
        let found = log.metadata().with_context(cannot)?;
        if found.len() <= MAX_LOG_BYTES {
            return log.write_all(line.as_bytes()).with_context(cannot);
        }
        // Of several that find it full, the first has begun it anew.
        if fs::metadata(&path).is_ok_and(|now| now.ino() == found.ino()) {
            fs::rename(&path, path.with_extension("log.1")).with_context(cannot)?;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // One test, because the hook's keeper waits for every child of its process.
    #[test]
    fn a_hook_is_waited_for_with_all_that_it_started_and_not_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        let run = |script: &str, limit| {
            let command =
                ["/bin/sh".to_owned(), "-c".to_owned(), script.replace("PIDS", pids.to_str().unwrap())];
            run(&command, b"{}\n", limit).map_err(|problem| problem.to_string())
        };
        let (short, long) = (Duration::from_secs(1), Duration::from_mins(1));
        for (script, limit, outcome) in [
            ("read line; test \"$line\" = '{}'", long, Ok(())),
            ("exit 3", long, Err("'/bin/sh' ended with exit status: 3")),
            ("sleep 0.1 & exit 0", long, Ok(())),
            (
                "trap '' TERM; sleep 600 & echo $! >>'PIDS'; wait",
                short,
                Err("'/bin/sh' took longer than 1 seconds and was ended"),
            ),
            (
                "setsid sleep 600 & echo $! >>'PIDS'; (sleep 600 & echo $! >>'PIDS')",
                short,
                Err("'/bin/sh' left processes behind that were ended after 1 seconds"),
            ),
        ] {
            assert_eq!(run(script, limit), outcome.map_err(str::to_owned), "{script}");
        }
        for pid in fs::read_to_string(pids).unwrap().lines() {
            assert!(!Path::new("/proc").join(pid).exists(), "{pid}");
        }
    }

    #[test]
    fn a_full_log_is_begun_anew_once() {
        let dir = tempfile::tempdir().unwrap();
        let state = dir.path().join("state.db");
        let old = "x".repeat(usize::try_from(MAX_LOG_BYTES).unwrap() + 1);
        fs::write(dir.path().join("hooks.log"), &old).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| note(&state, "a line\n").unwrap());
            }
        });
        assert_eq!(fs::read_to_string(dir.path().join("hooks.log.1")).unwrap(), old);
        assert_eq!(fs::read_to_string(dir.path().join("hooks.log")).unwrap(), "a line\n".repeat(16));
    }
}
