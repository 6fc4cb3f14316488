//! Tells when files grow, without asking them again and again.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// Becomes readable when one of some files has been written to.
#[derive(Debug)]
pub struct Growth {
    events: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    _files: Vec<std::fs::File>,
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
        use rustix::event::kqueue::{Event, EventFilter, EventFlags, VnodeEvents, kevent, kqueue};
        use std::os::fd::AsRawFd;
        let events = kqueue()?;
        let files = files.iter().map(std::fs::File::open).collect::<io::Result<Vec<_>>>()?;
        let changes: Vec<Event> = files
            .iter()
            .map(|file| {
                let filter = EventFilter::Vnode { vnode: file.as_raw_fd(), flags: VnodeEvents::WRITE };
                Event::new(filter, EventFlags::ADD | EventFlags::CLEAR, std::ptr::null_mut())
            })
            .collect();
        // SAFETY: the descriptors are open, and stay so for as long as the queue, which is dropped with them.
        unsafe { kevent(&events, &changes, &mut [] as &mut [Event; 0], Some(std::time::Duration::ZERO))? };
        Ok(Self { events, _files: files })
    }

    /// Forgets what has happened so far. What the events say does not matter, only that they came.
    #[allow(unsafe_code, reason = "kevent takes descriptors by number")]
    pub fn forget(&self) {
        let mut events = Vec::with_capacity(8);
        let none = Some(std::time::Duration::ZERO);
        // SAFETY: nothing is added to the queue here.
        while unsafe {
            rustix::event::kqueue::kevent(
                &self.events,
                &[],
                rustix::buffer::spare_capacity(&mut events),
                none,
            )
        }
        .is_ok_and(|n| n > 0)
        {
            events.clear();
        }
    }
}
