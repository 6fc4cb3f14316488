//! `llm --json`: an array of responses. Its errors are on standard error, in words.

use super::dialect::{Dialect, Text};
use super::outcome::{Outcome, count};
use ar_core::record::Usage;

/// The object at hand.
#[derive(Debug, Default)]
pub struct Llm {
    input: u64,
    output: u64,
    cached: u64,
    reasoning: u64,
    tools: u64,
}

impl Dialect for Llm {
    fn is_text(&self, path: &str) -> bool {
        path == "response"
    }

    fn field(&mut self, path: &str, value: &str, outcome: &mut Outcome) {
        match path {
            "conversation_id" => outcome.session(value),
            "input_tokens" => self.input = count(value),
            "output_tokens" => self.output = count(value),
            "tool_calls.*.name" => self.tools += 1,
            "response_json.usage.prompt_tokens_details.cached_tokens" => self.cached = count(value),
            "response_json.usage.completion_tokens_details.reasoning_tokens" => self.reasoning = count(value),
            _ => {}
        }
    }

    fn end(&mut self, outcome: &mut Outcome) -> Text {
        let object = std::mem::take(self);
        outcome.turn();
        outcome.tools(object.tools);
        outcome.used(&Usage {
            input_tokens: object.input.saturating_sub(object.cached),
            output_tokens: object.output,
            reasoning_tokens: object.reasoning,
            cache_read_tokens: object.cached,
            ..Usage::default()
        });
        Text::Message
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}
