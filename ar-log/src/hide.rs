//! Taking secrets out of a record: whatever its fields quote, but not the fields that tools read again.

use crate::redact::Secrets;
use serde_json::{Map, Value};

/// Fields of a record that name it.
const NAMES: [&str; 6] = ["v", "run", "call", "attempt", "model", "dir"];
/// Fields of the tools' own sections that hold names, words of a list and times. A pattern of the configuration that
/// matches these would make a record of it that nobody can read.
const WORDS: [&str; 14] = [
    "provider",
    "account",
    "at",
    "lease_until",
    "started",
    "end",
    "verdict",
    "class",
    "scope",
    "retry_at",
    "retry_from",
    "tool",
    "by",
    "detail",
];
/// The sections in which [`WORDS`] mean that. Elsewhere a caller chooses the names, as in tags.
pub const OF_TOOLS: [&str; 4] = ["pick", "exec", "diagnosis", "error"];

/// Masks the secrets of a whole record.
pub fn record(record: &mut Value, secrets: &Secrets) {
    let Value::Object(fields) = record else { return };
    for (name, value) in fields.iter_mut().filter(|(name, _)| !NAMES.contains(&name.as_str())) {
        if OF_TOOLS.contains(&name.as_str()) {
            texts(value, &WORDS, secrets);
        } else {
            texts(value, &[], secrets);
        }
    }
}

/// Masks every string of a value, names of fields included, but the fields that are `spared`.
pub fn texts(value: &mut Value, spared: &[&str], secrets: &Secrets) {
    match value {
        Value::String(text) => *text = secrets.redact(text),
        Value::Array(values) => values.iter_mut().for_each(|value| texts(value, spared, secrets)),
        Value::Object(fields) => {
            let clean = std::mem::take(fields).into_iter().map(|(name, mut value)| {
                if spared.contains(&name.as_str()) {
                    return (name, value);
                }
                texts(&mut value, spared, secrets);
                (secrets.redact(&name), value)
            });
            *fields = clean.collect::<Map<_, _>>();
        }
        _ => {}
    }
}

/// Masks the strings of a JSON text, such as a column keeps. What is no JSON stays, for whoever reads it to tell.
pub fn json(text: &mut String, secrets: &Secrets) {
    if secrets.find(text).is_empty() {
        return;
    }
    if let Ok(mut value) = serde_json::from_str(text) {
        texts(&mut value, &[], secrets);
        *text = value.to_string();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn texts_are_masked_and_what_tools_read_again_is_not() {
        let key = "sk-ant-api03-AbCdEfGhIjKlMnOpQrSt";
        let secrets = Secrets::new(&["20[0-9]{2}".to_owned(), "exit".to_owned()]).unwrap();
        let mut value = json!({"v": 1, "run": "2026", "model": "m2026",
            "pick": {"at": "2026-11-20", "reason": "in 2026"},
            "exec": {"end": "exit", "error": {"message": format!("bad key {key}")}},
            "tags": {"at": "2026", key: "x"}, "session": {"name": key, "id": null}, "theirs": [key, 2026]});
        record(&mut value, &secrets);
        let clean = json!({"v": 1, "run": "2026", "model": "m2026",
            "pick": {"at": "2026-11-20", "reason": "in ***"},
            "exec": {"end": "exit", "error": {"message": "bad key ***"}},
            "tags": {"at": "***", "***": "x"}, "session": {"name": "***", "id": null}, "theirs": ["***", 2026]});
        assert_eq!(value, clean);
    }

    #[test]
    fn a_column_of_json_stays_json() {
        let mut tags = r#"{"k":"a ghp_abcdefghijklmnopqrstuvwxyz0123456789"}"#.to_owned();
        json(&mut tags, &Secrets::default());
        assert_eq!(tags, r#"{"k":"a ***"}"#);
    }
}
