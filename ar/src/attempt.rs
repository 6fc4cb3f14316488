//! One attempt: the pipeline `ar-pick | ar-exec | ar-diagnose | ar-log`, spawned literally and all at once.
//!
//! Two of its pipes pass through us, so that we see who was picked and what became of it.

use crate::dispatch::tool;
use crate::signals::Signals;
use crate::wait::Deadline;
use anyhow::{Context, Result, bail};
use ar_core::{Failure, Record, exit, pipe, processes};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, kill_process};
use std::ffi::OsString;
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};

/// The arguments of the four tools.
pub struct Arguments {
    pub pick: Vec<OsString>,
    pub exec: Vec<OsString>,
    pub diagnose: Vec<OsString>,
    pub log: Vec<OsString>,
}

/// The running pipeline.
pub struct Attempt {
    pick: Child,
    exec: Child,
    diagnose: Child,
    log: Child,
    from_pick: BufReader<ChildStdout>,
    to_exec: Option<ChildStdin>,
    from_diagnose: Option<BufReader<ChildStdout>>,
    to_log: Option<ChildStdin>,
    run: Option<String>,
}

impl Attempt {
    /// Starts all four tools side by side; each waits for its record.
    pub fn start(arguments: &Arguments, answer: Stdio) -> Result<Self> {
        let mut pick = spawn("pick", &arguments.pick, Stdio::null(), Stdio::piped())?;
        let mut exec = spawn("exec", &arguments.exec, Stdio::piped(), Stdio::piped())?;
        let from_exec = exec.stdout.take().context("ar-exec has no standard output")?;
        let mut diagnose = spawn("diagnose", &arguments.diagnose, from_exec.into(), Stdio::piped())?;
        let mut log = spawn("log", &arguments.log, Stdio::piped(), answer)?;
        Ok(Self {
            from_pick: BufReader::new(pick.stdout.take().context("ar-pick has no standard output")?),
            to_exec: exec.stdin.take(),
            from_diagnose: diagnose.stdout.take().map(BufReader::new),
            to_log: log.stdin.take(),
            pick,
            exec,
            diagnose,
            log,
            run: None,
        })
    }

    /// Waits for the pick, which may wait for its turn, and hands it to ar-exec. None where a signal or the deadline ended
    /// that.
    pub fn picked(&mut self, signals: &mut Signals, deadline: &Deadline) -> Result<Option<Record>> {
        if self.await_pick(signals, deadline)? {
            self.abandon()?;
            return Ok(None);
        }
        let Some(record) = next(&mut self.from_pick)? else {
            self.reap()?;
            bail!("ar-pick printed no record");
        };
        self.run = Some(record.run().to_owned());
        if let Some(mut to_exec) = self.to_exec.take() {
            hand_on(&record, &mut to_exec, "ar-exec")?;
        }
        Ok(Some(record))
    }

    /// Whether a signal or the deadline came before the pick.
    fn await_pick(&self, signals: &mut Signals, deadline: &Deadline) -> Result<bool> {
        loop {
            let mut fds =
                [PollFd::new(self.from_pick.get_ref(), PollFlags::IN), PollFd::new(&*signals, PollFlags::IN)];
            let left = deadline.left().map(Timespec::try_from).transpose();
            match poll(&mut fds, left.context("cannot wait for so long")?.as_ref()) {
                Err(rustix::io::Errno::INTR) => continue,
                Ok(0) => return Ok(true),
                polled => polled.context("cannot wait for the pick")?,
            };
            let [picked, signalled] = fds.map(|fd| !fd.revents().is_empty());
            if picked {
                // A signal that came as well is not acknowledged: it ends the run that begins now.
                return Ok(false);
            }
            if signalled {
                signals.acknowledge()?;
                if signals.arrived().is_some() {
                    return Ok(true);
                }
            }
        }
    }

    /// Waits for the diagnosis. Signals go on to ar-exec, which ends the run, and so does the deadline. Where ar-log goes
    /// away, nobody could store the run: closing our end of the pipe ends it, too.
    pub fn diagnosed(&mut self, signals: &mut Signals, deadline: &Deadline) -> Result<Record> {
        let mut left = deadline.left();
        let (Some(from), Some(to_log)) = (self.from_diagnose.as_mut(), self.to_log.as_ref()) else {
            bail!("the attempt is over");
        };
        loop {
            let mut fds =
                vec![PollFd::new(from.get_ref(), PollFlags::IN), PollFd::new(&*signals, PollFlags::IN)];
            fds.extend(pipe::reader(to_log));
            match poll(
                &mut fds,
                left.map(Timespec::try_from).transpose().context("cannot wait for so long")?.as_ref(),
            ) {
                Err(rustix::io::Errno::INTR) => {
                    left = left.and_then(|_| deadline.left());
                    continue;
                }
                Ok(0) => {
                    forward(&self.exec, Signal::TERM);
                    // The run ends now; there is nothing more to wait for but that.
                    left = None;
                    continue;
                }
                polled => polled.context("cannot wait for the run")?,
            };
            let came = |at: usize| fds.get(at).is_some_and(|fd| !fd.revents().is_empty());
            let [diagnosed, signalled, logless] = [0, 1, 2].map(came);
            if signalled {
                signals.acknowledge()?;
                if let Some(signal) = signals.arrived() {
                    forward(&self.exec, signal);
                }
                left = left.and_then(|_| deadline.left());
            }
            if logless {
                self.reap()?;
                bail!("ar-log ended before the run did");
            }
            if diagnosed {
                let Some(record) = next(from)? else {
                    self.reap()?;
                    bail!("ar-diagnose printed no record");
                };
                return Ok(record);
            }
        }
    }

    /// Hands the record to ar-log, and gives its exit status: that of the call, if this attempt is the last.
    pub fn store(mut self, record: &Record) -> Result<u8> {
        if let Some(mut to_log) = self.to_log.take() {
            hand_on(record, &mut to_log, "ar-log")?;
        }
        let code = self.reap()?.code().and_then(|code| u8::try_from(code).ok());
        code.context("ar-log has no exit status")
    }

    /// Ends the attempt without storing anything.
    pub fn discard(mut self) -> Result<()> {
        self.reap().map(|_| ())
    }

    /// Ends all tools before anything has begun. A run that ar-pick reserves at this very moment is one that nobody starts.
    fn abandon(&mut self) -> Result<()> {
        // From the last to the first, for the end of one is the end of input for the next, which would complain.
        for child in [&mut self.log, &mut self.diagnose, &mut self.exec, &mut self.pick] {
            forward(child, Signal::KILL);
            child.wait().context("cannot wait for a tool")?;
        }
        Ok(())
    }

    /// Closes all pipes, which ends whoever still waits for one, and waits for all tools. Gives the status of ar-log; a tool
    /// that was killed is an error.
    fn reap(&mut self) -> Result<ExitStatus> {
        (self.to_exec, self.from_diagnose, self.to_log) = (None, None, None);
        let wait = |child: &mut Child| child.wait().context("cannot wait for a tool");
        let exec = wait(&mut self.exec)?;
        if let Some(run) = self.run.as_deref().filter(|_| exec.signal().is_some()) {
            // An ar-exec that was killed could not end its run. Where processes cannot be listed, nobody can.
            let _ = processes::kill_remains(run);
        }
        let (pick, diagnose, log) = (wait(&mut self.pick)?, wait(&mut self.diagnose)?, wait(&mut self.log)?);
        for (tool, status) in
            [("ar-pick", pick), ("ar-exec", exec), ("ar-diagnose", diagnose), ("ar-log", log)]
        {
            if let Some(signal) = status.signal() {
                bail!("{tool} was ended by signal {signal}");
            }
        }
        Ok(log)
    }
}

fn spawn(verb: &str, arguments: &[OsString], stdin: Stdio, stdout: Stdio) -> Result<Child> {
    let program = tool(verb);
    Command::new(&program).args(arguments).stdin(stdin).stdout(stdout).spawn().map_err(|error| {
        let failure = Failure::new(exit::WRAPPER, format!("cannot start '{}': {error}", program.display()));
        failure.hint("the tools belong beside the program 'ar', or on PATH").into()
    })
}

/// The next record, none where the tool ended without one.
fn next(from: &mut impl BufRead) -> Result<Option<Record>> {
    let mut line = String::new();
    from.read_line(&mut line).context("cannot read a record")?;
    if line.is_empty() { Ok(None) } else { Record::parse(line.trim_end()).map(Some) }
}

fn hand_on(record: &Record, to: &mut ChildStdin, tool: &str) -> Result<()> {
    let mut line = record.to_line()?;
    line.push('\n');
    match to.write_all(line.as_bytes()) {
        // Whoever does not read ends early, and says itself why.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written.with_context(|| format!("cannot hand the record to {tool}")),
    }
}

fn forward(child: &Child, signal: Signal) {
    let Some(pid) = i32::try_from(child.id()).ok().and_then(Pid::from_raw) else { return };
    // It may be over already, and then there is nothing to end. It is not reaped yet, so the pid is still its own.
    let _ = kill_process(pid, signal);
}
