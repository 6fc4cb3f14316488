//! Processes by way of libproc and sysctl(3).

use super::Run;
use rustix::process::{Pid, Signal, getpid, kill_process};
use std::io;
use std::mem::{size_of, zeroed};
use std::ptr::null_mut;

/// Sends the signal, if there is one, and counts who got it.
pub(super) fn signal(run: &Run, signal: Option<Signal>) -> io::Result<usize> {
    let parents = parents()?;
    let descendants = run.descendants(&parents);
    let mut count = 0;
    for (pid, _) in parents {
        if run.spares(pid) {
            continue;
        }
        if descendants.contains(&pid) || run.brands(pid) || run.marks(&environment(pid)) {
            count += usize::from(signal.is_none_or(|signal| kill_process(pid, signal).is_ok()));
        }
    }
    Ok(count)
}

/// How many of the descendants carry nothing that tells their run.
pub(super) fn unmarked(run: &Run) -> io::Result<usize> {
    let descendants = run.descendants(&parents()?).into_iter().filter(|pid| !run.spares(*pid));
    Ok(descendants.filter(|pid| !run.marks(&environment(*pid))).count())
}

/// All other live processes with their environments, empty where they may not be read.
pub(super) fn environments() -> io::Result<Vec<(Pid, Vec<u8>)>> {
    let others = parents()?.into_iter().map(|(pid, _)| pid).filter(|pid| *pid != getpid());
    Ok(others.map(|pid| (pid, environment(pid))).collect())
}

/// All live processes that may be asked, each with its parent.
#[allow(unsafe_code, reason = "libproc has no safe form")]
fn parents() -> io::Result<Vec<(Pid, Pid)>> {
    // SAFETY: with a null buffer the call only tells how many processes there are.
    let count = unsafe { libc::proc_listallpids(null_mut(), 0) };
    // More may be born before the second call.
    let mut pids = vec![0_i32; usize::try_from(count).map_err(|_| io::Error::last_os_error())? + 256];
    let bytes = i32::try_from(pids.len() * size_of::<i32>()).map_err(io::Error::other)?;
    // SAFETY: the buffer has as many bytes as the call is told.
    let count = unsafe { libc::proc_listallpids(pids.as_mut_ptr().cast(), bytes) };
    pids.truncate(usize::try_from(count).map_err(|_| io::Error::last_os_error())?);
    Ok(pids.into_iter().filter_map(|pid| Some((Pid::from_raw(pid)?, parent(pid)?))).collect())
}

fn parent(pid: i32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(entry(pid)?.pbi_ppid).ok()?)
}

/// The one namespace that there is.
#[allow(clippy::unnecessary_wraps, reason = "the same signature as on Linux")]
pub(super) fn namespace() -> Option<String> {
    Some("macos".to_owned())
}

/// When a process began. None for one that is gone or waits to be reaped, and for another user's.
pub(super) fn start(pid: u32) -> Option<String> {
    let entry = entry(i32::try_from(pid).ok()?)?;
    Some(format!("{}.{:06}", entry.pbi_start_tvsec, entry.pbi_start_tvusec))
}

/// What the table of processes says of one that lives.
#[allow(unsafe_code, reason = "libproc has no safe form")]
fn entry(pid: i32) -> Option<libc::proc_bsdinfo> {
    let size = i32::try_from(size_of::<libc::proc_bsdinfo>()).ok()?;
    // SAFETY: the struct is plain numbers, for which zeros are valid, and the call writes at most `size` bytes to it.
    let (filled, entry) = unsafe {
        let mut entry: libc::proc_bsdinfo = zeroed();
        (libc::proc_pidinfo(pid, libc::PROC_PIDTBSDINFO, 0, (&raw mut entry).cast(), size), entry)
    };
    (filled == size && entry.pbi_status != libc::SZOMB).then_some(entry)
}

/// Arguments and environment of a process, parted by NUL; empty where it is not ours. An argument that looks like the
/// mark would be taken for it, which nobody passes by accident. Of the system's own programs, such as `/bin/sh`, only the
/// arguments are told: those are found by their parents alone.
#[allow(unsafe_code, reason = "sysctl(3) has no safe form")]
fn environment(pid: Pid) -> Vec<u8> {
    let mut name = [libc::CTL_KERN, libc::KERN_PROCARGS2, pid.as_raw_nonzero().get()];
    let mut size = 0;
    // SAFETY: with a null buffer the call only tells the size, and afterwards it writes at most that many bytes.
    unsafe {
        if libc::sysctl(name.as_mut_ptr(), 3, null_mut(), &raw mut size, null_mut(), 0) != 0 {
            return Vec::new();
        }
        let mut buffer = vec![0; size];
        if libc::sysctl(name.as_mut_ptr(), 3, buffer.as_mut_ptr().cast(), &raw mut size, null_mut(), 0) != 0 {
            return Vec::new();
        }
        buffer.truncate(size);
        buffer
    }
}
