//! `copilot --output-format json`, which tells no tokens.

use super::dialect::{Dialect, Text};
use super::outcome::{Outcome, number_after, seconds, status};
use ar_core::Stamp;

/// What is known from the objects so far.
#[derive(Debug, Default)]
pub struct Copilot {
    object: Object,
    /// When the limit ends that the provider's own answer told.
    resets_at: Option<Stamp>,
}

#[derive(Debug, Default)]
struct Object {
    kind: String,
    error: String,
    message: String,
    provider_message: String,
    status: Option<u16>,
    tools: u64,
}

impl Dialect for Copilot {
    fn is_text(&self, path: &str) -> bool {
        matches!(path, "data.content" | "data.deltaContent")
    }

    fn field(&mut self, path: &str, value: &str, outcome: &mut Outcome) {
        let object = &mut self.object;
        match path {
            "type" => value.clone_into(&mut object.kind),
            "sessionId" => outcome.session(value),
            "data.toolRequests.*.name" => object.tools += 1,
            "data.errorType" => value.clone_into(&mut object.error),
            "data.message" => value.clone_into(&mut object.message),
            "data.errorMessage" => value.clone_into(&mut object.provider_message),
            "data.statusCode" => object.status = status(value),
            _ => {}
        }
    }

    fn end(&mut self, outcome: &mut Outcome) -> Text {
        let object = std::mem::take(&mut self.object);
        match object.kind.as_str() {
            "assistant.turn_start" => outcome.turn(),
            "assistant.message_delta" => return Text::Piece,
            "assistant.message" => {
                outcome.tools(object.tools);
                outcome.error = None;
                return Text::Message;
            }
            "model.call_failure" => {
                self.resets_at = number_after(&object.provider_message, "resets_at").and_then(seconds);
            }
            "session.error" => {
                outcome.fail(&object.error, &object.message, object.status, self.resets_at);
            }
            _ => {}
        }
        Text::Nothing
    }

    fn forget(&mut self) {
        self.object = Object::default();
    }
}
