//! JSON that a CLI or an API printed: of it, only what speaks of an error is kept.

use serde_json::{Map, Value};
use std::borrow::Cow;
use std::fmt::Write;

/// Nested deeper, it is not an error's body.
const DEPTH: usize = 8;
/// So much of an error's body is kept.
const BODY_BYTES: usize = 3000;

/// What the line says: itself where it is no JSON, the error's fields where it is an error, none where it is an event
/// of another kind.
pub fn said(line: &str) -> Option<Cow<'_, str>> {
    let text = line.trim();
    if !text.starts_with('{') && !text.starts_with("[{") {
        return Some(line.into());
    }
    match serde_json::from_str::<Value>(text) {
        Err(_) => Some(line.into()),
        Ok(Value::Object(map)) => object(&map).map(Cow::Owned),
        Ok(Value::Array(items)) => {
            let said: Vec<String> = items.iter().filter_map(|item| object(item.as_object()?)).collect();
            (!said.is_empty()).then(|| said.join(" ").into())
        }
        Ok(_) => None,
    }
}

fn object(map: &Map<String, Value>) -> Option<String> {
    let text = |name: &str| map.get(name).and_then(Value::as_str);
    match text("type") {
        Some("result") => {
            let failed = map.get("is_error").and_then(Value::as_bool).unwrap_or(false)
                || text("subtype").is_some_and(|kind| kind.starts_with("error"))
                || text("status") == Some("error")
                || map.get("error").is_some_and(|error| !error.is_null());
            failed.then(|| {
                picked(
                    map,
                    &[
                        "api_error_status",
                        "api_error_type",
                        "api_error",
                        "error",
                        "errors",
                        "result",
                        "message",
                    ],
                )
            })
        }
        Some("rate_limit_event") => {
            let event = map.get("rate_limit_info")?;
            (event.get("status").and_then(Value::as_str) == Some("rejected"))
                .then(|| whole("rate_limit_event", event))
        }
        Some("assistant") => {
            let made_up = map.get("message").and_then(|m| m.get("model")).and_then(Value::as_str)
                == Some("<synthetic>");
            (made_up || map.get("error").is_some_and(|error| !error.is_null())).then(|| {
                picked(map, &["error", "api_error_status", "api_error_type", "api_error", "message"])
            })
        }
        Some("item.completed") => {
            let item = map.get("item")?;
            (item.get("type").and_then(Value::as_str) == Some("error")).then(|| whole("", item))
        }
        // The CLI goes on trying: the last attempt tells.
        Some("system" | "user" | "stream_event" | "tool_use" | "tool_result" | "message" | "text") => None,
        _ => speaks_of_an_error(map).then(|| whole("", &Value::Object(map.clone()))),
    }
}

fn speaks_of_an_error(map: &Map<String, Value>) -> bool {
    let filled = |name: &str| map.get(name).is_some_and(|value| !value.is_null() && value != false);
    let level = map.get("level").and_then(Value::as_str).unwrap_or("");
    let kind = map.get("type").and_then(Value::as_str).unwrap_or("");
    ["error", "errors", "detail", "fault", "Error", "errorMessage", "__type"].iter().any(|name| filled(name))
        || [kind, map.get("name").and_then(Value::as_str).unwrap_or("")]
            .iter()
            .any(|name| names_an_error(name))
        || kind.contains("failed")
        || matches!(level, "error" | "ERROR" | "fatal")
        || (filled("message")
            && ["code", "status", "statusCode", "error_code", "type"].iter().any(|name| filled(name)))
}

/// `error`, `response.error`, `UnknownError`, `ThrottlingException`.
fn names_an_error(name: &str) -> bool {
    name.contains("error") || name.ends_with("Error") || name.ends_with("Exception")
}

fn picked(map: &Map<String, Value>, names: &[&str]) -> String {
    let mut out = String::new();
    for name in names {
        if let Some(value) = map.get(*name) {
            flatten(&mut out, name, value, DEPTH);
        }
    }
    out
}

fn whole(head: &str, value: &Value) -> String {
    let mut out = String::new();
    flatten(&mut out, head, value, DEPTH);
    out
}

/// Writes `key: value` for every scalar; a text that holds JSON is opened.
fn flatten(out: &mut String, name: &str, value: &Value, depth: usize) {
    if out.len() > BODY_BYTES || depth == 0 {
        return;
    }
    match value {
        Value::Null => {}
        Value::Object(map) => map.iter().for_each(|(name, value)| flatten(out, name, value, depth - 1)),
        Value::Array(items) => items.iter().for_each(|item| flatten(out, name, item, depth - 1)),
        Value::String(text) => {
            let inner = text
                .trim_start()
                .starts_with(['{', '['])
                .then(|| serde_json::from_str::<Value>(text).ok())
                .flatten();
            match inner {
                Some(value) => flatten(out, name, &value, depth - 1),
                None => scalar(out, name, text),
            }
        }
        value => scalar(out, name, &value.to_string()),
    }
}

fn scalar(out: &mut String, name: &str, text: &str) {
    let cut = text.floor_char_boundary(BODY_BYTES);
    let text = text.get(..cut).unwrap_or("");
    let gap = if out.is_empty() { "" } else { " · " };
    // What the API says stands as a line of its own would: rules anchored at a line's start hold for it.
    let done = if matches!(name, "message" | "result" | "text" | "detail") && out.is_empty() {
        write!(out, "{text}")
    } else {
        write!(out, "{gap}{name}: {text}")
    };
    // Writing to a String cannot fail.
    let _ = done;
}
