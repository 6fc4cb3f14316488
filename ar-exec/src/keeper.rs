//! A process beside ar-exec that ends what is left of a run when ar-exec cannot, because it was killed, and when nobody
//! shall wait for that, because the run is over.

use ar_core::{loose, processes};
use rustix::process::{Pid, Signal};
use std::ffi::CStr;
use std::fs::{self, File};
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What a list of processes calls it.
const NAME: &CStr = c"ar-keeper";
/// From SIGTERM to SIGKILL: what is left over had its time to linger.
const GRACE: Duration = Duration::from_secs(1);
/// The first pause between two looks at what is left, and the longest, which they grow to: a look reads all of `/proc`, and
/// something may be allowed to linger for hours.
const LOOK: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];
/// The order that says that there is nothing to do. Any other is how many milliseconds what is left may linger.
const NOTHING: u64 = u64::MAX;

/// A keeper that waits for its order; the end of file is one as well, and says that we were killed.
#[derive(Debug)]
pub struct Keeper {
    pid: Pid,
    orders: PipeWriter,
}

impl Keeper {
    /// Starts the keeper of a run. Call this while there is one thread only.
    ///
    /// It holds the lock of the run's directory for as long as it lives: the run has processes that may live.
    ///
    /// It is a child that sends no signal when it ends, which keeps it out of the wait for the children of the run; it would
    /// be one of them if it executed a program.
    #[allow(unsafe_code, reason = "such a child has no safe form")]
    pub fn start(run: &str, dir: &Path, lock: &File) -> io::Result<Self> {
        let (orders, writer) = io::pipe()?;
        // SAFETY: without flags and a stack this is fork(2), and no other thread holds a lock that the child might need.
        let pid = unsafe { libc::syscall(libc::SYS_clone, 0, 0, 0, 0, 0) };
        if pid == 0 {
            // A wrong name in a list of processes is no reason not to be there.
            let _ = take_name();
            detach([orders.as_raw_fd(), lock.as_raw_fd()]);
            keep(run, dir, orders);
            // SAFETY: the call takes a number and does not return: what ar-exec does at its end is not the keeper's to do.
            unsafe { libc::_exit(0) };
        }
        match i32::try_from(pid).ok().filter(|pid| *pid > 0).and_then(Pid::from_raw) {
            Some(pid) => Ok(Self { pid, orders: writer }),
            None => Err(io::Error::last_os_error()),
        }
    }

    /// Its process, which is no part of the run.
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Leaves to it what is left of the run, and tells whether it takes it.
    pub fn leave(&mut self, linger: Duration) -> bool {
        let millis = u64::try_from(linger.as_millis()).unwrap_or(NOTHING).min(NOTHING - 1);
        self.orders.write_all(&millis.to_ne_bytes()).is_ok()
    }

    /// Tells it that nothing is left, and waits for its end, so that nobody else has to.
    #[allow(unsafe_code, reason = "only waitpid with this flag finds such a child")]
    pub fn dismiss(mut self) {
        // One that was killed needs no order.
        let _ = self.orders.write_all(&NOTHING.to_ne_bytes());
        // SAFETY: the status is asked for by nobody, and the call writes to no other place.
        unsafe {
            libc::waitpid(self.pid.as_raw_nonzero().get(), std::ptr::null_mut(), libc::__WCLONE);
        }
    }
}

/// Puts a name of its own in place of the command line of ar-exec: who looks for ar-exec, to end it or to wait for it, does
/// not mean the keeper.
fn take_name() -> io::Result<()> {
    let status = fs::read_to_string("/proc/self/stat")?;
    // Numbered from the third one, which follows the command's name: proc_pid_stat(5).
    let fields: Vec<&str> = status.rsplit(") ").next().unwrap_or_default().split(' ').collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let (Some(start), Some(end)) = (field(48), field(49)) else { return Ok(()) };
    let mut line = NAME.to_bytes().to_vec();
    line.resize(usize::try_from(end.saturating_sub(start)).unwrap_or(0), 0);
    fs::OpenOptions::new().write(true).open("/proc/self/mem")?.write_all_at(&line, start)
}

/// Leaves the session of ar-exec, whose signals are not meant for the keeper, and closes all of its files but two, so that
/// whoever reads from ar-exec does not wait for the keeper.
#[allow(unsafe_code, reason = "descriptors that others own are closed by number")]
fn detach(mut keep: [RawFd; 2]) {
    keep.sort_unstable();
    let [low, high] = keep;
    // SAFETY: the name ends with NUL, and nothing that owns a descriptor is used in this process from here on.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, NAME.as_ptr());
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP, libc::SIGQUIT, libc::SIGTSTP] {
            libc::signal(signal, libc::SIG_IGN);
        }
        libc::setsid();
        // The directory may be one that somebody wants to unmount.
        libc::chdir(c"/".as_ptr());
        for (first, last) in [(0, low - 1), (low + 1, high - 1), (high + 1, i32::MAX)] {
            if first <= last && libc::syscall(libc::SYS_close_range, first, last, 0) != 0 {
                // A kernel of before 2020.
                for fd in first..=last.min(1023) {
                    libc::close(fd);
                }
            }
        }
    }
}

/// The whole life of a keeper. Where processes cannot be listed, it can end none, and has nobody to tell.
fn keep(run: &str, dir: &Path, mut orders: PipeReader) {
    let mut order = [0; 8];
    match orders.read_exact(&mut order).map(|()| u64::from_ne_bytes(order)) {
        Ok(NOTHING) => return,
        Ok(linger) => {
            wait(run, Duration::from_millis(linger));
            // See above.
            let _ = processes::signal(run, None, Signal::TERM);
            let _ = processes::signal(run, None, Signal::CONT);
            wait(run, GRACE);
        }
        Err(_) => {}
    }
    // See above.
    let _ = processes::kill_remains(run);
    loose::forget(dir);
}

/// Waits until nothing is left of a run, or the time is over.
fn wait(run: &str, limit: Duration) {
    let since = Instant::now();
    let [mut pause, longest] = LOOK;
    while since.elapsed() < limit && !matches!(processes::count(run, None), Ok(0)) {
        sleep(pause.min(limit.saturating_sub(since.elapsed())));
        pause = pause.mul_f32(1.25).min(longest);
    }
}
