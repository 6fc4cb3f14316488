//! What an agent says of itself: its version, the options in its help, the models it offers.

use crate::cache::Said;
use crate::known::Known;
use crate::places::Place;
use crate::probe::{self, Outcome};
use ar_core::exit;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

/// Asks a program what it has not said yet, so that on a slow machine each time brings more; beside what it said stands what
/// went wrong.
pub fn ask(
    known: &Known,
    place: &Place,
    before: Said,
    deadline: Instant,
) -> anyhow::Result<(Said, Option<String>)> {
    let (mut said, mut trouble) = (before, None);
    let mut put = |args: &[&str]| -> anyhow::Result<Option<String>> {
        let wrong = match carefully(place, args, deadline)? {
            Outcome::Ended { good: true, stdout, stderr } => return Ok(Some(stdout + &stderr)),
            Outcome::Ended { .. } => format!("'{}' failed", args.join(" ")),
            Outcome::TimedOut => {
                format!("no answer to '{}' in {} s", args.join(" "), probe::PATIENCE.as_secs())
            }
            Outcome::NotStarted(why) => why,
        };
        trouble.get_or_insert(wrong);
        Ok(None)
    };
    if said.version.is_none() {
        said.version = package_version(known.name, &place.path);
    }
    if said.version.is_none() {
        said.version = put(&["--version"])?.as_deref().and_then(version_in);
    }
    if said.flags.is_none() {
        said.flags = put(known.help)?.map(|help| flags_in(&help));
    }
    if let (None, Some(args)) = (&said.models, known.models) {
        said.models = models(place, args, deadline)?;
    }
    Ok((said, trouble))
}

/// The models that a program lists; None where that takes too long, which is no trouble.
fn models(place: &Place, args: &[&str], deadline: Instant) -> anyhow::Result<Option<Vec<String>>> {
    Ok(match carefully(place, args, deadline)? {
        Outcome::Ended { good: true, stdout, .. } => Some(models_in(&stdout)),
        // It lists none, or none without a login.
        Outcome::Ended { .. } | Outcome::NotStarted(_) => Some(Vec::new()),
        Outcome::TimedOut => None,
    })
}

/// Asks with a home directory that is thrown away, because several agents write into theirs even for `--version`. What needs
/// the real one, as a shim of a version manager does, fails there and is asked again.
fn carefully(place: &Place, args: &[&str], deadline: Instant) -> anyhow::Result<Outcome> {
    let scratch = tempfile::tempdir()?;
    let outcome = probe::ask(&place.path, args, deadline, |command| {
        command.env("HOME", scratch.path());
        // In a git repository aider sets a name for its author, whatever it is asked.
        if place.path.is_absolute() {
            command.current_dir(scratch.path());
        }
        for name in ["XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"] {
            command.env_remove(name);
        }
    })?;
    match outcome {
        Outcome::Ended { good: false, .. } => {
            Ok(probe::ask(&place.path, args, deadline, |command| variables(command, place))?)
        }
        outcome => Ok(outcome),
    }
}

/// Sets the variables that a wrapper or an alias sets.
pub fn variables(command: &mut Command, place: &Place) {
    command.envs(place.env.iter().map(|(name, value)| (name, value)));
}

/// The version in the `package.json` of an npm package that has this command. Costs no start of the program.
fn package_version(name: &str, program: &Path) -> Option<String> {
    let real = program.canonicalize().ok()?;
    real.ancestors().skip(1).take(5).find_map(|dir| {
        let text = std::fs::read_to_string(dir.join("package.json")).ok()?;
        let json: Value = serde_json::from_str(&text).ok()?;
        let ours = match json.get("bin")? {
            Value::Object(commands) => commands.contains_key(name),
            _ => json.get("name")?.as_str()?.rsplit('/').next() == Some(name),
        };
        ours.then(|| json.get("version")?.as_str().map(ar_core::exit::one_line)).flatten()
    })
}

/// The first word that looks like a version: `1.2.3` of `llm, version 1.2.3`.
fn version_in(text: &str) -> Option<String> {
    text.split(|c: char| c.is_whitespace() || "(),".contains(c))
        .map(|word| word.trim_start_matches('v').trim_end_matches('.'))
        .find(|word| word.starts_with(|c: char| c.is_ascii_digit()) && word.contains('.') && word.len() < 40)
        .map(str::to_owned)
}

/// The options that a help text names.
fn flags_in(help: &str) -> Vec<String> {
    let words = help.split(|c: char| c.is_whitespace() || ",=[]<>|()'\"`:;.".contains(c));
    let flag = |word: &&str| {
        let name = word.trim_start_matches('-');
        word.starts_with('-') && !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    words.filter(flag).map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
}

/// The names in a list of models, of lines like `Vendor Kind: NAME (aliases: a, b)` or `VENDOR/NAME`.
fn models_in(list: &str) -> Vec<String> {
    let names = list.lines().filter_map(|line| match line.split_once(": ") {
        Some((_, rest)) => rest.split_whitespace().next(),
        None => Some(line.trim()).filter(|line| line.contains('/') && !line.contains(char::is_whitespace)),
    });
    names.filter(|name| !name.is_empty()).map(exit::one_line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_flags_and_models_are_found_in_what_agents_print() {
        for (text, version) in [
            ("2.1.329 (Claude Code)\n", "2.1.329"),
            ("codex-cli 0.169.0\n", "0.169.0"),
            ("GitHub Copilot CLI 1.0.102.\nRun 'copilot update'", "1.0.102"),
            ("llm, version 0.36\n", "0.36"),
            ("v1.2.3-beta.1", "1.2.3-beta.1"),
        ] {
            assert_eq!(version_in(text).as_deref(), Some(version), "{text}");
        }
        assert_eq!(version_in("no version 3"), None);
        assert_eq!(
            flags_in("  -p, --print   Print.\n  --output-format <f>  [--json] use --verbose.\n a-b - -- "),
            ["--json", "--output-format", "--print", "--verbose", "-p"]
        );
        assert_eq!(models_in("OpenAI Chat: gpt-4o (aliases: 4o)\nDefault\n"), ["gpt-4o"]);
        assert_eq!(
            models_in("opencode/big-pickle\na/b/c\nsee http://x y/z\n\n"),
            ["opencode/big-pickle", "a/b/c"]
        );
    }
}
