//! Pipes between the tools.

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{FileType, fstat};
use std::os::fd::AsFd;

/// What poll(2) reports on when nobody reads `output` any more. None where it is neither a pipe nor a socket, and so has
/// no reader.
///
/// Linux tells whatever it is asked for; macOS tells only who asks for a hang-up, and reports on files and terminals then
/// that are as they should be.
pub fn reader(output: &impl AsFd) -> Option<PollFd<'_>> {
    let kind = fstat(output).map(|stat| FileType::from_raw_mode(stat.st_mode));
    matches!(kind, Ok(FileType::Fifo | FileType::Socket)).then(|| PollFd::new(output, PollFlags::HUP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::event::{Timespec, poll};

    #[test]
    fn a_reader_is_missed_when_it_is_gone_and_not_before() {
        let (from, to) = std::io::pipe().unwrap();
        let reported = || poll(&mut [reader(&to).unwrap()], Some(&Timespec::default())).unwrap();
        assert_eq!(reported(), 0);
        drop(from);
        assert_eq!(reported(), 1);
        assert!(reader(&tempfile::tempfile().unwrap()).is_none());
    }
}
