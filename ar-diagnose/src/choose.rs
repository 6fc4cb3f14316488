//! Of all matches, the one that decides.

use crate::clean::Page;
use crate::find::Hit;
use crate::rule::Claims;

/// From this rank on a rule knows the very message; below, it goes by general signs.
const SPECIFIC: u8 = 40;
/// Below this rank a rule only guesses.
const GUESS: u8 = 20;
/// From this rank on nothing but the rank counts: these are the rules of a user who knows.
const TRUSTED: u8 = 90;
/// A message with so few words before it stands at the start of its line: a name, a subject, a path.
const HEAD_WORDS: usize = 4;
/// The report of a test run goes on for so many lines below the line that gives it away.
const REPORT_LINES: usize = 12;

/// The match that decides: in each line the highest rank; of the lines, the last that knows the message and is the
/// CLI's last word. `hits` are in the order of lines and falling ranks.
pub fn choose<'r>(page: &Page, hits: &[Hit<'r>]) -> (Option<Hit<'r>>, &'static str) {
    let told = best_of_lines(page, hits);
    let last = |from: u8, below: u8, goes_on: bool| {
        let fits = |hit: &&Hit| {
            (from..below).contains(&hit.rule.rank)
                && page.lines.get(hit.line).is_some_and(|line| line.transient == goes_on)
        };
        told.iter().rev().find(fits).copied()
    };
    let tiers = [
        (last(SPECIFIC, 100, false), "the last message that is known"),
        (last(SPECIFIC, 100, true), "the last message that is known, though the CLI went on trying"),
        (last(GUESS, SPECIFIC, false), "the last general sign of an error"),
        (last(GUESS, SPECIFIC, true), "the last general sign of an error, though the CLI went on trying"),
        (last(0, GUESS, false), "a guess"),
    ];
    if let Some((hit, reason)) = tiers.iter().find(|(hit, _)| hit.is_some()) {
        return (*hit, reason);
    }
    let task = hits.iter().rev().find(|hit| is_task(hit)).copied();
    (task, if task.is_some() { "the task's own output" } else { "no rule matches" })
}

/// Of each line the match of the highest rank, without those that are not the CLI's words.
fn best_of_lines<'r>(page: &Page, hits: &[Hit<'r>]) -> Vec<Hit<'r>> {
    let report = hits.iter().filter(|hit| hit.rule.claims == Claims::Text).map(|hit| hit.line).max();
    let mut told = Vec::new();
    for line in hits.chunk_by(|a, b| a.line == b.line) {
        let Some(best) = line.first() else { continue };
        let reported = report.is_some_and(|end| best.line <= end + REPORT_LINES);
        let is_own_word = best.rule.rank >= TRUSTED
            || (is_credible(page, line) && (!reported || (best.rule.alone && begins_its_line(page, best))));
        if !is_task(best) && is_own_word {
            told.push(*best);
        }
    }
    told
}

fn is_task(hit: &Hit) -> bool {
    hit.rule.claims != Claims::Nothing
}

/// Whether one of the matches of a line stands where an error stands: at its start, or behind a word that announces it.
/// In the middle of a sentence it is what somebody says about errors.
fn is_credible(page: &Page, line: &[Hit]) -> bool {
    line.iter().filter(|hit| !is_task(hit)).any(|hit| {
        let before = before(page, hit);
        before.split_whitespace().count() <= HEAD_WORDS || announces(before) || is_status(page, hit)
    })
}

/// Whether nothing but the name of an error stands between the line's start and the match.
pub fn begins_its_line(page: &Page, hit: &Hit) -> bool {
    let words = before(page, hit).split(|c: char| !c.is_alphanumeric());
    words.filter(|word| !word.is_empty()).all(|word| matches!(word, "api" | "error"))
}

fn is_status(page: &Page, hit: &Hit) -> bool {
    page.lower.get(hit.start..hit.end).is_some_and(|text| text.starts_with('(') || text.contains("http "))
}

/// The part of the line before the match, in lower case.
fn before<'p>(page: &'p Page, hit: &Hit) -> &'p str {
    let start = page.lines.get(hit.line).map_or(hit.start, |line| line.start);
    page.lower.get(start..hit.start).unwrap_or("")
}

fn announces(before: &str) -> bool {
    // These announce an error wherever they stand.
    const WORDS: [&str; 28] = [
        "error",
        "exception",
        "fail",
        "fatal",
        "warn",
        "http",
        "litellm",
        "sorry",
        "unable",
        "cannot",
        "can't",
        "could not",
        "denied",
        "caused",
        "not valid",
        "invalid",
        "429",
        "401",
        "403",
        "402",
        "503",
        "api",
        "provider",
        "model",
        "llm",
        "tcp",
        "operation",
        "status",
    ];
    // These are words of any sentence; before a colon or the like they are keys.
    const KEYS: [&str; 6] = ["code", "message", "detail", "reason", "request", "attempt"];
    let is_key = |word: &str| {
        before.match_indices(word).any(|(at, _)| {
            let rest = before.get(at + word.len()..).unwrap_or("");
            rest.trim_start_matches(|c: char| c.is_alphanumeric())
                .trim_start()
                .starts_with([':', '=', '"', '\'', '(', '['])
                || rest.trim().is_empty()
        })
    };
    WORDS.iter().any(|word| before.contains(word)) || KEYS.iter().any(|word| is_key(word))
}
