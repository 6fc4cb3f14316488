//! The rules that hold for this user: those that are compiled in, and the files of `rules.d`.

use crate::find::compile;
use crate::needles;
use crate::rule::{BUILT_IN, Claims, Link, Pattern, Rule, Text, Time, Where};
use crate::source::{self, Source};
use anyhow::{Context, Result, bail};
use ar_core::record::{Scope, Verdict};
use serde::Deserialize;
use std::borrow::Cow::{self, Owned};
use std::fmt;
use std::path::{Path, PathBuf};

/// A user's rule outranks those that are compiled in, unless it says otherwise.
const USERS_RANK: u8 = 95;

/// What is wrong with a file of rules, and where.
#[derive(Debug)]
pub struct Problem {
    /// The file.
    pub file: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.message)
    }
}

/// A rule of a file, with the texts that try it.
#[derive(Debug)]
pub struct Written {
    /// The rule.
    pub rule: Rule,
    /// Where it begins, counted from 1.
    pub line: usize,
    /// Texts that it must recognise.
    pub examples: Vec<String>,
    /// Texts that it must leave alone.
    pub lookalikes: Vec<String>,
}

/// Puts the user's rules before those that are compiled in; a rule of the same file name and id replaces one.
pub fn load(config_dir: &Path) -> Result<(Cow<'static, [Rule]>, Vec<Problem>)> {
    let files = files(&config_dir.join("rules.d"))?;
    if files.is_empty() {
        return Ok((Cow::Borrowed(BUILT_IN), Vec::new()));
    }
    let (mut rules, mut problems) = (Vec::new(), Vec::new());
    for file in files {
        let (written, wrong) = read(&file)?;
        rules.extend(written.into_iter().map(|written| written.rule));
        problems.extend(wrong);
    }
    let (rules, problems) = (with_built_in(rules), problems);
    Ok((Owned(rules), problems))
}

/// The rules, followed by those that are compiled in and that they do not replace.
pub fn with_built_in(mut rules: Vec<Rule>) -> Vec<Rule> {
    let others: Vec<Rule> =
        BUILT_IN.iter().filter(|rule| rules.iter().all(|own| own.id != rule.id)).cloned().collect();
    rules.extend(others);
    rules
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => {
            return Err(error).with_context(|| format!("cannot read the directory '{}'", dir.display()));
        }
    };
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.with_context(|| format!("cannot read the directory '{}'", dir.display()))?.path();
        if file.extension().is_some_and(|ending| ending == "toml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

/// A file whose rules are not looked into yet, so that one that is wrong spoils no other.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Raw {
    #[serde(default)]
    rule: Vec<toml::Spanned<toml::Value>>,
}

/// Reads a file of rules: those that are sound, and what is wrong with the others.
pub fn read(file: &Path) -> Result<(Vec<Written>, Vec<Problem>)> {
    let text = std::fs::read_to_string(file).with_context(|| format!("cannot read '{}'", file.display()))?;
    let name = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or("user").to_owned();
    Ok(parse(file, &name, &text))
}

fn parse(file: &Path, name: &str, text: &str) -> (Vec<Written>, Vec<Problem>) {
    let problem = |offset: usize, message: String| Problem {
        file: file.to_path_buf(),
        line: text.get(..offset).unwrap_or(text).matches('\n').count() + 1,
        message,
    };
    let raw: Raw = match toml::from_str(text) {
        Ok(raw) => raw,
        Err(error) => {
            let start = error.span().map_or(0, |span| span.start);
            return (Vec::new(), vec![problem(start, ar_core::exit::one_line(error.message()))]);
        }
    };
    let (mut sound, mut problems) = (Vec::new(), Vec::new());
    for value in raw.rule {
        let start = value.span().start;
        match written(name, value.into_inner()) {
            Ok(found) => sound.push(Written { line: problem(start, String::new()).line, ..found }),
            Err(error) => problems.push(problem(start, format!("{error:#}"))),
        }
    }
    (sound, problems)
}

fn written(file: &str, value: toml::Value) -> Result<Written> {
    let id = value.get("id").and_then(toml::Value::as_str).unwrap_or("without an id").to_owned();
    let source = Source::deserialize(value)
        .map_err(|error| anyhow::anyhow!("{}", ar_core::exit::one_line(&error.to_string())))
        .with_context(|| format!("rule '{id}'"))?;
    let rule = rule(file, &source).with_context(|| format!("rule '{id}'"))?;
    Ok(Written { rule, line: 0, examples: source.examples, lookalikes: source.lookalikes })
}

fn rule(file: &str, source: &Source) -> Result<Rule> {
    if source.patterns.is_empty() {
        bail!("it has no pattern");
    }
    let rank = source.rank.unwrap_or(USERS_RANK);
    if !(1..=99).contains(&rank) {
        bail!("the rank {rank} is not between 1 and 99");
    }
    one_of("detail", &source.detail, &source::DETAILS)?;
    let scope = source.scope.as_deref().or(source::default_scope(&source.class));
    let time = source.time.as_deref().unwrap_or(source::default_time(&source.class));
    if let Some(wrong) = source::wrong_time(&source.class, time, &source.patterns) {
        bail!(wrong);
    }
    let verdict =
        source.verdict.clone().unwrap_or_else(|| source::default_verdict(&source.class).to_lowercase());
    Ok(Rule {
        id: Owned(format!("{file}/{}", source.id)),
        class: word("class", &source.class)?,
        detail: Owned(source.detail.clone()),
        verdict: word::<Verdict>("verdict", &verdict)?,
        scope: scope.map(|scope| word::<Scope>("scope", scope)).transpose()?,
        cli: source.cli.iter().map(|cli| Text::Owned(cli.clone())).collect(),
        stream: match one_of(
            "stream",
            source.stream.as_deref().unwrap_or("any"),
            &["any", "stdout", "stderr", "error"],
        )? {
            0 => Where::Any,
            1 => Where::Stdout,
            2 => Where::Stderr,
            _ => Where::Error,
        },
        rank,
        time: match one_of("time", time, &source::TIMES)? {
            0 => Time::Near,
            1 => Time::Line,
            2 => Time::Match,
            _ => Time::None,
        },
        terminal: source.terminal,
        alone: source.alone,
        claims: match one_of(
            "claims",
            source.claims.as_deref().unwrap_or("nothing"),
            &["nothing", "line", "text"],
        )? {
            0 => Claims::Nothing,
            1 => Claims::Line,
            _ => Claims::Text,
        },
        patterns: source.patterns.iter().map(|text| pattern(text)).collect::<Result<_>>()?,
        unless: source.unless.iter().map(|text| pattern(text)).collect::<Result<_>>()?,
        answers: Owned(source.answers.trim().to_owned()),
    })
}

/// Reads a word that the record knows too.
fn word<T: for<'de> Deserialize<'de>>(key: &str, text: &str) -> Result<T> {
    let value: serde::de::value::StrDeserializer<'_, serde::de::value::Error> =
        serde::de::IntoDeserializer::into_deserializer(text);
    T::deserialize(value).map_err(|error| anyhow::anyhow!("{key}: {error}"))
}

fn one_of(key: &str, text: &str, words: &[&str]) -> Result<usize> {
    match words.iter().position(|word| *word == text) {
        Some(index) => Ok(index),
        None => bail!("{key}: '{text}' is none of {}", words.join(", ")),
    }
}

/// Whether a pattern wants capital letters of the text, beside those that are its own syntax: `\S`, `(?P<time>`.
fn has_capitals(pattern: &str) -> bool {
    let pattern = pattern.replace("(?P<", "").replace(r"\\", "");
    let mut previous = ' ';
    pattern.chars().any(|c| std::mem::replace(&mut previous, c) != '\\' && c.is_uppercase())
}

fn pattern(text: &str) -> Result<Pattern> {
    if has_capitals(text) {
        bail!("the pattern '{text}' has capital letters, and texts are matched in lower case");
    }
    let needles = needles::of(text)
        .map_err(|error| anyhow::anyhow!("{}", ar_core::exit::one_line(&error.to_string())))?;
    compile(text).map_err(|error| anyhow::anyhow!("the pattern '{text}': {error}"))?;
    let link = |link: needles::Link| Link {
        words: Owned(link.words.into_iter().map(Text::Owned).collect()),
        reach: link.reach,
    };
    Ok(Pattern {
        source: Owned(text.to_owned()),
        chain: needles.chain.into_iter().map(link).collect(),
        telling: needles.telling,
        plain: needles.plain,
        anchored: needles.anchored,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(text: &str) -> Vec<String> {
        parse(Path::new("u.toml"), "u", text).1.iter().map(ToString::to_string).collect()
    }

    const SOUND: &str = "[[rule]]\nid = 'a'\nclass = 'rate_limit'\ndetail = 'throttle'\npatterns = ['slow down']\nanswers = 'x'\n";

    #[test]
    fn a_broken_rule_is_told_with_its_line_and_spoils_no_other() {
        let (sound, problems) =
            parse(Path::new("u.toml"), "u", &format!("{SOUND}\n{}", SOUND.replace("throttle", "thrttle")));
        assert_eq!(sound.len(), 1);
        assert_eq!((problems[0].line, sound[0].line, sound[0].rule.rank), (8, 1, USERS_RANK));
        assert!(
            problems[0].message.starts_with("rule 'a': detail: 'thrttle' is none of throttle, "),
            "{}",
            problems[0]
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        let cases = [
            ("x = 1\n", "u.toml:1: unknown field `x`, expected `rule`"),
            ("[[rule]\n", "u.toml:1: "),
            (&SOUND.replace("rate_limit", "rate"), "u.toml:1: rule 'a': class: unknown variant `rate`"),
            (&SOUND.replace("slow down", "slow("), "u.toml:1: rule 'a': regex parse error"),
            (
                &SOUND.replace("slow down", "Slow"),
                "u.toml:1: rule 'a': the pattern 'Slow' has capital letters",
            ),
            (
                &SOUND.replace("slow down", r"\bSlow\b"),
                r"u.toml:1: rule 'a': the pattern '\bSlow\b' has capital letters",
            ),
            (
                &format!("{SOUND}time = 'match'\n"),
                "u.toml:1: rule 'a': time 'match' needs a pattern with a group (?P<time>…)",
            ),
            (
                &format!("{SOUND}time = 'here'\n"),
                "u.toml:1: rule 'a': time: 'here' is none of near, line, match, none",
            ),
            (
                &SOUND.replace("slow", "slow (?P<time>.+)"),
                "u.toml:1: rule 'a': the group 'time' is read where time is 'match'",
            ),
            (&SOUND.replace("'slow down'", ""), "u.toml:1: rule 'a': it has no pattern"),
            (&format!("{SOUND}rank = 100\n"), "u.toml:1: rule 'a': the rank 100 is not"),
            (&format!("{SOUND}colour = 1\n"), "u.toml:1: rule 'a': unknown field `colour`"),
        ];
        for (text, start) in cases {
            let told = messages(text);
            assert!(told.first().is_some_and(|told| told.starts_with(start)), "{text}: {told:?}");
        }
    }
}
