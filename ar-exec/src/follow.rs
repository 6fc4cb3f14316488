//! Follows the child's standard output as it grows: shows what it says, and watches the limits that it tells of itself.
//!
//! A thread of its own does that, because a stopped terminal or a slow reader may block the writing for any time, and
//! neither the clocks of the run nor a signal may wait for that.

use crate::format::{Outcome, Reader};
use crate::growth::Growth;
use crate::plan::Plan;
use crate::price;
use crate::run_dir::RunDir;
use crate::signals::{Signals, poll};
use crate::tee::{Live, Tee};
use anyhow::{Context, anyhow};
use ar_core::config::Price;
use ar_core::record::End;
use rustix::event::{PollFd, PollFlags};
use std::fs::File;
use std::io::{self, PipeReader, PipeWriter, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How much is read at once.
const PIECE_BYTES: usize = 65_536;

/// How often the file is asked where nobody tells when it grows.
const BLIND: Duration = Duration::from_millis(50);

/// A follower at work.
#[derive(Debug)]
pub struct Following {
    /// Closed to say that the file grows no more.
    more: PipeWriter,
    /// At its end when everything is written.
    done: PipeReader,
    /// Holds a byte once a limit is passed.
    exceeded: PipeReader,
    thread: JoinHandle<io::Result<Option<Outcome>>>,
}

/// Whether there is anybody to show a run to, or any limit to watch.
pub fn is_wanted(plan: &Plan, tee: Option<&Tee>) -> bool {
    let limits = &plan.limits;
    tee.is_some() || plan.format.is_some() && (limits.max_turns.is_some() || limits.max_cost_usd.is_some())
}

/// Starts to follow a run, if there is anybody to show it to or any limit to watch.
pub fn start(plan: &Plan, dir: &RunDir, tee: Option<&Tee>) -> anyhow::Result<Option<Following>> {
    if !is_wanted(plan, tee) {
        return Ok(None);
    }
    let told =
        Told { max_turns: plan.limits.max_turns, max_cost_usd: plan.limits.max_cost_usd, price: plan.price };
    let reader =
        plan.format.map(|format| anyhow::Ok(Reader::new(format, dir.create_answer()?))).transpose()?;
    let live = Live::of(tee)?;
    let path = dir.stdout();
    let start = || -> io::Result<Following> {
        let (stop, more) = io::pipe()?;
        let (done, finished) = io::pipe()?;
        let (exceeded, exceeds) = io::pipe()?;
        // A user may have only so many watches at a time; without one the file is asked now and then.
        let growth = Growth::of(&[&path]).ok();
        let follower =
            Follower { file: File::open(&path)?, path: path.clone(), growth, stop, live, told, exceeds };
        let thread = thread::Builder::new().name("follow".to_owned()).spawn(move || {
            let outcome = follower.run(reader);
            drop(finished);
            outcome
        })?;
        Ok(Following { more, done, exceeded, thread })
    };
    start().with_context(|| format!("cannot follow '{}'", dir.stdout().display())).map(Some)
}

impl Following {
    /// Becomes readable when a limit is passed.
    pub fn exceeded(&self) -> BorrowedFd<'_> {
        self.exceeded.as_fd()
    }

    /// Which limit was passed; None where the follower ended before any was.
    pub fn limit(&self) -> Option<End> {
        let mut which = [0];
        let read = (&self.exceeded).read(&mut which);
        match which {
            [TURNS] if read.is_ok() => Some(End::MaxTurns),
            [COST] if read.is_ok() => Some(End::MaxCost),
            _ => None,
        }
    }

    /// Waits until all that the child wrote is shown, and gives what its format told. None where there is no format, or
    /// where a signal gave up on a reader that does not read.
    pub fn finish(self, signals: &Signals) -> anyhow::Result<Option<Outcome>> {
        drop(self.more);
        loop {
            let mut fds = [
                PollFd::new(&self.done, PollFlags::IN),
                PollFd::from_borrowed_fd(signals.ending(), PollFlags::IN),
            ];
            poll(&mut fds, None)?;
            let [done, ending] = fds.map(|fd| !fd.revents().is_empty());
            if done {
                let outcome =
                    self.thread.join().map_err(|_| anyhow!("the thread that reads the output died"))?;
                return outcome.context("cannot read the output or write the answer");
            }
            if ending {
                return Ok(None);
            }
        }
    }
}

/// The byte for a limit on turns, and the one for a limit on cost.
const TURNS: u8 = 1;
const COST: u8 = 2;

/// The limits on what a run tells of itself.
#[derive(Debug, Clone, Copy)]
struct Told {
    max_turns: Option<u64>,
    max_cost_usd: Option<f64>,
    price: Option<Price>,
}

impl Told {
    fn exceeded(&self, outcome: &Outcome) -> Option<u8> {
        let turns = outcome.turns.zip(self.max_turns).is_some_and(|(turns, limit)| turns > limit);
        let cost = || outcome.usage.as_ref().and_then(|usage| price::cost(usage, self.price.as_ref()));
        if turns {
            return Some(TURNS);
        }
        self.max_cost_usd.filter(|limit| cost().is_some_and(|cost| cost > *limit)).map(|_| COST)
    }
}

struct Follower {
    file: File,
    path: PathBuf,
    growth: Option<Growth>,
    stop: PipeReader,
    live: Live,
    told: Told,
    exceeds: PipeWriter,
}

impl Follower {
    /// Follows until the file grows no more.
    fn run(mut self, reader: Option<Reader>) -> io::Result<Option<Outcome>> {
        let Some(mut reader) = reader else {
            self.each_piece(Live::write_all)?;
            return Ok(None);
        };
        let mut said = false;
        let told = self.told;
        let mut exceeds = self.exceeds.try_clone()?;
        self.each_piece(|live, piece| {
            reader.feed(piece, live)?;
            match told.exceeded(reader.so_far()) {
                Some(limit) if !said => {
                    said = true;
                    exceeds.write_all(&[limit])
                }
                _ => Ok(()),
            }
        })?;
        let outcome = reader.finish(&mut self.live)?;
        if !outcome.is_known {
            // It was plain text after all.
            io::copy(&mut File::open(&self.path)?, &mut self.live)?;
        }
        Ok(Some(outcome))
    }

    fn each_piece(&mut self, mut take: impl FnMut(&mut Live, &[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut piece = vec![0; PIECE_BYTES];
        let mut last = false;
        loop {
            match self.file.read(&mut piece) {
                Ok(0) if last => return Ok(()),
                Ok(0) => last = self.wait(),
                Ok(n) => take(&mut self.live, piece.get(..n).unwrap_or_default())?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// Waits until the file has grown, or grows no more: then true.
    fn wait(&self) -> bool {
        let mut fds = vec![PollFd::new(&self.stop, PollFlags::IN)];
        fds.extend(self.growth.iter().map(|growth| PollFd::new(growth, PollFlags::IN)));
        if poll(&mut fds, self.growth.is_none().then_some(BLIND)).is_err() {
            return true;
        }
        let stopped = fds.first().is_some_and(|fd| !fd.revents().is_empty());
        if let Some(growth) = &self.growth {
            growth.forget();
        }
        stopped
    }
}
