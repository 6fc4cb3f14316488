//! One run of a program, with everything that is expected of it.

use crate::expect;
use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output};
use std::time::Duration;

/// A run that is not meant to end by itself fails its test after this time.
const PATIENCE: Duration = Duration::from_mins(2);

/// A prepared run. Nothing happens before [`Run::check`] or [`Run::spawn`].
#[derive(Debug)]
#[must_use = "nothing runs before check() or spawn()"]
pub struct Run {
    command: Command,
    home: PathBuf,
    stdin: Vec<u8>,
    status: Option<i32>,
    stdout: Option<Vec<u8>>,
    stderr: Option<Vec<u8>>,
}

impl Run {
    pub(crate) fn new(command: Command, home: PathBuf) -> Self {
        let nothing = Some(Vec::new());
        Self { command, home, stdin: Vec::new(), status: Some(0), stdout: nothing.clone(), stderr: nothing }
    }

    /// Adds an argument.
    pub fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(mut self, name: &str) -> Self {
        self.command.env_remove(name);
        self
    }

    /// Runs in this directory.
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Self {
        self.command.current_dir(dir.into());
        self
    }

    /// Feeds this to standard input, which is empty otherwise.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = bytes.into();
        self
    }

    /// Expects this exit status; 128+n for death by signal n.
    pub fn status(mut self, status: i32) -> Self {
        self.status = Some(status);
        self
    }

    /// Expects this on standard output. `[..]` stands for anything within a line, `[HOME]` for the home directory.
    pub fn stdout(mut self, text: impl AsRef<[u8]>) -> Self {
        self.stdout = Some(text.as_ref().to_vec());
        self
    }

    /// Expects this on standard error, with the same wildcards.
    pub fn stderr(mut self, text: impl AsRef<[u8]>) -> Self {
        self.stderr = Some(text.as_ref().to_vec());
        self
    }

    /// Takes any exit status.
    pub fn any_status(mut self) -> Self {
        self.status = None;
        self
    }

    /// Takes anything on standard output.
    pub fn any_stdout(mut self) -> Self {
        self.stdout = None;
        self
    }

    /// Takes anything on standard error.
    pub fn any_stderr(mut self) -> Self {
        self.stderr = None;
        self
    }

    /// Runs to the end and fails the test unless all is as expected. Returns what was printed.
    pub fn check(self) -> Output {
        let words = format!("{:?}", self.command.get_args().collect::<Vec<_>>());
        let name = format!("{} {words}", self.command.get_program().display());
        let mut command = assert_cmd::Command::from_std(self.command);
        let output = command.write_stdin(self.stdin).timeout(PATIENCE).output();
        let output = output.unwrap_or_else(|error| panic!("cannot run {name}: {error}"));
        let status = output.status.code().or_else(|| output.status.signal().map(|n| 128 + n));
        let mut faults = Vec::new();
        if self.status.is_some() && status != self.status {
            faults.push(format!("it exits with {status:?}, not {:?}", self.status));
        }
        for (stream, expected, actual) in
            [("output", &self.stdout, &output.stdout), ("error", &self.stderr, &output.stderr)]
        {
            if let Some(expected) = expected {
                faults.extend(expect::fault(stream, expected, actual, &self.home));
            }
        }
        assert!(
            faults.is_empty(),
            "{name}\n{}\n--- its standard output\n{}\n--- its standard error\n{}",
            faults.join("\n"),
            expect::show(&output.stdout),
            expect::show(&output.stderr)
        );
        output
    }

    /// Starts the run and leaves the rest to the test. The streams are the test's own unless `prepare` sets them.
    pub fn spawn(mut self, prepare: impl FnOnce(&mut Command)) -> Child {
        prepare(&mut self.command);
        self.command.spawn().unwrap()
    }
}
