//! Where things lie, after the XDG base directory specification.

use crate::exit::Failure;
use anyhow::Context;
use std::env;
use std::fs::{DirBuilder, File, OpenOptions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// The variable that names the configuration directory.
pub const CONFIG_VARIABLE: &str = "AGENT_RUNNER_CONFIG";
/// The variable that names the state database's file.
pub const STATE_VARIABLE: &str = "AGENT_RUNNER_STATE";

/// The configuration directory: `chosen`, [`CONFIG_VARIABLE`], or `agent-runner` under `XDG_CONFIG_HOME`.
pub fn config_dir(chosen: Option<&Path>) -> anyhow::Result<PathBuf> {
    match chosen.map(Path::to_path_buf).or_else(|| variable(CONFIG_VARIABLE)) {
        Some(dir) => absolute(&dir),
        None => Ok(base("XDG_CONFIG_HOME", ".config", CONFIG_VARIABLE)?.join("agent-runner")),
    }
}

/// The state database: `chosen`, [`STATE_VARIABLE`], or `agent-runner/state.db` under `XDG_STATE_HOME`.
pub fn state_file(chosen: Option<&Path>) -> anyhow::Result<PathBuf> {
    match chosen.map(Path::to_path_buf).or_else(|| variable(STATE_VARIABLE)) {
        Some(file) => absolute(&file),
        None => Ok(base("XDG_STATE_HOME", ".local/state", STATE_VARIABLE)?.join("agent-runner/state.db")),
    }
}

/// The directory of a run: `runs/RUN` beside the state database.
pub fn run_dir(state_file: &Path, run: &str) -> PathBuf {
    state_file.with_file_name("runs").join(run)
}

/// The directory of what can be made anew: `agent-runner` under `XDG_CACHE_HOME`. None where there is no home either.
pub fn cache_dir() -> Option<PathBuf> {
    let dir = variable("XDG_CACHE_HOME").filter(|dir| dir.is_absolute());
    Some(dir.or_else(|| Some(home()?.join(".cache")))?.join("agent-runner"))
}

/// Creates a directory and its missing parents, all of them 0700. One that is there stays as it is.
pub fn create_private_dir(dir: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .with_context(|| format!("cannot create the directory '{}'", dir.display()))
}

/// Opens a file for writing, 0600 where it is new, emptied where it is not.
pub fn create_private_file(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot write '{}'", path.display()))
}

/// The user's home directory. The password file is not asked: what runs without HOME was told to.
pub fn home() -> Option<PathBuf> {
    variable("HOME")
}

fn variable(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// A base directory. The specification has relative paths in its variables ignored.
fn base(name: &str, below_home: &str, ours: &str) -> anyhow::Result<PathBuf> {
    if let Some(dir) = variable(name).filter(|dir| dir.is_absolute()) {
        return Ok(dir);
    }
    let home = home().ok_or_else(|| {
        Failure::trouble(format!("neither HOME nor {name} is set"))
            .hint(format!("set HOME, {name} or {ours}"))
    })?;
    absolute(&home.join(below_home))
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot make '{}' an absolute path", path.display()))
}
