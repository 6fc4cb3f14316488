//! Processes by way of `/proc`.

use super::Run;
use rustix::fs::{Mode, OFlags, open, openat};
use rustix::process::{Pid, Signal, getpid, pidfd_send_signal};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;

/// Sends the signal, if there is one, and counts who got it.
pub(super) fn signal(run: &Run, signal: Option<Signal>) -> io::Result<usize> {
    let parents = parents()?;
    let descendants = run.descendants(&parents);
    let mut count = 0;
    for (pid, parent) in parents {
        if run.spares(pid) {
            continue;
        }
        let Some(process) = Process::open(pid) else { continue };
        // The parent is asked again, because by now the number may be another process's.
        let descends = descendants.contains(&pid) && process.parent() == Some(parent);
        // Whether it lives is asked last: until then the number was no other's.
        if (descends || process.carries(run, pid)) && process.is_alive() {
            count += usize::from(signal.is_none_or(|signal| pidfd_send_signal(&process.dir, signal).is_ok()));
        }
    }
    Ok(count)
}

/// How many of the descendants carry nothing that tells their run.
pub(super) fn unmarked(run: &Run) -> io::Result<usize> {
    let descendants = run.descendants(&parents()?).into_iter().filter(|pid| !run.spares(*pid));
    let processes = descendants.filter_map(|pid| Some((pid, Process::open(pid)?)));
    Ok(processes.filter(|(pid, process)| !process.carries(run, *pid) && process.is_alive()).count())
}

/// All other live processes with their environments, empty where they may not be read.
pub(super) fn environments() -> io::Result<Vec<(Pid, Vec<u8>)>> {
    let others = parents()?.into_iter().map(|(pid, _)| pid).filter(|pid| *pid != getpid());
    let alive = others.filter_map(|pid| Some((pid, Process::open(pid).filter(Process::is_alive)?)));
    Ok(alive.map(|(pid, process)| (pid, process.read("environ"))).collect())
}

/// All processes, each with its parent.
fn parents() -> io::Result<Vec<(Pid, Pid)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let pid = name.to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
        // One that is gone by now has no parent to tell.
        if let Some(pid) = pid
            && let Some(parent) = Process::open(pid).and_then(|process| process.parent())
        {
            found.push((pid, parent));
        }
    }
    Ok(found)
}

/// An open directory of `/proc`: it stays with the process when the number goes to another, and signals can be sent
/// through it.
struct Process {
    dir: OwnedFd,
}

impl Process {
    fn open(pid: Pid) -> Option<Self> {
        let path = format!("/proc/{}", pid.as_raw_nonzero());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Some(Self { dir: open(path, flags, Mode::empty()).ok()? })
    }

    /// Whether it carries the brand or the mark of a run.
    fn carries(&self, run: &Run, pid: Pid) -> bool {
        run.brands(pid) || run.marks(&self.read("environ"))
    }

    /// A file of the process, empty where it is gone or not ours.
    fn read(&self, file: &str) -> Vec<u8> {
        let mut content = Vec::new();
        let opened = openat(&self.dir, file, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty());
        let read = opened.map(|fd| File::from(fd).read_to_end(&mut content));
        if matches!(read, Ok(Ok(_))) { content } else { Vec::new() }
    }

    /// State and parent: the two fields after the command's name, which stands in parentheses and may hold any byte.
    fn stat(&self) -> Option<(u8, Option<Pid>)> {
        let stat = self.read("stat");
        let after = stat.iter().rposition(|byte| *byte == b')')?;
        let mut fields = stat.get(after + 1..)?.split(|byte| *byte == b' ').filter(|field| !field.is_empty());
        let state = *fields.next()?.first()?;
        let parent = str::from_utf8(fields.next()?).ok()?.parse().ok()?;
        Some((state, Pid::from_raw(parent)))
    }

    fn parent(&self) -> Option<Pid> {
        self.stat()?.1
    }

    /// Whether it is more than a status that waits to be read.
    fn is_alive(&self) -> bool {
        self.stat().is_some_and(|(state, _)| state != b'Z' && state != b'X')
    }
}
