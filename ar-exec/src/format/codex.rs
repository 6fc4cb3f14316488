//! `codex exec --json`.

use super::dialect::{Dialect, Text};
use super::outcome::{Outcome, count};
use ar_core::record::Usage;

/// The object at hand.
#[derive(Debug, Default)]
pub struct Codex {
    kind: String,
    item: String,
    message: String,
    input: u64,
    usage: Usage,
}

impl Dialect for Codex {
    fn is_text(&self, path: &str) -> bool {
        path == "item.text"
    }

    fn field(&mut self, path: &str, value: &str, outcome: &mut Outcome) {
        match path {
            "type" => value.clone_into(&mut self.kind),
            "thread_id" => outcome.session(value),
            "item.type" => value.clone_into(&mut self.item),
            "message" | "error.message" => value.clone_into(&mut self.message),
            "usage.input_tokens" => self.input = count(value),
            "usage.cached_input_tokens" => self.usage.cache_read_tokens = count(value),
            "usage.cache_write_input_tokens" => self.usage.cache_write_tokens = count(value),
            "usage.output_tokens" => self.usage.output_tokens = count(value),
            "usage.reasoning_output_tokens" => self.usage.reasoning_tokens = count(value),
            _ => {}
        }
    }

    fn end(&mut self, outcome: &mut Outcome) -> Text {
        let object = std::mem::take(self);
        match object.kind.as_str() {
            "turn.started" => outcome.turn(),
            "turn.completed" => {
                let usage = object.usage;
                let cached = usage.cache_read_tokens + usage.cache_write_tokens;
                let input_tokens = object.input.saturating_sub(cached);
                outcome.usage = Some(Usage { input_tokens, since_session: true, ..usage });
                outcome.error = None;
            }
            // It says so each time that it tries again, too; then this is not the end.
            "error" if !object.message.starts_with("Reconnecting") => {
                outcome.fail("error", &object.message, None, None);
            }
            "turn.failed" => outcome.fail("turn_failed", &object.message, None, None),
            "item.completed" => match object.item.as_str() {
                "agent_message" => return Text::Message,
                "command_execution" | "file_change" | "mcp_tool_call" | "web_search" => outcome.tools(1),
                _ => {}
            },
            _ => {}
        }
        Text::Nothing
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}
