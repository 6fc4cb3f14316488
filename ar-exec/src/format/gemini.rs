//! `gemini -o json` and `-o stream-json`. Neither tells a cost.

use super::dialect::{Dialect, Text};
use super::outcome::{Outcome, count, status};
use ar_core::record::Usage;

/// The one object of `-o json`, on many lines. Where the run fails it is on standard error.
#[derive(Debug, Default)]
pub struct Whole {
    kind: String,
    message: String,
    status: Option<u16>,
    input: Option<u64>,
    prompt: u64,
    usage: Usage,
    turns: u64,
    tools: u64,
}

impl Whole {
    fn tokens(&mut self, name: &str, value: &str) {
        let value = count(value);
        let add = |sum: &mut u64| *sum = sum.saturating_add(value);
        match name {
            "api.totalRequests" => add(&mut self.turns),
            "tokens.input" => add(self.input.get_or_insert(0)),
            "tokens.prompt" => add(&mut self.prompt),
            "tokens.candidates" => add(&mut self.usage.output_tokens),
            "tokens.thoughts" => {
                add(&mut self.usage.output_tokens);
                add(&mut self.usage.reasoning_tokens);
            }
            "tokens.cached" => add(&mut self.usage.cache_read_tokens),
            _ => {}
        }
    }
}

impl Dialect for Whole {
    fn is_text(&self, path: &str) -> bool {
        path == "response"
    }

    fn field(&mut self, path: &str, value: &str, outcome: &mut Outcome) {
        match path {
            "session_id" => outcome.session(value),
            "stats.tools.totalCalls" => self.tools = count(value),
            "error.type" => value.clone_into(&mut self.kind),
            "error.message" => value.clone_into(&mut self.message),
            // Of errors that are not the provider's it is an exit status.
            "error.code" => self.status = status(value).filter(|status| *status >= 400),
            _ => {
                let model = path.strip_prefix("stats.models.").and_then(|path| path.split_once('.'));
                if let Some((_, name)) = model {
                    self.tokens(name, value);
                }
            }
        }
    }

    fn end(&mut self, outcome: &mut Outcome) -> Text {
        let object = std::mem::take(self);
        if !object.message.is_empty() {
            outcome.fail(&object.kind, &object.message, object.status, None);
            return Text::Nothing;
        }
        // Older versions tell no `input`, which is what of the prompt was not cached.
        let cached = object.usage.cache_read_tokens;
        let input = object.input.unwrap_or(object.prompt.saturating_sub(cached));
        outcome.usage = Some(Usage { input_tokens: input, ..object.usage });
        outcome.turns = Some(object.turns);
        outcome.tools(object.tools);
        Text::Final
    }

    fn forget(&mut self) {
        *self = Self::default();
    }
}

/// The objects of `-o stream-json`.
#[derive(Debug, Default)]
pub struct Stream {
    object: Object,
    /// Whether text may still follow on the last message.
    in_message: bool,
    /// The last event that told an error; the result may tell no more than that there was one.
    last_error: String,
}

#[derive(Debug, Default)]
struct Object {
    kind: String,
    role: String,
    is_delta: bool,
    is_severe: bool,
    status: String,
    error: String,
    message: String,
    total: u64,
    all_input: u64,
    input: Option<u64>,
    output: u64,
    cached: u64,
    tools: u64,
}

impl Object {
    fn usage(&self) -> Usage {
        // Reasoning is in the total alone.
        let reasoning = self.total.saturating_sub(self.all_input + self.output);
        Usage {
            input_tokens: self.input.unwrap_or(self.all_input.saturating_sub(self.cached)),
            output_tokens: self.output + reasoning,
            reasoning_tokens: reasoning,
            cache_read_tokens: self.cached,
            ..Usage::default()
        }
    }
}

impl Dialect for Stream {
    fn is_text(&self, path: &str) -> bool {
        path == "content"
    }

    fn field(&mut self, path: &str, value: &str, outcome: &mut Outcome) {
        let object = &mut self.object;
        match path {
            "type" => value.clone_into(&mut object.kind),
            "session_id" => outcome.session(value),
            "role" => value.clone_into(&mut object.role),
            "delta" => object.is_delta = value == "true",
            "status" => value.clone_into(&mut object.status),
            "error.type" => value.clone_into(&mut object.error),
            "message" | "error.message" => value.clone_into(&mut object.message),
            "severity" => object.is_severe = value == "error",
            "stats.total_tokens" => object.total = count(value),
            "stats.input_tokens" => object.all_input = count(value),
            "stats.input" => object.input = Some(count(value)),
            "stats.output_tokens" => object.output = count(value),
            "stats.cached" => object.cached = count(value),
            "stats.tool_calls" => object.tools = count(value),
            _ => {}
        }
    }

    fn end(&mut self, outcome: &mut Outcome) -> Text {
        let object = std::mem::take(&mut self.object);
        match object.kind.as_str() {
            "message" if object.role == "assistant" => {
                let goes_on = std::mem::replace(&mut self.in_message, object.is_delta) && object.is_delta;
                return if goes_on { Text::More } else { Text::Message };
            }
            "init" | "tool_use" | "tool_result" => self.in_message = false,
            "error" if object.is_severe => self.last_error = object.message,
            "result" => {
                self.in_message = false;
                outcome.usage = Some(object.usage());
                outcome.tool_calls = Some(object.tools);
                if object.status == "error" {
                    let told = !object.message.is_empty();
                    let message = if told { &object.message } else { &self.last_error };
                    let kind = if object.error.is_empty() { "error" } else { &object.error };
                    outcome.fail(kind, message, None, None);
                }
            }
            _ => {}
        }
        Text::Nothing
    }

    fn forget(&mut self) {
        self.object = Object::default();
    }
}
