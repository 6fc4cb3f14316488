//! Where things lie, after the XDG base directory specification.

use crate::exit::Failure;
use anyhow::Context;
use std::env;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::ErrorKind;
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
///
/// Symbolic links on the way are resolved, whether the file exists or not: one database reached by two paths must have
/// one directory of runs beside it, or the runs of the one path look dead by the other.
pub fn state_file(chosen: Option<&Path>) -> anyhow::Result<PathBuf> {
    let file = match chosen.map(Path::to_path_buf).or_else(|| variable(STATE_VARIABLE)) {
        Some(file) => absolute(&file)?,
        None => base("XDG_STATE_HOME", ".local/state", STATE_VARIABLE)?.join("agent-runner/state.db"),
    };
    Ok(without_links(file))
}

/// Resolves the symbolic links of a path as far as it exists. What cannot be resolved stays, for whoever opens it to tell.
fn without_links(path: PathBuf) -> PathBuf {
    match fs::canonicalize(&path) {
        Ok(path) => return path,
        Err(error) if error.kind() != ErrorKind::NotFound => return path,
        Err(_) => {}
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { return path };
    // A link that leads nowhere yet: a loop of links is another error, so this comes to an end.
    match fs::read_link(&path) {
        Ok(target) => without_links(parent.join(target)),
        Err(_) => without_links(parent.to_path_buf()).join(name),
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

/// Opens a file for writing, 0600 where it is new, emptied where it is not. A symbolic link is not followed.
pub fn create_private_file(path: &Path) -> anyhow::Result<File> {
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .custom_flags(libc::O_NOFOLLOW)
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

/// Expands a leading `~/`, which is the shell's work where there is one.
pub fn below_home(path: &Path) -> PathBuf {
    match (path.strip_prefix("~"), home()) {
        (Ok(rest), Some(home)) => home.join(rest),
        _ => path.to_path_buf(),
    }
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn two_paths_to_one_database_are_one_before_and_after_it_exists() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().canonicalize().unwrap();
        fs::create_dir(top.join("real")).unwrap();
        symlink("real", top.join("below")).unwrap();
        symlink("real/state.db", top.join("link.db")).unwrap();
        symlink("link.db", top.join("link-to-link.db")).unwrap();
        symlink("loop.db", top.join("loop.db")).unwrap();
        let real = top.join("real/state.db");
        for _ in 0..2 {
            for path in
                ["real/state.db", "below/state.db", "link.db", "link-to-link.db", "real/../below/state.db"]
            {
                assert_eq!(state_file(Some(&top.join(path))).unwrap(), real, "{path}");
            }
            fs::write(&real, "").unwrap();
        }
        assert_eq!(state_file(Some(&top.join("below/a/b.db"))).unwrap(), top.join("real/a/b.db"));
        assert_eq!(state_file(Some(&top.join("loop.db"))).unwrap(), top.join("loop.db"));
    }

    #[test]
    fn a_private_file_is_never_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (theirs, link) = (dir.path().join("theirs"), dir.path().join("prompt"));
        fs::write(&theirs, "precious").unwrap();
        symlink(&theirs, &link).unwrap();
        assert!(create_private_file(&link).is_err());
        assert_eq!(fs::read_to_string(theirs).unwrap(), "precious");
    }
}
