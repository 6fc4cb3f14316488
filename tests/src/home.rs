//! A user of the test's own.

use crate::run::Run;
use crate::tools_dir;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// A home directory with configuration, state and commands that no other test sees. It is removed at the end.
#[derive(Debug)]
pub struct Home {
    dir: TempDir,
}

impl Home {
    /// Makes a user who has configured nothing.
    #[allow(clippy::new_without_default, reason = "making a directory is no default value")]
    pub fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("ar-test-").tempdir().unwrap();
        for below in ["bin", "tmp", "work"] {
            fs::create_dir(dir.path().join(below)).unwrap();
        }
        Self { dir }
    }

    /// The path of a file below the home directory; `""` is the home directory itself.
    pub fn path(&self, file: &str) -> PathBuf {
        if file.is_empty() { self.dir.path().to_path_buf() } else { self.dir.path().join(file) }
    }

    /// The state database.
    pub fn state(&self) -> PathBuf {
        self.path(".local/state/agent-runner/state.db")
    }

    /// Writes a file below the home directory, with the directories above it.
    pub fn write(&self, file: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Puts a command on PATH: a shell script of this body.
    pub fn command(&self, name: &str, body: &str) -> PathBuf {
        let path = self.path("bin").join(name);
        // A process of its own writes it. Were it open for writing here, a child forked by another test at this moment would
        // hold it open too, and running it would fail with "text file busy".
        let mut writer = Command::new("/bin/sh")
            .args(["-c", "cat >\"$0\" && chmod 755 \"$0\""])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        writer.stdin.take().unwrap().write_all(format!("#!/bin/sh\n{body}\n").as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
        path
    }

    /// Writes `models/NAME.toml`.
    pub fn model(&self, name: &str, toml: &str) -> PathBuf {
        self.write(&format!(".config/agent-runner/models/{name}.toml"), toml)
    }

    /// Writes a model that is a pool of these commands, all in one tier, the prompt on standard input.
    pub fn pool(&self, name: &str, commands: &[&str]) -> PathBuf {
        let mut toml = String::new();
        for command in commands {
            write!(toml, "[[providers]]\ncommand = \"{command}\"\n\n").unwrap();
        }
        self.model(name, &toml)
    }

    /// Writes `agents/NAME.md`.
    pub fn agent(&self, name: &str, text: &str) -> PathBuf {
        self.write(&format!(".config/agent-runner/agents/{name}.md"), text)
    }

    /// Prepares a run of our `ar`.
    pub fn ar(&self, args: &[&str]) -> Run {
        self.tool("ar", args)
    }

    /// Prepares a run of one of the tools.
    pub fn tool(&self, name: &str, args: &[&str]) -> Run {
        self.program(&tools_dir().join(name), args)
    }

    /// Prepares a run of a shell script; the tools and this user's commands are on its PATH.
    pub fn sh(&self, script: &str) -> Run {
        self.program(Path::new("/bin/sh"), &["-c", script])
    }

    /// Prepares a run of any program: in the directory `work`, with nothing in its environment but HOME, TMPDIR, TZ and a PATH
    /// of this user's commands, our tools and the system's.
    pub fn program(&self, program: &Path, args: &[impl AsRef<OsStr>]) -> Run {
        let mut command = Command::new(program);
        command.args(args).env_clear().current_dir(self.path("work"));
        let path = format!("{}:{}:/usr/bin:/bin", self.path("bin").display(), tools_dir().display());
        command.env("PATH", path).env("HOME", self.path("")).env("TMPDIR", self.path("tmp")).env("TZ", "UTC");
        Run::new(command, self.path(""))
    }

    /// Asks the state database; columns are joined with `|`, NULL is empty.
    pub fn query(&self, sql: &str) -> Vec<String> {
        let db = Connection::open_with_flags(self.state(), OpenFlags::SQLITE_OPEN_READ_WRITE).unwrap();
        let mut statement = db.prepare(sql).unwrap();
        let columns = statement.column_count();
        let mut rows = statement.query([]).unwrap();
        let mut lines = Vec::new();
        while let Some(row) = rows.next().unwrap() {
            let fields: Vec<String> = (0..columns).map(|i| text(row.get_ref(i).unwrap())).collect();
            lines.push(fields.join("|"));
        }
        lines
    }

    /// The processes of this user that are alive, as `PID COMMAND LINE`: whoever has this home directory in the environment.
    pub fn processes(&self) -> Vec<String> {
        let home = format!("HOME={}", self.path("").display());
        let mut alive = Vec::new();
        for entry in fs::read_dir("/proc").unwrap() {
            let dir = entry.unwrap().path();
            // A process may end while it is looked at; its files are then gone or empty.
            let Ok(environ) = fs::read(dir.join("environ")) else { continue };
            if environ.split(|byte| *byte == 0).any(|variable| variable == home.as_bytes()) {
                let words = fs::read(dir.join("cmdline")).unwrap_or_else(|_| b"gone".to_vec());
                let words = String::from_utf8_lossy(&words).replace('\0', " ");
                alive.push(format!("{} {}", dir.file_name().unwrap().display(), words.trim_end()));
            }
        }
        alive
    }
}

fn text(value: ValueRef) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => String::from_utf8_lossy(bytes).into_owned(),
    }
}
