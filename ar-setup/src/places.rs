//! Where agents are: on PATH, and where the usual installers put them.

use crate::known::{KNOWN, Known};
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// An executable that is a known agent, or leads to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What to call it: the command's own name.
    pub name: String,
    /// The agent.
    pub known: &'static str,
    /// The executable.
    pub path: PathBuf,
    /// Whether a search along PATH finds it.
    pub on_path: bool,
    /// Variables that a wrapper or an alias sets first.
    pub env: Vec<(String, String)>,
    /// What kind of a way it is.
    pub kind: Kind,
    /// Optional options of the template that its help does not name, where it was asked.
    pub lacks: Vec<String>,
}

impl Place {
    /// An agent of a known place.
    pub fn program(known: &'static str, path: PathBuf) -> Self {
        Self {
            name: known.to_owned(),
            known,
            path,
            on_path: false,
            env: Vec::new(),
            kind: Kind::Program,
            lacks: Vec::new(),
        }
    }

    /// What to write as a provider's command: the name where a search along PATH finds this very file, else the whole path.
    pub fn command(&self) -> String {
        let name = if self.kind == Kind::Alias { self.known } else { &self.name };
        if self.on_path { name.to_owned() } else { self.path.display().to_string() }
    }
}

/// How an executable leads to an agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// It is the agent.
    Program,
    /// It is a script that calls the agent.
    Wrapper,
    /// It is an alias in a shell's start-up file.
    Alias,
}

/// Every agent that can be found, in the order of the table, then wrappers and aliases by name.
pub fn all() -> Vec<Place> {
    let path = search_path();
    let mut dirs = path.clone();
    dirs.extend(usual().into_iter().filter(|dir| !path.contains(dir)));
    let programs = KNOWN.iter().filter_map(|known| program(known, &dirs, &path));
    let mut places: Vec<Place> = programs.collect();
    let mut others = wrappers(&path);
    others.extend(aliases(&places));
    others.sort_by(|a, b| a.name.cmp(&b.name));
    others.dedup_by(|a, b| a.name == b.name);
    others.retain(|other| places.iter().all(|place| place.name != other.name));
    places.extend(others);
    places
}

/// The directories of PATH.
pub fn search_path() -> Vec<PathBuf> {
    env::var_os("PATH").map(|path| env::split_paths(&path).collect()).unwrap_or_default()
}

/// The directory of our own executable.
pub fn own_dir() -> Option<PathBuf> {
    env::current_exe().ok()?.parent().map(Path::to_path_buf)
}

/// Our own `ar`, where it lies beside us.
pub fn own_ar() -> Option<PathBuf> {
    own_dir().map(|dir| dir.join("ar")).filter(|ar| ar.is_file())
}

/// Whether a file can be executed.
pub fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

/// Where npm, pnpm, bun, pipx, cargo, Homebrew, Volta, nvm and the agents' own installers put programs.
fn usual() -> Vec<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let mut dirs: Vec<PathBuf> =
        [("NPM_CONFIG_PREFIX", "bin"), ("BUN_INSTALL", "bin"), ("CARGO_HOME", "bin")]
            .iter()
            .filter_map(|(name, below)| Some(variable(name)?.join(below)))
            .chain(variable("PNPM_HOME"))
            .collect();
    if let Some(home) = ar_core::paths::home() {
        dirs.extend(npm_prefix(&home).map(|prefix| prefix.join("bin")));
        let below = [
            ".local/bin",
            "bin",
            ".npm-global/bin",
            ".npm/bin",
            ".local/share/pnpm",
            ".bun/bin",
            ".cargo/bin",
            ".volta/bin",
            ".claude/local",
            ".opencode/bin",
            ".local/share/mise/shims",
            ".asdf/shims",
        ];
        dirs.extend(below.iter().map(|below| home.join(below)));
        let versions = fs::read_dir(home.join(".nvm/versions/node")).into_iter().flatten().flatten();
        dirs.extend(versions.map(|version| version.path().join("bin")));
    }
    let fixed =
        ["/usr/local/bin", "/usr/bin", "/opt/homebrew/bin", "/home/linuxbrew/.linuxbrew/bin", "/snap/bin"];
    dirs.extend(fixed.iter().map(PathBuf::from));
    dirs
}

/// The prefix that `~/.npmrc` gives npm.
fn npm_prefix(home: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(home.join(".npmrc")).ok()?;
    let value = text.lines().find_map(|line| line.trim().strip_prefix("prefix")?.trim().strip_prefix('='))?;
    Some(expand(value.trim().trim_matches('"'), home))
}

fn expand(text: &str, home: &Path) -> PathBuf {
    let text = text.replace("${HOME}", "~").replace("$HOME", "~");
    match text.strip_prefix("~/") {
        Some(below) => home.join(below),
        None if text == "~" => home.to_owned(),
        None => PathBuf::from(text),
    }
}

fn program(known: &Known, dirs: &[PathBuf], path: &[PathBuf]) -> Option<Place> {
    let dir = dirs.iter().find(|dir| is_executable(&dir.join(known.name)))?;
    Some(Place {
        name: known.name.to_owned(),
        known: known.name,
        path: dir.join(known.name),
        on_path: path.contains(dir),
        env: Vec::new(),
        kind: Kind::Program,
        lacks: Vec::new(),
    })
}

/// Scripts on PATH whose name starts with an agent's and that call it: `claude2`, `codex-work`.
fn wrappers(path: &[PathBuf]) -> Vec<Place> {
    let entries = path.iter().filter_map(|dir| fs::read_dir(dir).ok()).flatten().flatten();
    entries.filter_map(|entry| wrapper(&entry.file_name(), &entry.path())).collect()
}

fn wrapper(name: &OsString, path: &Path) -> Option<Place> {
    let name = name.to_str().filter(|name| ar_core::config::is_name(name))?;
    let known =
        KNOWN.iter().find(|known| name.strip_prefix(known.name).is_some_and(|rest| !rest.is_empty()))?;
    if !is_executable(path) || path.metadata().ok()?.len() > 16 * 1024 {
        return None;
    }
    let script = fs::read_to_string(path).ok().filter(|text| text.starts_with("#!"))?;
    let calls = script.lines().skip(1).filter(|line| !line.trim_start().starts_with('#')).any(|line| {
        line.split(|c: char| c.is_whitespace() || "\"';&|()".contains(c))
            .any(|word| word.rsplit('/').next() == Some(known.name))
    });
    let env = script.split_whitespace().filter_map(assignment).filter(|(name, _)| moves_login(known, name));
    calls.then(|| Place {
        name: name.to_owned(),
        known: known.name,
        path: path.to_owned(),
        on_path: true,
        env: env.collect(),
        kind: Kind::Wrapper,
        lacks: Vec::new(),
    })
}

fn moves_login(known: &Known, variable: &str) -> bool {
    known.credential.is_some_and(|credential| credential.variable == variable)
}

/// A word of the form `NAME=value`, the value without quotes and with the home directory put in.
fn assignment(word: &str) -> Option<(String, String)> {
    let (name, value) = word.split_once('=')?;
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    let value = value.trim_matches(|c| "\"';".contains(c));
    let home = ar_core::paths::home()?;
    Some((name.to_owned(), expand(value, &home).display().to_string()))
}

/// Aliases in the shells' start-up files that set variables and call an agent.
fn aliases(places: &[Place]) -> Vec<Place> {
    let Some(home) = ar_core::paths::home() else { return Vec::new() };
    let files =
        [".bashrc", ".bash_aliases", ".bash_profile", ".profile", ".zshrc", ".config/fish/config.fish"];
    let texts = files.iter().filter_map(|file| fs::read_to_string(home.join(file)).ok());
    texts.flat_map(|text| text.lines().filter_map(|line| alias(line, places)).collect::<Vec<_>>()).collect()
}

fn alias(line: &str, places: &[Place]) -> Option<Place> {
    let rest = line.trim().strip_prefix("alias ")?;
    // fish parts name and text by a space, the others by '='.
    let (name, text) =
        rest.trim().split_once(['=', ' ']).filter(|(name, _)| ar_core::config::is_name(name))?;
    let mut env = Vec::new();
    for word in text.split_whitespace().map(|word| word.trim_matches(['"', '\''])) {
        if word == "env" {
            continue;
        }
        let Some(variable) = assignment(word) else {
            let place = places.iter().find(|place| place.name == word)?;
            return Some(Place { name: name.to_owned(), env, kind: Kind::Alias, ..place.clone() });
        };
        env.push(variable);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claude() -> Place {
        Place {
            name: "claude".to_owned(),
            known: "claude",
            path: "/bin/claude".into(),
            on_path: true,
            env: Vec::new(),
            kind: Kind::Program,
            lacks: Vec::new(),
        }
    }

    #[test]
    fn aliases_are_read_as_the_shells_write_them() {
        for line in [
            "alias claude2='CLAUDE_CONFIG_DIR=/x/y claude'",
            "  alias claude2=\"CLAUDE_CONFIG_DIR=/x/y claude --verbose\"",
            "alias claude2 'env CLAUDE_CONFIG_DIR=/x/y claude'",
        ] {
            let found = alias(line, &[claude()]).unwrap();
            assert_eq!((found.name.as_str(), found.kind), ("claude2", Kind::Alias), "{line}");
            assert_eq!(found.env, [("CLAUDE_CONFIG_DIR".to_owned(), "/x/y".to_owned())], "{line}");
        }
        for line in ["alias ll='ls -l'", "# alias c=claude", "alias", "alias x="] {
            assert_eq!(alias(line, &[claude()]), None, "{line}");
        }
    }

    #[test]
    fn a_wrapper_is_a_script_that_calls_the_agent() {
        let dir = tempfile::tempdir().unwrap();
        for (name, script, found) in [
            ("claude2", "#!/bin/sh\nexport CLAUDE_CONFIG_DIR=\"/x\"\nexec claude \"$@\"\n", true),
            ("claude-work", "#!/bin/sh\nCLAUDE_CONFIG_DIR=/x exec /opt/bin/claude \"$@\"\n", true),
            ("claude-tools", "#!/bin/sh\n# claude is not called\necho hi\n", false),
            ("claudette", "binary", false),
        ] {
            let path = dir.path().join(name);
            fs::write(&path, script).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            let place = wrapper(&name.into(), &path);
            assert_eq!(place.is_some(), found, "{name}");
            if let Some(place) = place {
                assert_eq!(place.env, [("CLAUDE_CONFIG_DIR".to_owned(), "/x".to_owned())], "{name}");
            }
        }
    }
}
