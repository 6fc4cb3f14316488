//! What a model that drives the set-up may say: ar-setup-protocol(5).

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The protocol as a JSON schema.
pub const SCHEMA: &str = include_str!("../../templates/setup-protocol.json");
/// The most actions in one answer.
pub const MOST_ACTIONS: usize = 10;

/// One answer of the model.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    actions: Vec<Action>,
}

/// Something that the model wants done.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "action", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Action {
    /// Tell the person something.
    Say { text: String },
    /// Ask the person.
    Ask { form: Vec<Field> },
    /// Run a program.
    Run { argv: Vec<String> },
    /// Write a file of the configuration.
    Write { path: String, content: String },
    /// Send a tiny prompt through a model.
    Test { model: String, provider: Option<String> },
    /// Have the person log in.
    Login { agent: String, directory: Option<String> },
    /// Note something for the next set-up.
    Remember { text: String },
    /// End.
    Done { text: Option<String> },
}

/// One question of a form.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Field {
    /// A line.
    Text { name: String, question: String, default: Option<String> },
    /// A line that nobody sees.
    Secret { name: String, question: String, variable: String },
    /// One of several.
    Choice { name: String, question: String, options: Vec<String> },
    /// Any of several.
    MultiChoice { name: String, question: String, options: Vec<String> },
    /// Yes or no.
    Confirm { name: String, question: String, default: Option<bool> },
}

/// Reads an answer. The JSON object may stand in a sentence or a fence, because models like to put it there.
pub fn parse(answer: &str) -> Result<Vec<Action>, String> {
    let start = answer.find('{').ok_or("there is no JSON object in the answer")?;
    let text = answer.get(start..).unwrap_or("");
    let first = serde_json::Deserializer::from_str(text).into_iter::<Value>().next();
    let value = first.ok_or("there is no JSON object in the answer")?.map_err(|error| error.to_string())?;
    let answer: Answer =
        serde_json::from_value(value).map_err(|error| error.to_string().replace('`', "'"))?;
    match answer.actions.len() {
        0 => Err("'actions' is empty".to_owned()),
        1..=MOST_ACTIONS => Ok(answer.actions),
        many => Err(format!("{many} actions are more than {MOST_ACTIONS}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_is_found_in_what_stands_around_it() {
        for text in [
            r#"{"actions":[{"action":"done"}]}"#,
            "Sure!\n```json\n{\"actions\":[{\"action\":\"done\"}]}\n```\nAnything else?",
        ] {
            assert_eq!(parse(text), Ok(vec![Action::Done { text: None }]), "{text}");
        }
    }

    #[test]
    fn what_is_not_of_the_protocol_is_refused() {
        for (text, wrong) in [
            ("no", "there is no JSON object in the answer"),
            ("{\"actions\":", "EOF"),
            (r#"{"actions":[]}"#, "'actions' is empty"),
            (r#"{"actions":[{"action":"shell","command":"x"}]}"#, "unknown variant 'shell'"),
            (r#"{"actions":[{"action":"say","text":"x","more":1}]}"#, "unknown field 'more'"),
            (r#"{"actions":[{"action":"run","argv":"ls"}]}"#, "invalid type"),
            (
                r#"{"actions":[{"action":"ask","form":[{"kind":"file","name":"n"}]}]}"#,
                "unknown variant 'file'",
            ),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(wrong), "{text}: {error}");
        }
        let many = format!("{{\"actions\":[{}]}}", [r#"{"action":"done"}"#; 11].join(","));
        assert!(parse(&many).unwrap_err().contains("more than 10"));
    }

    #[test]
    fn the_published_schema_is_what_is_read() {
        let schema: Value = serde_json::from_str(SCHEMA).unwrap();
        assert_eq!(schema["properties"]["actions"]["maxItems"], MOST_ACTIONS);
        for (kind, tag) in [("action", "action"), ("field", "kind")] {
            for variant in schema["$defs"][kind]["oneOf"].as_array().unwrap() {
                let properties = variant["properties"].as_object().unwrap();
                assert_eq!(variant["additionalProperties"], false, "{variant}");
                for example in variant["examples"].as_array().unwrap() {
                    let example = example.as_object().unwrap();
                    // The example has every property, is read, and is not read once it has one more.
                    assert_eq!(example.keys().collect::<Vec<_>>(), properties.keys().collect::<Vec<_>>());
                    assert_eq!(example[tag], properties[tag]["const"]);
                    let read = |value: Value| match kind {
                        "action" => serde_json::from_value::<Action>(value).is_ok(),
                        _ => serde_json::from_value::<Field>(value).is_ok(),
                    };
                    assert!(read(example.clone().into()), "{example:?}");
                    for name in variant["required"].as_array().unwrap() {
                        let mut less = example.clone();
                        less.remove(name.as_str().unwrap());
                        assert!(!read(less.into()), "{name} is required in {example:?}");
                    }
                }
            }
        }
    }
}
