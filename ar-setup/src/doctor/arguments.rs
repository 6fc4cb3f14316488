//! What is wrong with the arguments of providers, and with how their output is read.

use super::Finding;
use crate::advice;
use crate::known::Known;
use ar_core::config::{PromptMode, Provider, nearest};

/// The placeholders that a template may hold.
const PLACEHOLDERS: [&str; 5] = ["{prompt}", "{prompt_file}", "{session}", "{cwd}", "{usage_file}"];

/// What an agent has to be told for each format that we read: the agent, the format, and one word of each list.
const FORMATS: &[(&str, &str, &[&[&str]])] = &[
    ("claude", "claude-json", &[&["--output-format"], &["json"]]),
    ("claude", "claude-stream-json", &[&["--output-format"], &["stream-json"], &["--verbose"]]),
    ("codex", "codex-json", &[&["--json", "--experimental-json"]]),
    ("copilot", "copilot-json", &[&["--output-format"], &["json"]]),
    ("gemini", "gemini-json", &[&["-o", "--output-format"], &["json"]]),
    ("gemini", "gemini-stream-json", &[&["-o", "--output-format"], &["stream-json"]]),
    ("llm", "llm-json", &[&["--json"]]),
    ("opencode", "opencode-json", &[&["--format"], &["json"]]),
    ("qwen", "qwen-json", &[&["-o", "--output-format"], &["json"]]),
    ("qwen", "qwen-stream-json", &[&["-o", "--output-format"], &["stream-json"]]),
];

/// Without one of these words an agent opens its screen and waits for a person.
const HEADLESS: &[(&str, &[&str])] = &[
    ("claude", &["-p", "--print"]),
    ("codex", &["exec", "e", "review"]),
    ("opencode", &["run"]),
    ("aider", &["-m", "--msg", "--message", "-f", "--message-file"]),
];

/// Keys among the arguments, placeholders that are none, arguments that open a screen, formats that do not fit.
pub fn findings(place: &str, provider: &Provider) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lists =
        [Some(("args", &provider.args)), provider.resume_args.as_ref().map(|args| ("resume_args", args))];
    for (key, args) in lists.into_iter().flatten() {
        for (arg, next) in args.iter().zip(args.iter().skip(1).map(Some).chain([None])) {
            findings.extend(word(place, key, arg, next));
        }
    }
    if provider.resume_args.as_ref().is_some_and(|args| !args.iter().any(|arg| arg.contains("{session}"))) {
        findings.push(Finding::warning(
            "resume_without_session",
            format!("'resume_args' of '{place}' do not hold '{{session}}'"),
            "a session that goes on starts anew instead",
            "put '{session}' where the agent takes the session's id",
        ));
    }
    if provider.args.iter().any(|arg| arg.contains("{session}")) {
        findings.push(Finding::warning(
            "session_in_args",
            format!("'args' of '{place}' hold '{{session}}', which is empty in a new session"),
            "the agent is asked to go on with no session",
            "move it into 'resume_args'",
        ));
    }
    if let Some(known) = advice::known(provider) {
        findings.extend(interactive(place, provider, known));
        findings.extend(prompt(place, provider, known));
        findings.extend(format(place, provider, known));
    }
    findings
}

fn word(place: &str, key: &str, arg: &str, next: Option<&String>) -> Vec<Finding> {
    let mut findings = Vec::new();
    if is_key(arg, next) {
        findings.push(Finding::warning(
            "secret_in_args",
            format!("a key seems to stand in '{key}' of '{place}'"),
            "every user of this machine sees it with ps(1)",
            "put it into a file of NAME=value lines, chmod 600, and name that in 'env_file'",
        ));
    }
    if let Some((written, near)) = misspelt(arg) {
        findings.push(Finding::warning(
            "placeholder",
            format!("'{key}' of '{place}' holds '{written}', which is no placeholder"),
            "the agent gets these very letters",
            format!("write '{near}'"),
        ));
    }
    if let Some((_, rest)) = arg.split_once("${")
        && let Some((name, _)) = rest.split_once('}')
        && !name.is_empty()
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    {
        findings.push(Finding::warning(
            "variable_in_args",
            format!("'{key}' of '{place}' holds '${{{name}}}', and variables stand for nothing there"),
            "the agent gets these very letters",
            "write the value itself, or set a variable that the agent reads with 'env'",
        ));
    }
    findings
}

fn says(provider: &Provider, words: &[&str]) -> bool {
    provider
        .args
        .iter()
        .any(|arg| words.contains(&arg.split('=').next().unwrap_or(arg)) || words.contains(&&**arg))
}

/// Whether `--flag=word` or `--flag word` gives that word.
fn gives(provider: &Provider, word: &str) -> bool {
    provider
        .args
        .iter()
        .any(|arg| arg == word || arg.rsplit_once('=').is_some_and(|(_, value)| value == word))
}

/// A wrapper may add what is missing here, so that only the agent itself is judged.
fn is_itself(provider: &Provider, known: &Known) -> bool {
    provider.command.rsplit('/').next() == Some(known.name)
}

fn interactive(place: &str, provider: &Provider, known: &Known) -> Option<Finding> {
    let (_, words) = HEADLESS.iter().find(|(name, _)| *name == known.name)?;
    if !is_itself(provider, known) || words.iter().any(|word| says(provider, &[word])) {
        return None;
    }
    let first = words.first()?;
    Some(Finding::error(
        "interactive",
        format!("'args' of '{place}' do not hold '{first}'"),
        "without it the agent waits for a person at a terminal",
        format!("add '{first}' to 'args'; 'ar setup add-provider' knows the usual ones"),
    ))
}

fn prompt(place: &str, provider: &Provider, known: &Known) -> Option<Finding> {
    let has = |name: &str| provider.args.iter().any(|arg| arg.contains(name));
    if !is_itself(provider, known) {
        return None;
    }
    if provider.prompt_mode == PromptMode::File && !has("{prompt_file}") {
        return Some(Finding::error(
            "prompt_mode",
            format!("'prompt_mode' of '{place}' is file, and 'args' do not hold '{{prompt_file}}'"),
            "the agent takes the path of the file for the prompt",
            format!("ar setup set {place}.prompt_mode stdin"),
        ));
    }
    (provider.prompt_mode == PromptMode::Stdin && has("{prompt}")).then(|| {
        Finding::warning(
            "prompt_mode",
            format!("'args' of '{place}' hold '{{prompt}}', and it is on standard input too"),
            "an agent that reads both gets it twice",
            format!("ar setup set {place}.prompt_mode arg"),
        )
    })
}

/// Whether the output that the arguments ask for is the one that is read.
fn format(place: &str, provider: &Provider, known: &Known) -> Option<Finding> {
    let asked =
        FORMATS.iter().filter(|(name, ..)| *name == known.name).find(|(.., words)| asks(provider, words));
    let finding = |what: String, fix: String| {
        let why = "the answer, its session and its tokens cannot be read";
        Some(Finding::error("output", what, why, fix))
    };
    if !is_itself(provider, known) {
        return None;
    }
    match provider.output.as_deref() {
        Some("text") => asked.and_then(|(_, format, _)| {
            finding(
                format!("'args' of '{place}' ask for JSON, and 'output' is text"),
                format!("ar setup set {place}.output {format}"),
            )
        }),
        Some(output) if output != "auto" => {
            let wanted = FORMATS.iter().find(|(_, format, _)| *format == output);
            match wanted {
                Some((name, ..)) if *name != known.name => finding(
                    format!("'output' of '{place}' is {output}, and {} does not write that", known.name),
                    format!("ar setup set {place}.output {}", asked.map_or("auto", |(_, format, _)| *format)),
                ),
                Some((.., words)) if !asks(provider, words) => {
                    let missing: Vec<&str> = words
                        .iter()
                        .filter(|words| !asks(provider, &[*words]))
                        .filter_map(|words| words.first().copied())
                        .collect();
                    finding(
                        format!(
                            "'output' of '{place}' is {output}, and 'args' do not hold '{}'",
                            missing.join(" ")
                        ),
                        format!(
                            "add '{}' to 'args', or ar setup set {place}.output auto",
                            missing.join("', '")
                        ),
                    )
                }
                None if output == "aider" && known.name != "aider" => finding(
                    format!("'output' of '{place}' is aider, and {} does not write that", known.name),
                    format!("ar setup set {place}.output auto"),
                ),
                _ => None,
            }
        }
        _ if known.name == "claude" && gives(provider, "stream-json") && !says(provider, &["--verbose"]) => {
            finding(
                format!("'args' of '{place}' ask for stream-json and do not hold '--verbose'"),
                "add '--verbose' to 'args': claude refuses the one without the other".to_owned(),
            )
        }
        _ => None,
    }
}

fn asks(provider: &Provider, words: &[&[&str]]) -> bool {
    words.iter().all(|any| says(provider, any) || any.iter().any(|word| gives(provider, word)))
}

/// Whether a text has the form of a key.
pub fn looks_like_key(text: &str) -> bool {
    let starts = ["sk-", "sk_", "AIza", "ghp_", "gho_", "github_pat_", "xoxb-"];
    text.len() > 16 && starts.iter().any(|start| text.starts_with(start))
}

/// Whether an argument looks like a key: by its own form, or by the option before it.
fn is_key(arg: &str, next: Option<&String>) -> bool {
    let (option, value) = arg.split_once('=').unwrap_or((arg, next.map_or("", String::as_str)));
    let named = option.starts_with("--") && (option.ends_with("api-key") || option.ends_with("-token"));
    looks_like_key(arg) || (named && !value.is_empty() && !value.starts_with('-') && !value.starts_with('{'))
}

/// A word in braces that is none of the placeholders but near one, and that one.
fn misspelt(arg: &str) -> Option<(String, &'static str)> {
    arg.split('{').skip(1).find_map(|rest| {
        let (inner, _) = rest.split_once('}')?;
        let word =
            !inner.is_empty() && inner.chars().all(|c| c.is_ascii_alphabetic() || c == '_' || c == '-');
        let written = format!("{{{inner}}}");
        if !word || PLACEHOLDERS.contains(&written.as_str()) {
            return None;
        }
        nearest(&written, PLACEHOLDERS).map(|near| (written.clone(), near))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ar_core::config::Model;

    #[test]
    fn keys_and_misspelt_placeholders_are_told_from_other_arguments() {
        for (args, found) in [
            (&["--api-key", "abc"][..], true),
            (&["--api-key=abc"], true),
            (&["sk-xxxxxxxxxxxxxxxxxxxx"], true),
            (&["--api-key", "{prompt}"], false),
            (&["--api-key"], false),
            (&["--max-tokens", "5"], false),
            (&["skim"], false),
        ] {
            let next = args.get(1).map(ToString::to_string);
            assert_eq!(is_key(args[0], next.as_ref()), found, "{args:?}");
        }
        for arg in ["{promt}", "--prompt={promt}", "{prompt} {promt}"] {
            assert_eq!(misspelt(arg), Some(("{promt}".to_owned(), "{prompt}")), "{arg}");
        }
        for arg in ["{prompt}", "{\"edit\":\"deny\"}", "{}", "prompt", "{xyzzy}", "{"] {
            assert_eq!(misspelt(arg), None, "{arg}");
        }
    }

    #[test]
    fn every_template_fits_its_agent() {
        for known in crate::known::KNOWN {
            let model = Model::parse(known.name, "t.toml".into(), known.template).unwrap();
            let found = findings("x", &model.providers[0]);
            assert!(found.is_empty(), "{found:?}");
        }
        // A flag and its value may be one word.
        let text = "command = 'claude'\nargs = ['-p', '--output-format=stream-json', '--verbose']\noutput = 'claude-stream-json'\n";
        assert!(findings("x", &Model::parse("m", "m".into(), text).unwrap().providers[0]).is_empty());
    }
}
