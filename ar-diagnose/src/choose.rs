//! Of all matches, the one that decides.

use crate::clean::Page;
use crate::find::Hit;
use crate::rule::Claims;

/// From this rank on a rule knows the very message; below, it goes by general signs.
const SPECIFIC: u8 = 40;
/// Below this rank a rule only guesses.
const GUESS: u8 = 20;

/// The match that decides: in each line the highest rank; of the lines, the last that knows the message and is the
/// CLI's last word.
pub fn choose<'r>(page: &Page, hits: &[Hit<'r>]) -> (Option<Hit<'r>>, &'static str) {
    let report_ends = hits.iter().filter(|hit| hit.rule.claims == Claims::Text).map(|hit| hit.line).max();
    let mut best: Vec<Hit> = Vec::new();
    for hit in hits {
        if best.last().is_none_or(|last| last.line != hit.line) {
            best.push(*hit);
        }
    }
    let is_task = |hit: &Hit| hit.rule.claims != Claims::Nothing;
    let reported = |hit: &Hit| report_ends.is_some_and(|end| hit.line < end) && hit.rule.rank < 90;
    let transient = |hit: &Hit| page.lines.get(hit.line).is_some_and(|line| line.transient);
    let last = |from: u8, below: u8, goes_on: bool| {
        best.iter()
            .rev()
            .find(|hit| {
                (from..below).contains(&hit.rule.rank)
                    && !is_task(hit)
                    && !reported(hit)
                    && transient(hit) == goes_on
            })
            .copied()
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
    let task = best.iter().rev().find(|hit| is_task(hit)).copied();
    (task, if task.is_some() { "the task's own output" } else { "no rule matches" })
}
