//! `copilot --output-format json`, which tells no tokens, and the file of `--usage-output-file`, which does.

use super::dialect::{Dialect, Text};
use super::outcome::{Outcome, number_after, seconds, status};
use ar_core::Stamp;
use ar_core::record::Usage;
use serde_json::Value;

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

/// The tokens that the file tells, since the session began. Its input includes the cache, whatever the provider's API.
pub fn usage(file: &[u8]) -> Option<Usage> {
    let told: Value = serde_json::from_slice(file).ok()?;
    let mut sum = Usage { since_session: true, ..Usage::default() };
    for model in told["modelMetrics"].as_object()?.values() {
        let count = |name| model["usage"][name].as_u64().unwrap_or(0);
        let (cache_read_tokens, cache_write_tokens) = (count("cacheReadTokens"), count("cacheWriteTokens"));
        let cached = cache_read_tokens.saturating_add(cache_write_tokens);
        sum.add(&Usage {
            input_tokens: count("inputTokens").saturating_sub(cached),
            output_tokens: count("outputTokens"),
            reasoning_tokens: count("reasoningTokens"),
            cache_read_tokens,
            cache_write_tokens,
            ..Usage::default()
        });
    }
    Some(sum)
}
