//! What people change when they mend a provider: its login, its program, its model file. A change ends a cooldown early.

use crate::config::{Model, Provider};
use crate::paths;
use anyhow::Context;
use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the login of an agent lies: the variable that moves the directory, the directory below home without it, and the
/// file below the directory.
const LOGINS: &[(&str, &str, &str, &str)] = &[
    ("claude", "CLAUDE_CONFIG_DIR", ".claude", ".credentials.json"),
    ("codex", "CODEX_HOME", ".codex", "auth.json"),
    ("gemini", "GEMINI_CLI_HOME", "", ".gemini/oauth_creds.json"),
    ("llm", "LLM_USER_PATH", LLM, "keys.json"),
    ("opencode", "XDG_DATA_HOME", ".local/share", "opencode/auth.json"),
    ("qwen", "QWEN_HOME", ".qwen", "oauth_creds.json"),
];

/// Where llm keeps its own files, below home.
pub const LLM: &str = if cfg!(target_os = "macos") {
    "Library/Application Support/io.datasette.llm"
} else {
    ".config/io.datasette.llm"
};

/// A file's state: seconds and nanoseconds of its last change, inode and size; none where there is no file.
type Look = Option<(i64, i64, u64, u64)>;

/// What to watch for a provider: paths, and names of commands on PATH.
///
/// What the template lists; else the command, the environment file, the model's own file and, where the agent is known,
/// its login. Names that are not UTF-8 are not watched.
pub fn of_provider(model: &Model, provider: &Provider) -> Vec<String> {
    if let Some(watch) = &provider.watch {
        return watch.iter().filter_map(|entry| at_home(entry)).collect();
    }
    let files = [provider.env_file.as_deref(), Some(&*model.file)];
    at_home(&provider.command)
        .into_iter()
        .chain(files.into_iter().flatten().filter_map(|file| at_home(file.to_str()?)))
        .chain(login(provider).and_then(|file| Some(file.to_str()?.to_owned())))
        .collect()
}

/// How all of that looks now, for [`changed`] to compare.
pub fn look(watched: &[String]) -> anyhow::Result<String> {
    let looks: BTreeMap<&str, Look> = watched.iter().map(|entry| (entry.as_str(), seen(entry))).collect();
    serde_json::to_string(&looks).context("cannot write down the watched files")
}

/// Whether anything looks different than it did then.
pub fn changed(then: &str) -> anyhow::Result<bool> {
    let looks: BTreeMap<String, Look> =
        serde_json::from_str(then).context("the list of watched files in the state database is damaged")?;
    Ok(looks.iter().any(|(entry, look)| seen(entry) != *look))
}

fn seen(entry: &str) -> Look {
    let meta = if entry.contains('/') { fs::metadata(entry).ok() } else { on_path(entry) }?;
    Some((meta.mtime(), meta.mtime_nsec(), meta.ino(), meta.size()))
}

fn on_path(command: &str) -> Option<fs::Metadata> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).filter_map(|dir| fs::metadata(dir.join(command)).ok()).find(fs::Metadata::is_file)
}

/// A path with `~` replaced. One that is relative to where a run happens to start is none to watch.
fn at_home(entry: &str) -> Option<String> {
    match entry.strip_prefix("~/") {
        Some(rest) => Some(paths::home()?.join(rest).to_str()?.to_owned()),
        None if entry.contains('/') && !entry.starts_with('/') => None,
        None => Some(entry.to_owned()),
    }
}

fn login(provider: &Provider) -> Option<PathBuf> {
    let agent = Path::new(&provider.command).file_name()?;
    let (_, variable, below_home, file) = LOGINS.iter().find(|(name, ..)| agent == *name)?;
    let dir = match provider.env.get(*variable) {
        Some(dir) => expanded(dir)?,
        None => match env::var_os(variable).filter(|dir| !dir.is_empty()) {
            Some(dir) => PathBuf::from(dir),
            None => paths::home()?.join(below_home),
        },
    };
    Some(dir.join(file))
}

/// A value of a template: a leading `~/` or `${NAME}` is replaced; one that needs more is given up.
fn expanded(value: &str) -> Option<PathBuf> {
    let Some((name, rest)) = value.strip_prefix("${").and_then(|value| value.split_once('}')) else {
        return Some(PathBuf::from(at_home(value)?));
    };
    Some(PathBuf::from(env::var_os(name)?).join(rest.trim_start_matches('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_of_any_watched_file_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("auth.json");
        let watched = [file.to_str().unwrap().to_owned(), "no-such-command-anywhere".to_owned()];
        let then = look(&watched).unwrap();
        assert!(!changed(&then).unwrap());
        fs::write(&file, "1").unwrap();
        assert!(changed(&then).unwrap());
        let then = look(&watched).unwrap();
        // Another file of the same size and time is another file.
        fs::write(dir.path().join("new"), "2").unwrap();
        fs::rename(dir.path().join("new"), &file).unwrap();
        assert!(changed(&then).unwrap());
        assert!(changed("[]").is_err());
    }

    #[test]
    fn a_template_says_what_to_watch_or_it_is_known() {
        let watched = |toml: &str| {
            let model = Model::parse("m", PathBuf::from("/c/m.toml"), toml).unwrap();
            of_provider(&model, &model.providers[0])
        };
        assert_eq!(watched("command = 'x'\nwatch = ['/a', 'rel/b', 'y']\n"), ["/a", "y"]);
        assert_eq!(watched("command = '/opt/x'\n"), ["/opt/x", "/c/m.toml"]);
        assert_eq!(
            watched("command = 'codex'\nenv_file = '/k'\nenv = { CODEX_HOME = '/h' }\n"),
            ["codex", "/k", "/c/m.toml", "/h/auth.json"]
        );
        assert_eq!(watched("command = 'x'\nwatch = []\n"), [""; 0]);
    }
}
