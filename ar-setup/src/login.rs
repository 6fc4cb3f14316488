//! Whether somebody is logged in to an agent, told without running a model: by variables, by the file that a login leaves
//! behind, and by the program's own word where those say nothing.
//!
//! Of a credential file only the time of its end is looked at, and whether a token to extend it is there. No token is kept or shown.

use crate::known::{Credential, Known};
use ar_core::Stamp;
use serde::Serialize;
use serde_json::Value;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// A login as far as it can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Login {
    /// Whether there is one.
    pub state: State,
    /// What told us.
    pub by: String,
    /// Whose it is, where the program keeps that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// Whether there is a login.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There is one.
    In,
    /// There is none.
    Out,
    /// There was one, and its time is over.
    Expired,
    /// What a login leaves behind cannot be read.
    Damaged,
    /// Nothing tells.
    Unknown,
}

/// What a missing file tells. On macOS agents keep their logins in the keychain, and leave no file.
const WITHOUT_FILE: State = if cfg!(target_os = "macos") { State::Unknown } else { State::Out };

/// Looks for a login. `variable` reads the environment that the program will see.
pub fn of(known: &Known, variable: &impl Fn(&str) -> Option<OsString>, now: Stamp) -> Login {
    let set = |name: &&&str| variable(name).is_some_and(|value| !value.is_empty());
    if let Some(key) = known.keys.iter().find(set) {
        return Login { state: State::In, by: (*key).to_owned(), account: None };
    }
    let Some(credential) = known.credential else {
        return Login { state: State::Unknown, by: "nothing that can be read".to_owned(), account: None };
    };
    let Some(dir) = directory(&credential, variable) else {
        return Login { state: State::Unknown, by: "HOME, which is not set".to_owned(), account: None };
    };
    let file = dir.join(credential.file);
    let by = file.display().to_string();
    match fs::read_to_string(&file) {
        Ok(text) => {
            Login { state: read(&credential, &text, now), by, account: account(&credential, &dir, variable) }
        }
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Login { state: WITHOUT_FILE, by: format!("no {by}"), account: None }
        }
        Err(error) => Login { state: State::Unknown, by: format!("{by}: {error}"), account: None },
    }
}

/// The directory in which a program keeps its login.
pub fn directory(credential: &Credential, variable: &impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set(credential.variable).or_else(|| Some(set("HOME")?.join(credential.default)))
}

fn read(credential: &Credential, text: &str, now: Stamp) -> State {
    let Ok(json) = serde_json::from_str::<Value>(text) else { return State::Damaged };
    if json.as_object().is_none_or(serde_json::Map::is_empty) {
        return State::Out;
    }
    let at = |place: Option<&str>| place.and_then(|place| json.pointer(place));
    // A token that extends the login makes its end one that nobody notices.
    let lasting = at(credential.refresh).and_then(Value::as_str).is_some_and(|token| !token.is_empty());
    match at(credential.expires).and_then(Value::as_f64) {
        #[allow(clippy::cast_precision_loss, reason = "a time in milliseconds fits")]
        Some(end) if !lasting && end < now.0 as f64 => State::Expired,
        _ => State::In,
    }
}

fn account(
    credential: &Credential,
    dir: &Path,
    variable: &impl Fn(&str) -> Option<OsString>,
) -> Option<String> {
    let (file, place) = credential.account?;
    // Claude Code's file lies beside its directory, and inside it once the directory was moved.
    let moved = variable(credential.variable).is_some();
    let beside = dir.parent().filter(|_| !moved).map(|parent| parent.join(file));
    let inside = Some(dir.join(file));
    [inside, beside].into_iter().flatten().find_map(|file| {
        let json: Value = serde_json::from_str(&fs::read_to_string(file).ok()?).ok()?;
        Some(ar_core::exit::one_line(json.pointer(place)?.as_str()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::by_name;

    #[test]
    fn keys_files_and_their_end_tell() {
        let home = tempfile::tempdir().unwrap();
        let now = Stamp::parse("2026-11-20T10:00:00Z").unwrap();
        let file = home.path().join(".claude/.credentials.json");
        fs::create_dir(home.path().join(".claude")).unwrap();
        let state = |known: &str, key: Option<&str>| {
            let variable = |name: &str| {
                if name == "HOME" {
                    return Some(home.path().into());
                }
                key.filter(|key| *key == name).map(|_| "secret".into())
            };
            of(by_name(known).unwrap(), &variable, now)
        };
        assert_eq!(state("claude", None).state, State::Out);
        assert_eq!(state("claude", Some("ANTHROPIC_API_KEY")).by, "ANTHROPIC_API_KEY");
        assert_eq!(state("copilot", None).state, State::Unknown);
        let (past, future) = (now.0 - 1, now.0 + 1);
        for (text, expected) in [
            (format!(r#"{{"claudeAiOauth":{{"expiresAt":{past},"refreshToken":"r"}}}}"#), State::In),
            (format!(r#"{{"claudeAiOauth":{{"expiresAt":{past}}}}}"#), State::Expired),
            (format!(r#"{{"claudeAiOauth":{{"expiresAt":{future}}}}}"#), State::In),
            ("{}".to_owned(), State::Out),
            ("garbage".to_owned(), State::Damaged),
        ] {
            fs::write(&file, &text).unwrap();
            assert_eq!(state("claude", None).state, expected, "{text}");
        }
        fs::write(home.path().join(".claude.json"), r#"{"oauthAccount":{"emailAddress":"me@x"}}"#).unwrap();
        assert_eq!(state("claude", None).account.as_deref(), Some("me@x"));
        assert_eq!(state("claude", Some("CLAUDE_CONFIG_DIR")).account, None);
    }
}
