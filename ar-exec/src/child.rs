//! Starts the child: its streams, its environment, and what ties its life to ours.

use crate::command;
use crate::family::{Family, has_children};
use crate::outcome::spawn_error;
use crate::plan::{Plan, Resources};
use crate::run_dir::RunDir;
use crate::template::{self, Places};
use crate::terminal::Terminal;
use anyhow::Context;
use ar_core::config::PromptMode;
use ar_core::processes::Brand;
use ar_core::record::ExecError;
use ar_core::{Record, paths};
use rustix::fs::{Access, OFlags, access, fcntl_setfl};
use rustix::io::Errno;
use rustix::process::{Pid, Resource, Rlimit, getpid, ioctl_tiocsctty, nice, setrlimit, setsid};
use rustix::stdio::stdout;
use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// The last signal but those for real time, on Linux as on macOS.
const LAST_SIGNAL: i32 = 31;

/// The files that the child writes to.
#[derive(Debug)]
pub struct Streams {
    /// Standard output.
    pub stdout: File,
    /// Standard error.
    pub stderr: File,
}

impl Streams {
    /// Creates both, empty.
    ///
    /// They are written to at their ends: a script that opens `/dev/stderr` empties the file, and what another process
    /// wrote next at its old place would follow a hole.
    pub fn create(dir: &RunDir) -> anyhow::Result<Self> {
        let create = |path: &Path| -> anyhow::Result<File> {
            let file = paths::create_private_file(path)?;
            fcntl_setfl(&file, OFlags::APPEND)
                .with_context(|| format!("cannot write '{}'", path.display()))?;
            Ok(file)
        };
        Ok(Self { stdout: create(&dir.stdout())?, stderr: create(&dir.stderr())? })
    }

    /// Puts copies in place of both files, as they are now, so that what the child left behind writes to files that
    /// nobody sees: the answer may be one of them, and its secrets are found already.
    pub fn part(&mut self, dir: &RunDir) -> anyhow::Result<()> {
        for (file, path) in [(&mut self.stdout, dir.stdout()), (&mut self.stderr, dir.stderr())] {
            let copy = path.with_extension("copy");
            *file = copy_beginning(&path, &copy)
                .and_then(|copied| fs::rename(&copy, &path).map(|()| copied))
                .with_context(|| format!("cannot copy '{}'", path.display()))?;
        }
        Ok(())
    }

    /// Cuts both files where they are longer than a limit: much is written between two looks at their sizes.
    pub fn cut(&self, limit: u64) -> anyhow::Result<()> {
        for file in [&self.stdout, &self.stderr] {
            let cut = file
                .metadata()
                .and_then(|meta| if meta.len() > limit { file.set_len(limit) } else { Ok(()) });
            cut.context("cannot cut what the child wrote at max_output")?;
        }
        Ok(())
    }

    /// Standard output once more, for whoever writes to it in the child's place.
    pub fn copy_stdout(&self) -> anyhow::Result<File> {
        self.stdout.try_clone().context("cannot copy a file descriptor")
    }

    /// How many bytes each holds.
    pub fn sizes(&self) -> anyhow::Result<(u64, u64)> {
        let size = |file: &File| file.metadata().map(|meta| meta.len());
        size(&self.stdout)
            .and_then(|stdout| Ok((stdout, size(&self.stderr)?)))
            .context("cannot read the size of a stream")
    }
}

/// Copies a file as long as it is now, for somebody may go on writing to it.
fn copy_beginning(path: &Path, to: &Path) -> io::Result<File> {
    let from = File::open(path)?;
    let length = from.metadata()?.len();
    let mut copied = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(to)?;
    io::copy(&mut from.take(length), &mut copied)?;
    Ok(copied)
}

/// Starts the child. Whatever keeps it from starting is an outcome of the run.
///
/// Call this in the main thread: the death of the thread that starts a child is what kills it.
pub fn start(
    plan: &Plan,
    record: &Record,
    dir: &RunDir,
    streams: &Streams,
    terminal: Option<&Terminal>,
) -> Result<Family, ExecError> {
    check_directory(&plan.cwd)?;
    let prompt_file = dir.prompt();
    let usage_file = dir.usage();
    let places =
        Places { prompt_file: &prompt_file, session: &plan.session, cwd: &plan.cwd, usage_file: &usage_file };
    let args = template::arguments(plan, places)?;
    let program = command::resolve(&plan.command, plan.environment.get("PATH"), &plan.cwd)?;
    let stdin = match (plan.prompt_mode, terminal) {
        (PromptMode::Stdin, _) => open(&prompt_file)?,
        (PromptMode::Arg | PromptMode::File, None) => open(Path::new("/dev/null"))?,
        (PromptMode::Arg | PromptMode::File, Some(terminal)) => duplicate(terminal.child_end())?,
    };
    let stdout = terminal.map_or(streams.stdout.as_fd(), Terminal::child_end);
    let mut command = Command::new(&program);
    command
        .arg0(&plan.command)
        .args(args)
        .current_dir(&plan.cwd)
        .stdin(stdin)
        .stdout(duplicate(stdout)?)
        .stderr(duplicate(streams.stderr.as_fd())?);
    for name in &plan.environment.unset {
        command.env_remove(name);
    }
    command.envs(plan.environment.set.iter().map(|(name, value)| (name, value)));
    prepare(&mut command, plan, Brand::of(record.run()));
    adopt_orphans().map_err(|error| failed(&plan.command, &error))?;
    let lock = dir.copy_lock().map_err(|error| spawn_error("other", format!("{error:#}")))?;
    let has_strangers = has_children();
    let since = Instant::now();
    let child = command.spawn().map_err(|error| failed(&plan.command, &error))?;
    let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
    // The handle is let go: the family reaps every child, this one and those that it leaves behind.
    let pid = pid.ok_or_else(|| spawn_error("other", "the system gave an impossible process id"))?;
    Ok(Family::of(record.run(), dir.path(), lock, pid, since, has_strangers))
}

/// Makes the child the leader of a session of its own, with all signals at their defaults and within its limits, that
/// dies with us.
///
/// A session and not just a process group: a command line agent that asks the terminal for anything would be stopped as a
/// background job, and hang until its time is up; without a terminal it fails at once, as in a cron job.
#[allow(unsafe_code, reason = "what is to happen between fork and exec has no safe form")]
fn prepare(command: &mut Command, plan: &Plan, brand: Brand) {
    let parent = getpid();
    let Resources { nice: increment, memory_max, has_terminal } = plan.resources;
    // SAFETY: between fork and exec the closure makes plain system calls, allocates nothing and takes no lock.
    unsafe {
        command.pre_exec(move || {
            for signal in 1..=LAST_SIGNAL {
                // SIGKILL and SIGSTOP refuse, and stay at their defaults by that.
                libc::signal(signal, libc::SIG_DFL);
            }
            keep_files();
            setsid()?;
            // Where that is not allowed, the mark in the environment has to do.
            let _ = brand.take();
            if has_terminal {
                ioctl_tiocsctty(stdout())?;
            }
            if increment != 0 {
                nice(increment)?;
            }
            if memory_max.is_some() {
                setrlimit(Resource::As, Rlimit { current: memory_max, maximum: memory_max })?;
            }
            die_with(parent)
        });
    }
}

/// Closes all files but the three streams in what is executed next: a lock or the end of a pipe that our caller holds is
/// not to be held by what an agent leaves behind, and the tokens of a make(1) around us die with who took them.
#[allow(unsafe_code, reason = "descriptors that others own are marked by number")]
fn keep_files() {
    // SAFETY: the calls take numbers, and mark what is open under them.
    unsafe {
        #[cfg(target_os = "linux")]
        if libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, libc::CLOSE_RANGE_CLOEXEC) == 0 {
            return;
        }
        // Another system, or a kernel of before 2021.
        for fd in 3..1024 {
            libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC);
        }
    }
}

/// Makes orphans of the run our children, so that the wait for the run's end includes them.
#[cfg(target_os = "linux")]
fn adopt_orphans() -> io::Result<()> {
    Ok(rustix::process::set_child_subreaper(Some(getpid()))?)
}

/// Other systems give orphans to init.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
fn adopt_orphans() -> io::Result<()> {
    Ok(())
}

/// Has the kernel kill this process when its parent dies, which may have happened before we asked.
#[cfg(target_os = "linux")]
fn die_with(parent: Pid) -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() == Some(parent) { Ok(()) } else { Err(Errno::SRCH.into()) }
}

/// Other systems have no such request; whoever called us ends what a killed ar-exec leaves behind.
#[cfg(not(target_os = "linux"))]
#[allow(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
fn die_with(_parent: Pid) -> io::Result<()> {
    Ok(())
}

fn check_directory(cwd: &Path) -> Result<(), ExecError> {
    let bad = |cause: &dyn std::fmt::Display| {
        spawn_error("bad_cwd", format!("cannot run in '{}': {cause}", cwd.display()))
    };
    match cwd.metadata() {
        Err(error) => Err(bad(&error)),
        Ok(meta) if !meta.is_dir() => Err(bad(&"it is not a directory")),
        Ok(_) => access(cwd, Access::EXEC_OK).map_err(|error| bad(&io::Error::from(error))),
    }
}

fn open(path: &Path) -> Result<Stdio, ExecError> {
    let file = File::open(path)
        .map_err(|error| spawn_error("other", format!("cannot open '{}': {error}", path.display())))?;
    Ok(file.into())
}

fn duplicate(fd: BorrowedFd) -> Result<Stdio, ExecError> {
    let file = fd
        .try_clone_to_owned()
        .map_err(|error| spawn_error("other", format!("cannot pass a stream to the child: {error}")))?;
    Ok(file.into())
}

fn failed(command: &OsStr, error: &io::Error) -> ExecError {
    let shown = command.display();
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::TOOBIG) => spawn_error(
            "too_long",
            format!("the arguments and the environment of '{shown}' are too long together: {error}"),
        ),
        Some(Errno::NOENT) => spawn_error("not_found", format!("the interpreter of '{shown}' is missing")),
        Some(Errno::ACCESS | Errno::NOEXEC | Errno::PERM) => {
            spawn_error("not_executable", format!("cannot execute '{shown}': {error}"))
        }
        _ => spawn_error("other", format!("cannot start '{shown}': {error}")),
    }
}
