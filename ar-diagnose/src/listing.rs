//! The verbs `rules` and `test`.

use anyhow::{Context, Result};
use ar_core::{Failure, Stamp, exit, paths};
use ar_diagnose::check;
use ar_diagnose::library;
use ar_diagnose::rule::{BUILT_IN, Rule};
use serde_json::json;
use std::borrow::Cow;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

/// Lists all rules that hold.
pub fn rules(config: Option<&Path>, as_json: bool) -> Result<ExitCode> {
    let rules = load(config)?;
    let mut output = io::stdout().lock();
    for rule in rules.iter() {
        let line = if as_json { in_json(rule) } else { in_words(rule) };
        writeln!(output, "{line}").context("cannot write to standard output")?;
    }
    Ok(ExitCode::SUCCESS)
}

fn in_json(rule: &Rule) -> String {
    let sources = |patterns: &[ar_diagnose::rule::Pattern]| -> Vec<String> {
        patterns.iter().map(|pattern| pattern.source.to_string()).collect()
    };
    json!({
        "id": rule.id, "class": rule.class, "detail": rule.detail, "verdict": rule.verdict, "scope": rule.scope,
        "cli": rule.cli, "rank": rule.rank, "time": rule.time.name(), "terminal": rule.terminal, "alone": rule.alone,
        "patterns": sources(&rule.patterns), "unless": sources(&rule.unless), "answers": rule.answers,
    })
    .to_string()
}

fn in_words(rule: &Rule) -> String {
    format!("{:28} {:2} {:20} {:17} {}", rule.id, rule.rank, rule.class.name(), rule.detail, rule.answers)
}

/// Tells what is wrong with a file of rules: status 0 where nothing is, else 1.
pub fn test(file: &Path) -> Result<ExitCode> {
    let (written, mut problems) = library::read(file)?;
    let all = library::with_built_in(written.iter().map(|written| written.rule.clone()).collect());
    problems.extend(check::problems(file, &written, &all, Stamp::now()?));
    problems.sort_by_key(|problem| problem.line);
    let mut output = io::stdout().lock();
    for problem in &problems {
        writeln!(output, "{problem}").context("cannot write to standard output")?;
    }
    if problems.is_empty() {
        let texts: usize =
            written.iter().map(|written| written.examples.len() + written.lookalikes.len()).sum();
        writeln!(output, "{}: {} rules and {texts} texts are good", file.display(), written.len())
            .context("cannot write to standard output")?;
    }
    Ok(ExitCode::from(if problems.is_empty() { exit::OK } else { exit::NO }))
}

/// The rules that hold; those of the user that are wrong or cannot be read are told on standard error and left out, for the
/// run that is to be judged may have cost an hour.
pub fn load(config: Option<&Path>) -> Result<Cow<'static, [Rule]>> {
    let dir = match paths::config_dir(config) {
        Ok(dir) => dir,
        // A user without a home has no rules either.
        Err(_) if config.is_none() => return Ok(Cow::Borrowed(BUILT_IN)),
        Err(error) => return Err(error),
    };
    let (rules, problems) = library::load(&dir).unwrap_or_else(|error| {
        let failure = Failure::of(&error);
        exit::warn("ar-diagnose", &failure.hint("the rules that are compiled in hold alone"));
        (Cow::Borrowed(BUILT_IN), Vec::new())
    });
    for problem in problems {
        exit::warn("ar-diagnose", &Failure::trouble(format!("{problem}; the rule is skipped")));
    }
    Ok(rules)
}
