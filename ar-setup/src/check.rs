//! `ar setup check`: every problem of the configuration, with file, line and the way out.

use anyhow::Context;
use ar_core::agent::Agent;
use ar_core::config::{Config, Model, agent_names, is_name, model_names, with_nearest};
use ar_core::{Failure, exit};
use std::ffi::OsStr;
use std::fs;
use std::io::{ErrorKind, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use toml_edit::{Document, Item, TableLike};

/// Reports the problems on standard error, or that there is none.
pub fn run(dir: &Path, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    let problems = problems(dir)?;
    for problem in &problems {
        exit::warn("ar-setup", problem);
    }
    if !problems.is_empty() {
        return Ok(ExitCode::from(exit::TROUBLE));
    }
    let (models, agents) = (model_names(dir)?.len(), agent_names(dir)?.len());
    writeln!(out, "no problem in '{}' (models: {models}, agents: {agents})", dir.display())?;
    Ok(ExitCode::SUCCESS)
}

/// Every problem of the configuration in `dir`, file by file.
pub fn problems(dir: &Path) -> anyhow::Result<Vec<Failure>> {
    let mut all = Vec::new();
    let config = dir.join("config.toml");
    if config.symlink_metadata().is_ok() {
        all.push(config);
    }
    all.extend(files(&dir.join("models"), "toml")?);
    all.extend(files(&dir.join("agents"), "md")?);
    let mut problems = Vec::new();
    for file in all {
        match fs::read_to_string(&file) {
            Ok(text) => problems.extend(text_problems(dir, &file, &text)),
            Err(error) => problems.push(unreadable(&file, &error)),
        }
    }
    Ok(problems)
}

fn unreadable(file: &Path, error: &std::io::Error) -> Failure {
    let shown = file.display();
    let hint = match error.kind() {
        ErrorKind::InvalidData => "save it as UTF-8".to_owned(),
        ErrorKind::IsADirectory => format!("mv '{shown}' '{shown}.old'"),
        ErrorKind::NotFound => format!("it is a symbolic link that leads nowhere: rm '{shown}'"),
        _ => format!("chmod u+r '{shown}'"),
    };
    Failure::trouble(format!("cannot read '{shown}': {error}")).hint(hint)
}

/// The problems of one file with this text, whether it is on the disk yet or not.
pub fn text_problems(dir: &Path, file: &Path, text: &str) -> Vec<Failure> {
    let models = model_names(dir).unwrap_or_else(|_| Vec::new());
    if file == dir.join("config.toml") {
        return config_text_problems(file, text, &models);
    }
    let name = file.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    match file.extension().and_then(OsStr::to_str) {
        _ if !is_name(&name) => vec![misnamed(file)],
        Some("md") => agent_text_problems(file, text, &models),
        _ => model_text_problems(dir, file, &name, text, &models),
    }
}

fn config_text_problems(file: &Path, text: &str, models: &[String]) -> Vec<Failure> {
    let problems = peel(file, text, |text| Config::parse(file, text).map(drop));
    let Ok(config) = Config::parse(file, text) else { return problems };
    let named = [("model", config.model), ("diagnostics_model", config.diagnostics_model)];
    let unknown = named
        .into_iter()
        .filter_map(|(key, model)| Some((key, model.filter(|model| !models.contains(model))?)));
    unknown
        .map(|(key, model)| {
            unknown_model(&format!("{}:{}", file.display(), line_of_key(text, key)), &model, models)
        })
        .collect()
}

fn model_text_problems(dir: &Path, file: &Path, name: &str, text: &str, models: &[String]) -> Vec<Failure> {
    let problems = peel(file, text, |text| Model::parse(name, file.to_owned(), text).map(drop));
    let Ok(model) = Model::parse(name, file.to_owned(), text) else { return problems };
    let line = line_of_key(text, "fallback");
    let unknown = model.fallback.iter().filter(|other| *other != name && !models.contains(other));
    let place = format!("{}:{line}", file.display());
    let mut problems: Vec<_> = unknown.map(|other| unknown_model(&place, other, models)).collect();
    problems.extend(model.refuse_circle(dir).err().as_ref().map(Failure::of));
    problems
}

fn agent_text_problems(file: &Path, text: &str, models: &[String]) -> Vec<Failure> {
    match Agent::parse(file, text) {
        Err(error) => vec![Failure::of(&error)],
        Ok(Agent { model: Some(model), .. }) if !models.contains(&model) => {
            let before = text.lines().take_while(|line| !line.trim_start().starts_with("model:")).count();
            vec![unknown_model(&format!("{}:{}", file.display(), before + 1), &model, models)]
        }
        Ok(_) => Vec::new(),
    }
}

fn unknown_model(place: &str, model: &str, models: &[String]) -> Failure {
    let failure = Failure::trouble(format!("{place}: there is no model '{model}'"));
    match with_nearest(failure, model, models.iter().map(String::as_str)) {
        failure if failure.hint.is_some() => failure,
        failure if models.is_empty() => failure.hint("'ar setup init' writes models"),
        failure => failure.hint(format!("there are {}", models.join(", "))),
    }
}

fn misnamed(file: &Path) -> Failure {
    Failure::trouble(format!("'{}' is never read: its name is no name for a model or agent", file.display()))
        .hint("rename it with letters, digits and . _ + @ - alone, at most 64 of them")
}

/// The files of a directory with that extension, sorted.
pub fn files(dir: &Path, extension: &str) -> anyhow::Result<Vec<PathBuf>> {
    let cannot = || format!("cannot read '{}'", dir.display());
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.with_context(cannot)?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry.with_context(cannot)?.path();
        if path.extension().is_some_and(|found| found == extension) {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Finds the problems of a file whose parser stops at the first: what it complains of is blanked out, line for line,
/// and the rest is parsed again.
///
/// Taking away a key that the parser knows can make it complain of the lack, so from then on complaints that point at
/// no key are left for the next check.
fn peel(file: &Path, text: &str, parse: impl Fn(&str) -> anyhow::Result<()>) -> Vec<Failure> {
    let mut text = text.to_owned();
    let mut problems: Vec<Failure> = Vec::new();
    let mut complete = true;
    while let Err(error) = parse(&text) {
        let failure = Failure::of(&error);
        let line = line_of(&failure, file);
        let key = line.and_then(|line| key_at(&text, line));
        if problems.iter().any(|known| known.message == failure.message) || (key.is_none() && !complete) {
            break;
        }
        complete &= failure.message.contains(": unknown key '");
        problems.push(failure);
        let Some(key) = key else { break };
        blank(&mut text, key);
    }
    problems.sort_by_key(|problem| line_of(problem, file));
    problems
}

/// The line in a message that starts with `FILE:LINE:`.
fn line_of(failure: &Failure, file: &Path) -> Option<usize> {
    let rest = failure.message.strip_prefix(&format!("{}:", file.display()))?;
    rest.split(':').next()?.parse().ok()
}

/// The bytes of the key with its value that starts on a line.
fn key_at(text: &str, line: usize) -> Option<Range<usize>> {
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let end = start + text.get(start..)?.split_inclusive('\n').next().map_or(0, str::len);
    let document = Document::parse(text).ok()?;
    let mut spans = Vec::new();
    collect(document.as_table(), &mut spans);
    spans.into_iter().find(|span| (start..end).contains(&span.start))
}

fn collect(table: &dyn TableLike, spans: &mut Vec<Range<usize>>) {
    for (name, item) in table.iter() {
        match item {
            Item::Table(inner) => collect(inner, spans),
            Item::ArrayOfTables(tables) => tables.iter().for_each(|inner| collect(inner, spans)),
            Item::Value(value) => {
                if let (Some(key), Some(value)) =
                    (table.key(name).and_then(toml_edit::Key::span), value.span())
                {
                    spans.push(key.start..value.end);
                }
            }
            Item::None => {}
        }
    }
}

/// Puts spaces over bytes of a text, so that every other line keeps its number.
fn blank(text: &mut String, range: Range<usize>) {
    let blanks: String = text
        .get(range.clone())
        .map(|old| old.chars().map(|c| if c == '\n' { '\n' } else { ' ' }).collect())
        .unwrap_or_default();
    if text.is_char_boundary(range.start) && text.is_char_boundary(range.end) {
        text.replace_range(range, &blanks);
    }
}

fn line_of_key(text: &str, name: &str) -> usize {
    let document = Document::parse(text).ok();
    let offset = document.as_ref().and_then(|document| document.as_table().key(name)?.span());
    let before = offset.and_then(|span| text.get(..span.start)).unwrap_or("");
    1 + before.matches('\n').count()
}
