//! What to say when no provider can serve.

use crate::choose::{Candidate, Standing};
use ar_core::Stamp;
use ar_core::config::Model;
use ar_core::exit;
use ar_core::record::{Class, ToolError};

/// How many providers are named in the message, whose record must stay small.
const NAMED: usize = 8;

/// The trouble that rides the pipe: 75 where waiting helps, 69 where a person must act.
pub fn explain(model: &Model, candidates: &[Candidate], now: Stamp) -> ToolError {
    let retry_at = candidates.iter().filter_map(|candidate| comes_back(candidate, now)).min();
    let excluded =
        candidates.iter().any(|c| c.excluded && matches!(c.standing, Standing::Ready | Standing::Probe(_)));
    let mut words: Vec<String> = candidates
        .iter()
        .filter_map(|candidate| {
            Some(format!("{} {}", model.providers.get(candidate.index)?.name, word(candidate)))
        })
        .collect();
    if words.len() > NAMED {
        let more = words.len() - NAMED;
        words.truncate(NAMED);
        words.push(format!("{more} more"));
    }
    let hint = match retry_at {
        Some(at) => format!("the next is free at {at}; 'ar run --wait' waits for it"),
        None if excluded => "leave out --exclude or --provider".to_owned(),
        None => format!("mend the cause, then 'ar pick -m {} --reset PROVIDER'", model.name),
    };
    ToolError {
        tool: crate::NAME.to_owned(),
        message: format!("no provider of model '{}' can serve: {}", model.name, words.join(", ")),
        code: if retry_at.is_some() { exit::LATER } else { exit::UNAVAILABLE },
        hint: Some(hint),
        retry_at,
        excluded,
    }
}

/// When a provider can serve again without a person's help.
fn comes_back(candidate: &Candidate, now: Stamp) -> Option<Stamp> {
    match candidate.standing {
        Standing::Cooling(class, at) if !needs_a_person(class) => Some(at),
        Standing::Probing(_, at) => Some(at),
        // A lease says when it ends at the latest, not when; a second is a polite pause before the next look.
        Standing::Full => Some(now.plus(std::time::Duration::from_secs(1))),
        _ => None,
    }
}

fn needs_a_person(class: Class) -> bool {
    matches!(class, Class::AuthExpired | Class::CliVersionMismatch)
}

/// How a candidate stands, in words.
pub fn word(candidate: &Candidate) -> String {
    match &candidate.standing {
        Standing::Ready | Standing::Probe(_) if candidate.excluded => "is excluded".to_owned(),
        Standing::Ready => "is ready".to_owned(),
        Standing::Probe(class) => format!("may be tried out after {}", class.name()),
        Standing::Disabled => "is disabled".to_owned(),
        Standing::Full => "is full".to_owned(),
        Standing::Cooling(class, at) => format!("cools until {at} ({})", class.name()),
        Standing::Probing(class, _) => format!("is being tried out after {}", class.name()),
    }
}
