//! Trying the rules of a file on the texts that stand beside them.

use crate::evidence::Evidence;
use crate::find::hits;
use crate::judge::judge;
use crate::library::{Problem, Written};
use crate::rule::{Rule, Time};
use ar_core::Stamp;
use ar_core::record::Class;
use std::path::Path;

/// Fewer examples than this do not show what a rule stands for.
const EXAMPLES: usize = 2;

/// Tells what the rules of a file get wrong; `rules` are all that hold, these included.
pub fn problems(file: &Path, written: &[Written], rules: &[Rule], now: Stamp) -> Vec<Problem> {
    let mut problems = Vec::new();
    for entry in written {
        let mut tell = |message: String| {
            problems.push(Problem {
                file: file.to_path_buf(),
                line: entry.line,
                message: format!("rule '{}': {message}", name(&entry.rule)),
            });
        };
        if entry.examples.len() < EXAMPLES {
            tell(format!("it has {} of {EXAMPLES} examples", entry.examples.len()));
        }
        if entry.lookalikes.is_empty() {
            tell("it has no lookalike".to_owned());
        }
        let tells = |example: &String| judge(&evidence(example), rules, now).diagnosis.retry_at.is_some();
        if entry.rule.time == Time::Match && !entry.examples.iter().any(tells) {
            tell("none of its examples tells a time in the group 'time'".to_owned());
        }
        for example in &entry.examples {
            if let Some(message) = wrong_example(entry, example, rules, now) {
                tell(message);
            }
        }
        for lookalike in &entry.lookalikes {
            if matches_rule(&entry.rule, lookalike) {
                tell(format!("it matches the lookalike '{lookalike}'"));
            }
        }
    }
    problems
}

fn name(rule: &Rule) -> &str {
    rule.id.split_once('/').map_or(&*rule.id, |(_, id)| id)
}

fn wrong_example(entry: &Written, example: &str, rules: &[Rule], now: Stamp) -> Option<String> {
    if !matches_rule(&entry.rule, example) {
        return Some(format!("it does not match the example '{example}'"));
    }
    let judgement = judge(&evidence(example), rules, now);
    let class = judgement.diagnosis.class;
    // A window that is told beside the words may turn a throttle into a quota and back.
    let windowed = |class| matches!(class, Some(Class::RateLimit | Class::QuotaExhausted));
    if class == Some(entry.rule.class)
        || (judgement.diagnosis.retry_at.is_some() && windowed(class) && windowed(Some(entry.rule.class)))
    {
        return None;
    }
    let class = class.map_or("ok", Class::name);
    Some(format!("the example '{example}' is judged {class} by {}", judgement.diagnosis.by))
}

fn evidence(text: &str) -> Evidence {
    Evidence { text: text.as_bytes().to_vec(), ..Evidence::default() }
}

fn matches_rule(rule: &Rule, text: &str) -> bool {
    let mut page = crate::clean::Page::default();
    page.add(text.as_bytes(), crate::rule::Where::Any);
    !hits(&page, std::slice::from_ref(rule), None).is_empty()
}
