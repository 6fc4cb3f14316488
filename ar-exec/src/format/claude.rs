//! `claude -p --output-format json` and `stream-json`, and qwen, which prints the same.
//!
//! The last object, of type `result`, has everything. The ones before it count where it never comes. The order of the
//! keys varies, so nothing is decided before an object ends.

use super::dialect::{Dialect, Text};
use super::outcome::{Outcome, cost, count, seconds, status};
use ar_core::Stamp;
use ar_core::record::Usage;

/// What is known from the objects so far.
#[derive(Debug, Default)]
pub struct Claude {
    object: Object,
    /// Whether it is qwen, whose `input_tokens` include what came from the cache.
    is_qwen: bool,
    /// The message whose tokens were counted last; it comes once for each block of its content.
    message_id: String,
    /// The error that the last message was.
    last_error: Option<String>,
    /// When the limit ends that an object of type `rate_limit_event` told.
    resets_at: Option<Stamp>,
}

/// The fields of an object.
#[derive(Debug, Default)]
struct Object {
    kind: String,
    is_error: bool,
    is_from_subagent: bool,
    is_synthetic: bool,
    message_id: String,
    text: String,
    error: String,
    subtype: String,
    api_error: String,
    api_error_type: String,
    status: Option<u16>,
    usage: Option<Usage>,
    turns: Option<u64>,
    tools: u64,
    session_cost: Option<f64>,
    run_cost: Option<f64>,
    limit: Limit,
}

/// What a `rate_limit_event` tells.
#[derive(Debug, Default)]
struct Limit {
    is_rejected: bool,
    has_type: bool,
    resets_at: Option<Stamp>,
}

impl Claude {
    /// Reads claude's output.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads qwen's.
    pub fn of_qwen() -> Self {
        Self { is_qwen: true, ..Self::default() }
    }

    fn result(&self, object: &Object, outcome: &mut Outcome) -> Text {
        if let Some(usage) = &object.usage {
            if self.is_qwen {
                outcome.of_messages = outcome.usage.take();
            }
            outcome.usage = Some(Usage { since_session: self.is_qwen, ..self.net(usage) });
        }
        if let Some(cost) = object.run_cost.or(object.session_cost) {
            outcome.usage.get_or_insert_default().cost_usd = Some(cost);
        }
        outcome.turns = object.turns.or(outcome.turns);
        let told = self.error_in(object);
        if !object.is_error && told.is_none() {
            outcome.error = None;
            return Text::Final;
        }
        // An error that is not the agent's own has the subtype of a success.
        let kind = [&object.api_error, &object.api_error_type, &object.subtype];
        let kind = kind.into_iter().find(|kind| !kind.is_empty() && *kind != "success");
        let kind = kind.map_or("error", String::as_str);
        let message = if object.text.is_empty() { &object.error } else { told.unwrap_or(&object.text) };
        outcome.fail(kind, message, object.status, self.resets_at);
        Text::Nothing
    }

    fn message(&mut self, object: &Object, outcome: &mut Outcome) -> Text {
        let told = object.is_synthetic.then_some(object.text.as_str()).or_else(|| self.error_in(object));
        if !object.is_from_subagent {
            self.last_error = told.map(str::to_owned);
        }
        if let Some(message) = told {
            // An error in the form of a message; `result` repeats it, unless the run dies before.
            outcome.fail(&object.error, message, object.status, self.resets_at);
            return Text::Nothing;
        }
        outcome.tools(object.tools);
        if object.is_from_subagent {
            return Text::Nothing;
        }
        if object.message_id.is_empty() || object.message_id != self.message_id {
            self.message_id.clone_from(&object.message_id);
            outcome.turn();
            if let Some(usage) = &object.usage {
                outcome.used(&self.net(usage));
            }
        }
        Text::Message
    }

    /// The error that qwen tells as the model's text, or at the end of what came before it. Older versions take that for the
    /// answer and the run for a success; that no token was written tells it from an answer that speaks of errors. A result
    /// counts the tokens of the whole session, so there the last message tells.
    fn error_in<'t>(&self, object: &'t Object) -> Option<&'t str> {
        let text = object.text.trim_end();
        let (at, _) = text.rmatch_indices("[API Error: ").next().filter(|_| self.is_qwen)?;
        let error = text.get(at..)?;
        // Behind a limit it says to wait, in words that depend on the login.
        let is_its_end = error.ends_with(']') || error.contains("]\nP");
        let is_wordless = object.usage.as_ref().is_none_or(|usage| usage.output_tokens == 0)
            || self.last_error.as_deref().is_some_and(|last| text.ends_with(last));
        let is_error = if at == 0 { is_its_end || is_wordless } else { is_its_end && is_wordless };
        is_error.then_some(error)
    }

    fn net(&self, usage: &Usage) -> Usage {
        let cached = if self.is_qwen { usage.cache_read_tokens } else { 0 };
        Usage { input_tokens: usage.input_tokens.saturating_sub(cached), ..usage.clone() }
    }
}

impl Dialect for Claude {
    fn is_text(&self, path: &str) -> bool {
        matches!(path, "result" | "message.content.*.text" | "event.delta.text")
    }

    fn field(&mut self, path: &str, value: &str, outcome: &mut Outcome) {
        let object = &mut self.object;
        match path {
            "type" => value.clone_into(&mut object.kind),
            "subtype" => value.clone_into(&mut object.subtype),
            "session_id" => outcome.session(value),
            "parent_tool_use_id" => object.is_from_subagent = value != "null",
            "message.model" => object.is_synthetic = value == "<synthetic>",
            "message.id" => value.clone_into(&mut object.message_id),
            "message.content.*.type" => object.tools += u64::from(value == "tool_use"),
            "result" | "message.content.*.text" => value.clone_into(&mut object.text),
            "is_error" => object.is_error = value == "true",
            "error" | "error.message" | "errors.*" => value.clone_into(&mut object.error),
            "api_error" if value != "null" => value.clone_into(&mut object.api_error),
            "api_error_type" if value != "null" => value.clone_into(&mut object.api_error_type),
            "api_error_status" => object.status = status(value),
            "num_turns" => object.turns = Some(count(value)),
            "total_cost_usd" => object.session_cost = cost(value),
            "rate_limit_info.status" => object.limit.is_rejected = value == "rejected",
            "rate_limit_info.rateLimitType" => object.limit.has_type = value != "null",
            "rate_limit_info.resetsAt" => object.limit.resets_at = seconds(value),
            _ => {
                if let Some(name) = path.strip_prefix("usage.").or(path.strip_prefix("message.usage.")) {
                    tokens(&mut object.usage, name, value);
                } else if path.starts_with("model_usage_since_last_result.") && path.ends_with(".costUSD") {
                    let sum = object.run_cost.unwrap_or(0.0);
                    object.run_cost = cost(value).map(|cost| sum + cost).or(object.run_cost);
                }
            }
        }
    }

    fn end(&mut self, outcome: &mut Outcome) -> Text {
        let object = std::mem::take(&mut self.object);
        match object.kind.as_str() {
            "result" => self.result(&object, outcome),
            "assistant" => self.message(&object, outcome),
            "stream_event" if !object.is_from_subagent => Text::Piece,
            // Without its type the limit is that of a request, not of the account.
            "rate_limit_event" if object.limit.is_rejected && object.limit.has_type => {
                self.resets_at = object.limit.resets_at;
                Text::Nothing
            }
            _ => Text::Nothing,
        }
    }

    fn forget(&mut self) {
        self.object = Object::default();
    }
}

fn tokens(usage: &mut Option<Usage>, name: &str, value: &str) {
    let counter: fn(&mut Usage) -> &mut u64 = match name {
        "input_tokens" => |usage| &mut usage.input_tokens,
        "output_tokens" => |usage| &mut usage.output_tokens,
        "output_tokens_details.thinking_tokens" => |usage| &mut usage.reasoning_tokens,
        "cache_read_input_tokens" => |usage| &mut usage.cache_read_tokens,
        "cache_creation_input_tokens" => |usage| &mut usage.cache_write_tokens,
        _ => return,
    };
    *counter(usage.get_or_insert_default()) = count(value);
}
