//! Tells when files grow, without asking them again and again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
#[cfg(not(target_os = "linux"))]
use {
    rustix::buffer::spare_capacity,
    rustix::event::kqueue::{Event, EventFilter, EventFlags, VnodeEvents, kevent, kqueue},
    std::fs::File,
    std::os::fd::AsRawFd,
    std::time::Duration,
};

/// Becomes readable when one of some files has been written to.
#[derive(Debug)]
pub struct Growth {
    events: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    files: Vec<File>,
}

impl AsFd for Growth {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }
}

#[cfg(target_os = "linux")]
impl Growth {
    /// Starts to watch the files.
    pub fn of(files: &[&Path]) -> io::Result<Self> {
        use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
        let events = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
        for file in files {
            add_watch(&events, *file, WatchFlags::MODIFY)?;
        }
        Ok(Self { events })
    }

    /// Forgets what has happened so far. What the events say does not matter, only that they came.
    pub fn forget(&self) {
        let mut events = [0; 4096];
        while rustix::io::read(&self.events, &mut events).is_ok_and(|n| n > 0) {}
    }
}

#[cfg(not(target_os = "linux"))]
impl Growth {
    /// Starts to watch the files.
    #[allow(unsafe_code, reason = "kevent takes descriptors by number")]
    pub fn of(files: &[&Path]) -> io::Result<Self> {
        let events = kqueue()?;
        let files = files.iter().map(File::open).collect::<io::Result<Vec<_>>>()?;
        let changes: Vec<Event> = files
            .iter()
            .map(|file| {
                let filter = EventFilter::Vnode { vnode: file.as_raw_fd(), flags: VnodeEvents::WRITE };
                Event::new(filter, EventFlags::ADD | EventFlags::CLEAR, std::ptr::null_mut())
            })
            .collect();
        // SAFETY: the descriptors are open, and stay so for as long as the queue, which is dropped with them.
        unsafe { kevent(&events, &changes, &mut [] as &mut [Event; 0], Some(Duration::ZERO))? };
        Ok(Self { events, files })
    }

    /// Forgets what has happened so far. What the events say does not matter, only that they came.
    #[allow(unsafe_code, reason = "kevent takes descriptors by number")]
    pub fn forget(&self) {
        // The queue holds one event for each file, however often it was written to.
        let mut events = Vec::with_capacity(self.files.len());
        // SAFETY: nothing is added to the queue here. What cannot be taken wakes the follower once more, and no more.
        let _ = unsafe { kevent(&self.events, &[], spare_capacity(&mut events), Some(Duration::ZERO)) };
    }
}
