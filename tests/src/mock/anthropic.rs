//! `POST /v1/messages`.

use super::http::Reply;
use super::{Event, Plan, TOKENS, pieces};
use serde_json::{Value, json};

pub fn message(model: &str, text: &str) -> Value {
    json!({
        "id": "msg_mock", "type": "message", "role": "assistant", "model": model,
        "content": [{"type": "text", "text": text}], "stop_reason": "end_turn", "stop_sequence": null,
        "usage": usage(TOKENS.output),
    })
}

pub fn events(model: &str, text: &str) -> Vec<Event> {
    let start = json!({
        "id": "msg_mock", "type": "message", "role": "assistant", "model": model, "content": [],
        "stop_reason": null, "stop_sequence": null, "usage": usage(1),
    });
    let mut events = vec![
        event("message_start", json!({"message": start})),
        event("content_block_start", json!({"index": 0, "content_block": {"type": "text", "text": ""}})),
    ];
    events.extend(pieces(text).map(|piece| {
        event("content_block_delta", json!({"index": 0, "delta": {"type": "text_delta", "text": piece}}))
    }));
    let end =
        json!({"delta": {"stop_reason": "end_turn", "stop_sequence": null}, "usage": usage(TOKENS.output)});
    events.push(event("content_block_stop", json!({"index": 0})));
    events.push(event("message_delta", end));
    events.push(event("message_stop", json!({})));
    events
}

pub fn error(plan: Plan, resets_at: u64) -> Option<Reply> {
    let refusal = |status, kind, message| {
        Reply::new(
            status,
            json!({"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_mock"}),
        )
    };
    Some(match plan {
        Plan::Ok | Plan::Hang | Plan::Cut | Plan::Setup => return None,
        Plan::InvalidKey => refusal(401, "authentication_error", "invalid x-api-key"),
        Plan::RateLimit => refusal(
            429,
            "rate_limit_error",
            "This request would exceed your organization's rate limit of 50,000 input tokens per minute.",
        )
        .header("retry-after", "3"),
        Plan::Quota => {
            refusal(429, "rate_limit_error", "This request would exceed your account's rate limit.")
                .header("anthropic-ratelimit-unified-status", "rejected")
                .header("anthropic-ratelimit-unified-reset", resets_at.to_string())
                .header("anthropic-ratelimit-unified-representative-claim", "five_hour")
                .header("anthropic-ratelimit-unified-5h-status", "rejected")
                .header("anthropic-ratelimit-unified-5h-reset", resets_at.to_string())
                .header("anthropic-ratelimit-unified-5h-utilization", "1.0")
                .header("anthropic-ratelimit-unified-overage-status", "rejected")
                .header("x-should-retry", "false")
        }
        Plan::Overloaded => refusal(529, "overloaded_error", "Overloaded"),
        Plan::ServerError => refusal(500, "api_error", "Internal server error"),
    })
}

fn event(name: &'static str, mut content: Value) -> Event {
    content["type"] = name.into();
    (Some(name), content)
}

fn usage(output: u64) -> Value {
    json!({
        "input_tokens": TOKENS.input, "cache_read_input_tokens": TOKENS.cached, "cache_creation_input_tokens": 0,
        "output_tokens": output,
    })
}
