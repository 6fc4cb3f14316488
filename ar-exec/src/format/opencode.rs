//! `opencode run --format json`.

use super::dialect::{Dialect, Text};
use super::outcome::{Outcome, cost, count, number_after, seconds, status};
use ar_core::Stamp;
use ar_core::record::Usage;

/// What is known from the objects so far.
#[derive(Debug, Default)]
pub struct Opencode {
    object: Object,
    /// The message of the last text; its parts belong together.
    message_id: String,
    /// Whether the step at hand has said anything.
    has_text: bool,
}

#[derive(Debug, Default)]
struct Object {
    kind: String,
    reason: String,
    message_id: String,
    at: Option<i64>,
    error: String,
    message: String,
    status: Option<u16>,
    retry_after: Option<i64>,
    resets_at: Option<Stamp>,
    cost: Option<f64>,
    usage: Usage,
}

impl Object {
    /// When the provider said to come back: at a time, or in seconds from the answer.
    fn resets_at(&self) -> Option<Stamp> {
        let ms = || self.at?.checked_add(self.retry_after?.checked_mul(1000)?);
        self.resets_at.or_else(|| ms().map(Stamp))
    }
}

impl Dialect for Opencode {
    fn is_text(&self, path: &str) -> bool {
        path == "part.text"
    }

    fn field(&mut self, path: &str, value: &str, outcome: &mut Outcome) {
        let object = &mut self.object;
        match path {
            "type" => value.clone_into(&mut object.kind),
            "sessionID" => outcome.session(value),
            "timestamp" => object.at = value.parse().ok(),
            "part.messageID" => value.clone_into(&mut object.message_id),
            "part.reason" => value.clone_into(&mut object.reason),
            "part.cost" => object.cost = cost(value),
            "part.tokens.input" => object.usage.input_tokens = count(value),
            "part.tokens.output" => object.usage.output_tokens = count(value),
            "part.tokens.reasoning" => object.usage.reasoning_tokens = count(value),
            "part.tokens.cache.read" => object.usage.cache_read_tokens = count(value),
            "part.tokens.cache.write" => object.usage.cache_write_tokens = count(value),
            "error.name" => value.clone_into(&mut object.error),
            "error.data.message" => value.clone_into(&mut object.message),
            "error.data.statusCode" => object.status = status(value),
            "error.data.responseHeaders.retry-after" => object.retry_after = value.parse().ok(),
            "error.data.responseBody" => {
                object.resets_at = number_after(value, "resets_at").and_then(seconds);
            }
            _ => {}
        }
    }

    fn end(&mut self, outcome: &mut Outcome) -> Text {
        let object = std::mem::take(&mut self.object);
        self.has_text |= object.kind == "text";
        match object.kind.as_str() {
            "text" if object.message_id == self.message_id => return Text::More,
            "text" => {
                self.message_id = object.message_id;
                return Text::Message;
            }
            "tool_use" => outcome.tools(1),
            "step_finish" => {
                outcome.turn();
                outcome.error = None;
                let has_text = std::mem::take(&mut self.has_text);
                if has_text && object.reason == "unknown" {
                    // It does not take the step for the last one either, or ends as if nothing were wrong.
                    outcome.fail("cut", "the stream ended without a finish reason", None, None);
                }
                let step = object.usage;
                let output_tokens = step.output_tokens.saturating_add(step.reasoning_tokens);
                outcome.used(&Usage { output_tokens, cost_usd: object.cost, ..step });
            }
            "error" => {
                outcome.fail(&object.error, &object.message, object.status, object.resets_at());
            }
            _ => {}
        }
        Text::Nothing
    }

    fn forget(&mut self) {
        self.object = Object::default();
    }
}
