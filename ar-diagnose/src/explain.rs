//! `--explain`: every rule that matched, in the order of the lines, and why the winner won.

use crate::judge::Judgement;
use serde::Serialize;

/// A match, as it is explained.
#[derive(Debug, Serialize)]
pub struct Step {
    /// The rule's id.
    pub rule: String,
    /// The class that it stands for.
    pub class: &'static str,
    /// Its rank.
    pub rank: u8,
    /// Which line of the cleaned text, counted from 1.
    pub line: usize,
    /// What the pattern matched.
    pub matched: String,
    /// Whether it decided.
    pub won: bool,
}

/// Lists the matches; `masked` takes out of a text what must not be told.
pub fn steps(judgement: &Judgement, masked: impl Fn(&str) -> String) -> Vec<Step> {
    judgement
        .hits
        .iter()
        .map(|hit| Step {
            rule: hit.rule.id.to_string(),
            class: hit.rule.class.name(),
            rank: hit.rule.rank,
            line: hit.line + 1,
            matched: masked(judgement.page.text.get(hit.start..hit.end).unwrap_or("")),
            won: judgement.winner.is_some_and(|winner| winner.order == hit.order && winner.line == hit.line),
        })
        .collect()
}

/// The matches for people, one a line, and the reason.
pub fn in_words(judgement: &Judgement, masked: impl Fn(&str) -> String) -> String {
    let mut out = String::new();
    for step in steps(judgement, masked) {
        let mark = if step.won { '*' } else { ' ' };
        out.push_str(
            &format_args!(
                "{mark} line {:3}  rank {:2}  {:20}  {:24}  {}\n",
                step.line, step.rank, step.class, step.rule, step.matched
            )
            .to_string(),
        );
    }
    out.push_str(&format_args!("decided by {}: {}\n", judgement.diagnosis.by, judgement.reason).to_string());
    out
}
