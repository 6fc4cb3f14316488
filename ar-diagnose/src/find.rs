//! Which rules match which lines.

use crate::chain;
use crate::clean::{Line, Page};
use crate::grams::Grams;
use crate::rule::{Pattern, Rule, Where};
use memchr::memmem;
use regex_automata::meta::{BuildError, Regex};
use regex_automata::util::{captures::Captures, syntax};
use regex_automata::{Anchored, Input};
use std::collections::HashMap;

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
    /// Where the pattern's group `time` lies, if it has one that matched.
    pub time: Option<(usize, usize)>,
}

/// Finds all matches, one for each rule and line, in no particular order.
///
/// `cli` is the family of the command that was run, where it is known.
pub fn hits<'r>(page: &Page, rules: &'r [Rule], cli: Option<&str>) -> Vec<Hit<'r>> {
    let grams = Grams::of(page.lower.as_bytes());
    let mut compiled = Compiled::default();
    let mut hits: Vec<Hit> = Vec::new();
    for (order, rule) in rules.iter().enumerate() {
        if !applies(rule, cli, rules) {
            continue;
        }
        for pattern in rule.patterns.iter() {
            for index in lines_with(pattern, page, &grams) {
                let Some(line) = page.lines.get(index) else { continue };
                let text = page.lower_line(*line);
                if !looks_there(rule, *line) {
                    continue;
                }
                let Some(found) = compiled.find(pattern, text, cli) else { continue };
                let hit = Hit {
                    rule,
                    order,
                    line: index,
                    start: line.start + found.start,
                    end: line.start + found.end,
                    time: found.time.map(|(start, end)| (line.start + start, line.start + end)),
                };
                // What stands before a match tells whether it is an error's words: the first match of all patterns counts.
                if let Some(seen) =
                    hits.iter_mut().rev().find(|seen| seen.order == order && seen.line == index)
                {
                    if hit.start < seen.start {
                        *seen = hit;
                    }
                } else if !rule.unless.iter().any(|pattern| compiled.find(pattern, text, cli).is_some()) {
                    hits.push(hit);
                }
            }
        }
    }
    hits
}

/// The lines that hold a word of the pattern's telling link, or all where it has none.
fn lines_with(pattern: &Pattern, page: &Page, grams: &Grams) -> Vec<usize> {
    let Some(telling) = pattern.chain.get(pattern.telling) else { return (0..page.lines.len()).collect() };
    if !pattern.chain.iter().all(|link| link.words.iter().any(|word| grams.may_hold(word.as_bytes()))) {
        return Vec::new();
    }
    let mut lines: Vec<usize> = Vec::new();
    for word in telling.words.iter().filter(|word| grams.may_hold(word.as_bytes())) {
        let found = memmem::find_iter(page.lower.as_bytes(), word.as_bytes());
        for index in found.filter_map(|at| page.line_at(at)) {
            if lines.last() != Some(&index) {
                lines.push(index);
            }
        }
    }
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// Where a pattern matched a line.
struct Found {
    start: usize,
    end: usize,
    time: Option<(usize, usize)>,
}

/// The patterns that were compiled, each once: several rules share some.
#[derive(Default)]
struct Compiled<'p> {
    regexes: HashMap<&'p str, Option<Regex>>,
}

impl<'p> Compiled<'p> {
    /// The first match in a line. A match whose group `cmd` names a command counts when that is the one that was run.
    fn find(&mut self, pattern: &'p Pattern, line: &str, cli: Option<&str>) -> Option<Found> {
        let bytes = line.as_bytes();
        if pattern.plain {
            let words = &pattern.chain.first()?.words;
            let at = |word: &str| memmem::find(bytes, word.as_bytes()).map(|at| (at, at + word.len()));
            let (start, end) = words.iter().filter_map(|word| at(word)).min()?;
            return Some(Found { start, end, time: None });
        }
        let from = chain::earliest(pattern, bytes)?;
        // The rules that are compiled in are tested, and the user's are checked as they are read.
        let regex = self.regexes.entry(&pattern.source).or_insert_with(|| compile(&pattern.source).ok());
        let regex = regex.as_ref()?;
        let anchored = if pattern.anchored { Anchored::Yes } else { Anchored::No };
        let input = Input::new(bytes).range(from..).anchored(anchored);
        if regex.captures_len() == 1 {
            return regex.find(input).map(|found| Found {
                start: found.start(),
                end: found.end(),
                time: None,
            });
        }
        let own = |found: &Captures| {
            let command = found.get_group_by_name("cmd").and_then(|group| line.get(group.range()));
            command.is_none_or(|command| is_own_command(command, cli))
        };
        let found = regex.captures_iter(input).find(own)?;
        let time = found.get_group_by_name("time").map(|group| (group.start, group.end));
        found.get_match().map(|whole| Found { start: whole.start(), end: whole.end(), time })
    }
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

/// Compiles a pattern as all patterns of rules are: over bytes, ASCII classes, `^` and `$` at lines.
///
/// A pattern looks at one or two lines and is gone: engines that are quick on long texts take longer to build than
/// they save, and so do searches for the words of a pattern: that they are there is known.
pub fn compile(source: &str) -> Result<Regex, Box<BuildError>> {
    let engines = Regex::config()
        .hybrid(false)
        .dfa(false)
        .onepass(false)
        .auto_prefilter(false)
        .nfa_size_limit(Some(1 << 20));
    let syntax = syntax::Config::new().unicode(false).utf8(false).multi_line(true);
    Regex::builder()
        .configure(engines)
        .syntax(syntax)
        .build(&crate::needles::expand(source))
        .map_err(Box::new)
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
