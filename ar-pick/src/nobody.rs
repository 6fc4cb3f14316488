//! What to say when no provider can serve.

use crate::choose::{Candidate, Standing};
use crate::request::Request;
use ar_core::Stamp;
use ar_core::config::Model;
use ar_core::exit;
use ar_core::record::{Class, ToolError};
use std::time::Duration;

/// How many providers are named in the message, whose record must stay small.
const NAMED: usize = 8;
/// The pause before the next look at what ends nobody knows when.
const POLITE: Duration = Duration::from_secs(1);

/// The trouble that rides the pipe: 75 where waiting helps, 69 where a person must act. Where one provider alone may serve,
/// only that one counts.
pub fn explain(request: &Request, model: &Model, candidates: &[Candidate]) -> ToolError {
    let asked: Vec<&Candidate> = candidates
        .iter()
        .filter(|candidate| request.only.is_none_or(|only| candidate.name == only))
        .collect();
    let retry_at = asked.iter().filter_map(|candidate| comes_back(candidate, request.now)).min();
    let excluded = asked.iter().any(|candidate| candidate.excluded && candidate.in_service());
    let mut words: Vec<String> =
        asked.iter().map(|candidate| format!("{} {}", candidate.name, word(candidate))).collect();
    if words.len() > NAMED {
        let more = words.len() - NAMED;
        words.truncate(NAMED);
        words.push(format!("{more} more"));
    }
    let words = words.join(", ");
    let message = match &request.bound_by {
        Some(session) => format!("{session} of model '{}' cannot go on: {words}", model.name),
        None => format!("no provider of model '{}' can serve: {words}", model.name),
    };
    let hint = match retry_at {
        Some(at) => format!("the next is free at {at}; 'ar run --wait' waits for it"),
        None if excluded => "leave out --exclude or --provider".to_owned(),
        None => {
            format!("'ar pick -m {} --explain' tells more; --reset, --enable and --unlock help", model.name)
        }
    };
    ToolError {
        tool: crate::NAME.to_owned(),
        message,
        code: if retry_at.is_some() { exit::LATER } else { exit::UNAVAILABLE },
        hint: Some(hint),
        retry_at,
        excluded,
    }
}

/// The trouble of one that could be served, were there not others who came first.
pub fn behind(model: &Model, now: Stamp) -> ToolError {
    ToolError {
        tool: crate::NAME.to_owned(),
        message: format!("no provider of model '{}' can serve: others wait for one in line", model.name),
        code: exit::LATER,
        hint: Some("'ar run --wait' stands in line, too".to_owned()),
        retry_at: Some(now.plus(POLITE)),
        excluded: false,
    }
}

/// When a provider can serve again without a person's help. One that the caller leaves out because it failed just now counts,
/// too: it is the next call's.
fn comes_back(candidate: &Candidate, now: Stamp) -> Option<Stamp> {
    match candidate.standing {
        Standing::Cooling(class, at) if !needs_a_person(class) => Some(at),
        Standing::Probing(_, at) | Standing::Spent(_, at) | Standing::LockedOut(_, Some(at)) => Some(at),
        // A lease says when it ends at the latest, not when.
        Standing::Full | Standing::AccountFull => Some(now.plus(POLITE)),
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
        Standing::SwitchedOff => "is switched off".to_owned(),
        Standing::LockedOut(other, None) => format!("makes way for {other}, to which the model is locked"),
        Standing::LockedOut(other, Some(at)) => {
            format!("makes way for {other}, to which the model is locked until {at}")
        }
        Standing::Full => "is full".to_owned(),
        Standing::AccountFull => "has a full account".to_owned(),
        Standing::Cooling(class, at) => format!("cools until {at} ({})", class.name()),
        Standing::Probing(class, _) => format!("is being tried out after {}", class.name()),
        Standing::Spent(window, at) => format!("has used up its quota of {window} until {at}"),
    }
}
