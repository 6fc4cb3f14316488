//! From a template's arguments to those of the child: placeholders, and the prompt where it is an argument.

use crate::outcome::spawn_error;
use crate::plan::Plan;
use ar_core::config::PromptMode;
use ar_core::record::ExecError;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// The longest argument, its closing NUL included (`MAX_ARG_STRLEN` of Linux, 32 pages).
const MAX_ARGUMENT_BYTES: u64 = 131_072;

/// What the placeholders stand for.
#[derive(Debug, Clone, Copy)]
pub struct Places<'a> {
    /// `{prompt_file}`, and the file that `{prompt}` is read from.
    pub prompt_file: &'a Path,
    /// `{session}`, empty where there is none.
    pub session: &'a str,
    /// `{cwd}`.
    pub cwd: &'a Path,
    /// `{usage_file}`.
    pub usage_file: &'a Path,
}

/// The child's arguments. A prompt that cannot be one is an error that names the way out.
pub fn arguments(plan: &Plan, places: Places) -> Result<Vec<OsString>, ExecError> {
    if !plan.is_template {
        return Ok(plan.args.clone());
    }
    let mut args = plan.args.clone();
    let appended = match plan.prompt_mode {
        PromptMode::Stdin => None,
        PromptMode::Arg => Some("{prompt}"),
        PromptMode::File => Some("{prompt_file}"),
    };
    let has = |args: &[OsString], name: &str| args.iter().any(|arg| find(arg.as_bytes(), name).is_some());
    let prompt = if has(&args, "{prompt}") || appended == Some("{prompt}") {
        read_prompt(places.prompt_file)?
    } else {
        Vec::new()
    };
    if let Some(name) = appended
        && !has(&args, name)
        && (name != "{prompt}" || !prompt.is_empty())
    {
        args.push(name.into());
    }
    args.iter().map(|arg| argument(arg, &prompt, places)).collect()
}

fn argument(arg: &OsStr, prompt: &[u8], places: Places) -> Result<OsString, ExecError> {
    let values: [(&str, &[u8]); 5] = [
        ("{prompt}", prompt),
        ("{prompt_file}", places.prompt_file.as_os_str().as_bytes()),
        ("{session}", places.session.as_bytes()),
        ("{cwd}", places.cwd.as_os_str().as_bytes()),
        ("{usage_file}", places.usage_file.as_os_str().as_bytes()),
    ];
    let arg = expand(arg.as_bytes(), &values);
    if arg.len() as u64 >= MAX_ARGUMENT_BYTES {
        return Err(too_long(arg.len() as u64));
    }
    Ok(OsString::from_vec(arg))
}

/// Replaces placeholders in one pass, so that a prompt that speaks of `{cwd}` stays as it is. Other braces are text.
fn expand(mut text: &[u8], values: &[(&str, &[u8])]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    while let Some((&byte, rest)) = text.split_first() {
        let place =
            values.iter().find_map(|(name, value)| Some((value, text.strip_prefix(name.as_bytes())?)));
        if let Some((value, after)) = place {
            out.extend_from_slice(value);
            text = after;
        } else {
            out.push(byte);
            text = rest;
        }
    }
    out
}

fn find(text: &[u8], name: &str) -> Option<usize> {
    text.windows(name.len()).position(|window| window == name.as_bytes())
}

fn read_prompt(file: &Path) -> Result<Vec<u8>, ExecError> {
    let other = |error| spawn_error("other", format!("cannot read '{}': {error}", file.display()));
    let size = fs::metadata(file).map_err(other)?.len();
    if size >= MAX_ARGUMENT_BYTES {
        return Err(too_long(size));
    }
    let prompt = fs::read(file).map_err(other)?;
    if prompt.contains(&0) {
        let message = format!("the prompt holds a NUL byte and cannot be an argument; {WAY_OUT}");
        return Err(spawn_error("too_long", message));
    }
    Ok(prompt)
}

const WAY_OUT: &str = "set prompt_mode to \"stdin\" or \"file\" in the model's file";

fn too_long(size: u64) -> ExecError {
    spawn_error(
        "too_long",
        format!("an argument of {size} bytes is too long, the limit is {MAX_ARGUMENT_BYTES}; {WAY_OUT}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::plan::{Limits, Resources};
    use std::path::PathBuf;

    fn plan(mode: PromptMode, args: &[&str]) -> Plan {
        Plan {
            command: "x".into(),
            args: args.iter().map(OsString::from).collect(),
            is_template: true,
            prompt_mode: mode,
            environment: Environment::default(),
            cwd: PathBuf::from("/work"),
            limits: Limits::default(),
            format: None,
            session: String::new(),
            used_before: None,
            resources: Resources::default(),
            watches_git: false,
            price: None,
            allow_empty: false,
        }
    }

    fn filled(plan: &Plan, prompt: &[u8]) -> Result<Vec<String>, ExecError> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("prompt");
        fs::write(&file, prompt).unwrap();
        let places =
            Places { prompt_file: &file, session: "s1", cwd: &plan.cwd, usage_file: Path::new("/usage") };
        let args = arguments(plan, places)?;
        let path = file.to_str().unwrap();
        Ok(args.iter().map(|arg| arg.to_str().unwrap().replace(path, "FILE")).collect())
    }

    #[test]
    fn placeholders_and_modes_make_the_arguments() {
        use PromptMode::{Arg, File, Stdin};
        let cases: [(PromptMode, &[&str], &str, &[&str]); 9] = [
            (Stdin, &["-p"], "hi", &["-p"]),
            (
                Stdin,
                &["{cwd}", "{session}", "{other}", "{\"a\":1}"],
                "hi",
                &["/work", "s1", "{other}", "{\"a\":1}"],
            ),
            (Stdin, &["p={prompt}"], "hi", &["p=hi"]),
            (Arg, &["-p"], "hi {cwd}", &["-p", "hi {cwd}"]),
            (Arg, &["-p", "{prompt}", "-x"], "{prompt}", &["-p", "{prompt}", "-x"]),
            (Arg, &["-p"], "", &["-p"]),
            (Arg, &["-p", "{prompt}"], "", &["-p", ""]),
            (File, &["-f"], "hi", &["-f", "FILE"]),
            (File, &["@{prompt_file}"], "hi", &["@FILE"]),
        ];
        for (mode, args, prompt, expected) in cases {
            assert_eq!(filled(&plan(mode, args), prompt.as_bytes()).unwrap(), expected, "{mode:?} {args:?}");
        }
    }

    #[test]
    fn a_command_without_a_template_keeps_its_braces() {
        let plan = Plan { is_template: false, ..plan(PromptMode::Stdin, &["{prompt}"]) };
        assert_eq!(filled(&plan, b"hi").unwrap(), ["{prompt}"]);
    }

    #[test]
    fn a_prompt_that_cannot_be_an_argument_names_the_way_out() {
        let arg = plan(PromptMode::Arg, &[]);
        assert_eq!(filled(&arg, &vec![b'x'; 131_071]).unwrap()[0].len(), 131_071);
        for (plan, prompt) in [
            (&arg, vec![b'x'; 131_072]),
            (&plan(PromptMode::Arg, &["--prompt={prompt}"]), vec![b'x'; 131_071]),
            (&arg, vec![b'a', 0, b'b']),
        ] {
            let error = filled(plan, &prompt).unwrap_err();
            assert_eq!(error.kind, "too_long");
            assert!(error.message.contains("set prompt_mode to \"stdin\""), "{}", error.message);
        }
    }
}
