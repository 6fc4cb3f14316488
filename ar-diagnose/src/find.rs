//! Which rules match which lines.

use crate::clean::{Line, Page};
use crate::rule::{Pattern, Rule, Where};
use memchr::memmem;
use regex::bytes::{Regex, RegexBuilder};

/// A rule that matches a line.
#[derive(Debug, Clone, Copy)]
pub struct Hit<'r> {
    /// The rule.
    pub rule: &'r Rule,
    /// Its place among the rules: the earlier one wins a tie.
    pub order: usize,
    /// Which line of the page.
    pub line: usize,
    /// Offset of the match's first byte in the page.
    pub start: usize,
    /// Offset behind the match.
    pub end: usize,
}

/// Finds all matches, one for each rule and line, in no particular order.
///
/// `cli` is the family of the command that was run, where it is known.
pub fn hits<'r>(page: &Page, rules: &'r [Rule], cli: Option<&str>) -> Vec<Hit<'r>> {
    let mut hits = Vec::new();
    for (order, rule) in rules.iter().enumerate() {
        if !applies(rule, cli, rules) {
            continue;
        }
        let mut spans = Vec::new();
        for pattern in rule.patterns.iter() {
            find(pattern, &page.lower, &mut spans);
        }
        let first = hits.len();
        for (start, end, command) in spans {
            let Some(index) = page.line_at(start) else { continue };
            let Some(line) = page.lines.get(index) else { continue };
            let seen = hits.get(first..).unwrap_or(&[]).iter().any(|hit: &Hit| hit.line == index);
            if seen || !looks_there(rule, *line) || voided(rule, page.lower_line(*line)) {
                continue;
            }
            if command.is_some_and(|(a, b)| !is_own_command(page.lower.get(a..b).unwrap_or(""), cli)) {
                continue;
            }
            hits.push(Hit { rule, order, line: index, start, end });
        }
    }
    hits
}

/// A rule of one CLI is left out when another one that has rules of its own was run.
fn applies(rule: &Rule, cli: Option<&str>, rules: &[Rule]) -> bool {
    let Some(cli) = cli else { return true };
    rule.cli.is_empty()
        || rule.cli.iter().any(|name| name == cli)
        || !rules.iter().any(|rule| rule.cli.iter().any(|name| name == cli))
}

fn looks_there(rule: &Rule, line: Line) -> bool {
    matches!(rule.stream, Where::Any) || matches!(line.stream, Where::Any) || rule.stream == line.stream
}

fn voided(rule: &Rule, line: &str) -> bool {
    let mut spans = Vec::new();
    rule.unless.iter().any(|pattern| {
        find(pattern, line, &mut spans);
        !spans.is_empty()
    })
}

/// Start, end, and the span of the group `cmd`.
type Span = (usize, usize, Option<(usize, usize)>);

fn find(pattern: &Pattern, text: &str, spans: &mut Vec<Span>) {
    let bytes = text.as_bytes();
    if pattern.plain {
        for word in pattern.words.iter() {
            spans.extend(memmem::find_iter(bytes, word.as_bytes()).map(|at| (at, at + word.len(), None)));
        }
        return;
    }
    let possible = pattern.words.is_empty()
        || pattern.words.iter().any(|word| memmem::find(bytes, word.as_bytes()).is_some());
    if !possible {
        return;
    }
    // The rules that are compiled in are tested, and the user's are checked as they are read.
    let Ok(regex) = compile(&pattern.source) else { return };
    if regex.captures_len() > 1 {
        spans.extend(regex.captures_iter(bytes).filter_map(|found| {
            let whole = found.get(0)?;
            Some((whole.start(), whole.end(), found.name("cmd").map(|group| (group.start(), group.end()))))
        }));
    } else {
        spans.extend(regex.find_iter(bytes).map(|found| (found.start(), found.end(), None)));
    }
}

/// Compiles a pattern as all patterns of rules are: over bytes, ASCII classes, `^` and `$` at lines.
pub fn compile(source: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&crate::needles::expand(source))
        .unicode(false)
        .multi_line(true)
        .size_limit(1 << 20)
        .build()
}

/// The commands of the agents that are known; a rule about a missing command speaks of these alone.
const AGENTS: [&str; 30] = [
    "aider",
    "amp",
    "auggie",
    "claude",
    "cline",
    "cn",
    "codebuff",
    "codex",
    "continue",
    "copilot",
    "crush",
    "cursor",
    "cursor-agent",
    "droid",
    "forge",
    "gemini",
    "goose",
    "gptme",
    "grok",
    "interpreter",
    "kilo",
    "kimi",
    "kiro-cli",
    "llm",
    "mods",
    "opencode",
    "pi",
    "plandex",
    "qwen",
    "vibe",
];

/// Whether a command that is missing is the one that was run, and not one that the task wanted.
fn is_own_command(command: &str, cli: Option<&str>) -> bool {
    let command = command.rsplit('/').next().unwrap_or(command);
    let family = family(command);
    match cli {
        Some(cli) => family == cli || command == cli,
        None => AGENTS.contains(&family),
    }
}

/// The family that a command belongs to: its base name in lower case without the number of an account.
pub fn family(command: &str) -> &str {
    let base = command.rsplit('/').next().unwrap_or(command);
    let base = base.trim_end_matches(|c: char| c.is_ascii_digit());
    base.trim_end_matches(['-', '_'])
}
