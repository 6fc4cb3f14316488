//! Judging labelled texts and counting what was right.

use anyhow::{Context, Result};
use ar_core::Stamp;
use ar_core::record::Class;
use ar_diagnose::evidence::Evidence;
use ar_diagnose::find::family;
use ar_diagnose::judge::judge;
use ar_diagnose::rule::BUILT_IN;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

const CLASSES: [&str; 6] =
    ["rate_limit", "quota_exhausted", "auth_expired", "cli_version_mismatch", "network_error", "unknown"];

/// A labelled text.
struct Case {
    name: String,
    text: String,
    cli: Option<String>,
    exit_code: Option<i32>,
    class: String,
    time: Time,
}

/// What a label says of the time in a text.
#[derive(Clone, Copy)]
enum Time {
    /// The provider printed none.
    None,
    /// It printed one.
    Told,
    /// It printed one, so many seconds away.
    Seconds(f64),
}

/// Judges all texts of these directories and files.
pub fn of(paths: impl Iterator<Item = PathBuf>) -> Result<Tally> {
    let now = Stamp::parse("2026-06-01T12:00:00Z")?;
    let mut tally = Tally::default();
    for path in paths {
        let cases = if path.is_dir() { directory(&path)? } else { lines(&path)? };
        for case in &cases {
            tally.add(case, now);
        }
    }
    Ok(tally)
}

fn directory(root: &Path) -> Result<Vec<Case>> {
    let times: BTreeMap<String, Stamp> = match fs::read_to_string(root.join("times.toml")) {
        Ok(text) => {
            toml::from_str(&text).with_context(|| format!("cannot read '{}/times.toml'", root.display()))?
        }
        Err(_) => BTreeMap::new(),
    };
    let now = Stamp::parse("2026-06-01T12:00:00Z")?;
    let mut cases = Vec::new();
    for cli in entries(root)?.into_iter().filter(|path| path.is_dir()) {
        for class in entries(&cli)? {
            for file in entries(&class)? {
                let name = file.strip_prefix(root)?.display().to_string();
                #[allow(
                    clippy::cast_precision_loss,
                    reason = "a window of a month is far from 2^52 milliseconds"
                )]
                let time = times
                    .get(&name)
                    .map_or(Time::None, |at| Time::Seconds(at.since(now).as_millis() as f64 / 1000.0));
                cases.push(Case {
                    text: fs::read_to_string(&file).with_context(|| format!("cannot read '{name}'"))?,
                    cli: base(&cli),
                    exit_code: None,
                    class: base(&class).context("a directory without a name")?,
                    time,
                    name,
                });
            }
        }
    }
    Ok(cases)
}

fn entries(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("cannot read '{}'", dir.display()))? {
        paths.push(entry?.path());
    }
    paths.sort();
    Ok(paths)
}

fn base(path: &Path) -> Option<String> {
    path.file_name().and_then(|name| name.to_str()).map(str::to_owned)
}

fn lines(file: &Path) -> Result<Vec<Case>> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read '{}'", file.display()))?;
    text.lines()
        .enumerate()
        .map(|(index, line)| {
            let value: Value = serde_json::from_str(line)?;
            let word = |name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
            let both =
                || format!("{}\n{}", word("stdout").unwrap_or_default(), word("stderr").unwrap_or_default());
            let seconds = value.get("retry_after_s").and_then(Value::as_f64);
            let tells = word("delay_kind").as_deref() == Some("server")
                && (seconds.is_some() || word("resets_at").is_some());
            Ok(Case {
                name: format!("{}:{}", file.display(), index + 1),
                text: word("text").unwrap_or_else(both),
                cli: word("cli").map(|cli| cli.split('+').next().unwrap_or("").to_owned()),
                exit_code: value
                    .get("exit_code")
                    .and_then(Value::as_i64)
                    .and_then(|code| i32::try_from(code).ok()),
                class: word("class").or_else(|| word("expected_class")).context("a line has no class")?,
                time: match seconds {
                    _ if !tells => Time::None,
                    None => Time::Told,
                    Some(seconds) => Time::Seconds(seconds),
                },
            })
        })
        .collect()
}

/// What became of the texts.
#[derive(Default)]
pub struct Tally {
    said: BTreeMap<(String, &'static str), usize>,
    /// Every class and every time that was wrong, one line each.
    pub wrong: Vec<String>,
    told: usize,
    understood: usize,
    exact: (usize, usize),
    invented: usize,
}

impl Tally {
    fn add(&mut self, case: &Case, now: Stamp) {
        let evidence = Evidence {
            cli: case.cli.as_deref().map(|cli| family(&cli.to_lowercase()).to_owned()),
            exit_code: case.exit_code,
            text: case.text.as_bytes().to_vec(),
            ..Evidence::default()
        };
        let diagnosis = judge(&evidence, BUILT_IN, now).diagnosis;
        let class = diagnosis.class.unwrap_or(Class::Unknown).name();
        *self.said.entry((case.class.clone(), class)).or_default() += 1;
        if class != case.class {
            self.wrong.push(format!("{}: {} is judged {class} by {}", case.name, case.class, diagnosis.by));
        }
        #[allow(clippy::cast_precision_loss, reason = "a window of a month is far from 2^52 milliseconds")]
        let wait = diagnosis.retry_at.map(|at| at.since(now).as_millis() as f64 / 1000.0);
        if matches!(case.time, Time::None) {
            if let Some(wait) = wait {
                self.invented += 1;
                self.wrong.push(format!("{}: {wait} s are read where no label tells a time", case.name));
            }
            return;
        }
        self.told += 1;
        self.understood += usize::from(wait.is_some());
        if let Time::Seconds(seconds) = case.time {
            let right = wait.is_some_and(|wait| (wait - seconds).abs() <= (0.02 * seconds).max(2.0));
            self.exact = (self.exact.0 + 1, self.exact.1 + usize::from(right));
            if !right {
                self.wrong.push(format!("{}: {seconds} s are read as {wait:?}", case.name));
            }
        }
    }

    fn count(&self, fits: impl Fn(&str, &str) -> bool) -> usize {
        self.said.iter().filter(|((want, got), _)| fits(want, got)).map(|(_, count)| count).sum()
    }

    /// Prints the figures.
    pub fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let mut f1s = Vec::new();
        for class in CLASSES {
            let hit = self.count(|want, got| want == class && got == class);
            let (wanted, got) = (self.count(|want, _| want == class), self.count(|_, got| got == class));
            let (precision, recall) = (ratio(hit, got), ratio(hit, wanted));
            let f1 = if hit == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) };
            if wanted > 0 {
                f1s.push(f1);
            }
            writeln!(
                out,
                "{class:22} n {wanted:4}  precision {precision:.3}  recall {recall:.3}  f1 {f1:.3}"
            )?;
        }
        let blamed = self.count(|want, got| want == "unknown" && got != "unknown");
        #[allow(clippy::cast_precision_loss, reason = "there are six classes")]
        let macro_f1 = f1s.iter().sum::<f64>() / f1s.len().max(1) as f64;
        writeln!(
            out,
            "texts {}  accuracy {:.3}  macro F1 {macro_f1:.3}  innocents blamed {blamed}",
            self.count(|_, _| true),
            ratio(self.count(|want, got| want == got), self.count(|_, _| true)),
        )?;
        let (timed, exact) = self.exact;
        writeln!(
            out,
            "times told {}, understood {}; in seconds {timed}, exact {exact}; invented {}",
            self.told, self.understood, self.invented
        )
    }
}

#[allow(clippy::cast_precision_loss, reason = "these are counts of texts")]
fn ratio(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}
