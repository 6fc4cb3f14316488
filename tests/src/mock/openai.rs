//! `POST /v1/responses` and `POST /v1/chat/completions`.

use super::http::Reply;
use super::{Event, Plan, TOKENS, pieces};
use serde_json::{Value, json};

const ITEM: &str = "msg_mock";

pub fn response(model: &str, text: &str) -> Value {
    json!({
        "id": "resp_mock", "object": "response", "created_at": 1, "status": "completed", "error": null, "model": model,
        "output": [item(text)],
        "usage": {
            "input_tokens": TOKENS.input + TOKENS.cached, "input_tokens_details": {"cached_tokens": TOKENS.cached},
            "output_tokens": TOKENS.output, "output_tokens_details": {"reasoning_tokens": TOKENS.reasoning},
            "total_tokens": TOKENS.input + TOKENS.cached + TOKENS.output,
        },
    })
}

pub fn response_events(model: &str, text: &str) -> Vec<Event> {
    let place = json!({"item_id": ITEM, "output_index": 0, "content_index": 0});
    let started = json!({"id": "resp_mock", "object": "response", "status": "in_progress", "model": model, "output": []});
    let mut events = vec![
        event("response.created", json!({"response": started})),
        event("response.output_item.added", json!({"output_index": 0, "item": item("")})),
        event("response.content_part.added", with(&place, "part", part(""))),
    ];
    events.extend(
        pieces(text).map(|piece| event("response.output_text.delta", with(&place, "delta", piece.into()))),
    );
    events.push(event("response.output_text.done", with(&place, "text", text.into())));
    events.push(event("response.content_part.done", with(&place, "part", part(text))));
    events.push(event("response.output_item.done", json!({"output_index": 0, "item": item(text)})));
    events.push(event("response.completed", json!({"response": response(model, text)})));
    events
}

pub fn completion(model: &str, text: &str) -> Value {
    let message = json!({"role": "assistant", "content": text, "refusal": null});
    json!({
        "id": "chatcmpl-mock", "object": "chat.completion", "created": 1, "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": completion_usage(),
    })
}

pub fn completion_events(model: &str, text: &str) -> Vec<Event> {
    let chunk = |choices: Value, usage: Value| -> Event {
        let content = json!({
            "id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1, "model": model, "choices": choices,
            "usage": usage,
        });
        (None, content)
    };
    let choice =
        |delta: Value, finish: Option<&str>| json!([{"index": 0, "delta": delta, "finish_reason": finish}]);
    let mut events = vec![chunk(choice(json!({"role": "assistant", "content": ""}), None), Value::Null)];
    events.extend(pieces(text).map(|piece| chunk(choice(json!({"content": piece}), None), Value::Null)));
    events.push(chunk(choice(json!({}), Some("stop")), Value::Null));
    events.push(chunk(json!([]), completion_usage()));
    events
}

pub fn error(plan: Plan, resets_at: u64) -> Option<Reply> {
    let refusal = |status, kind, code, message| {
        Reply::new(status, json!({"error": {"message": message, "type": kind, "param": null, "code": code}}))
    };
    Some(match plan {
        Plan::Ok | Plan::Hang | Plan::Cut | Plan::Setup => return None,
        Plan::InvalidKey => refusal(
            401,
            "invalid_request_error",
            Some("invalid_api_key"),
            "Incorrect API key provided: sk-mock. You can find your API key at https://platform.openai.com/account/api-keys.",
        ),
        Plan::RateLimit => refusal(
            429,
            "tokens",
            Some("rate_limit_exceeded"),
            "Rate limit reached for this model on tokens per min (TPM): Limit 30000, Used 29500, Requested 3000. \
             Please try again in 3s.",
        )
        .header("retry-after", "3"),
        Plan::Quota => {
            let error = json!({
                "message": "The usage limit has been reached", "type": "usage_limit_reached", "plan_type": "plus",
                "resets_at": resets_at,
            });
            Reply::new(429, json!({"error": error}))
        }
        Plan::Overloaded => refusal(
            503,
            "server_error",
            Some("server_is_overloaded"),
            "The server is currently overloaded with other requests. Please try again later.",
        ),
        Plan::ServerError => {
            refusal(500, "server_error", None, "The server had an error while processing your request.")
        }
    })
}

fn event(name: &'static str, mut content: Value) -> Event {
    content["type"] = name.into();
    (Some(name), content)
}

fn with(place: &Value, key: &str, value: Value) -> Value {
    let mut content = place.clone();
    content[key] = value;
    content
}

fn part(text: &str) -> Value {
    json!({"type": "output_text", "text": text, "annotations": []})
}

fn item(text: &str) -> Value {
    json!({"id": ITEM, "type": "message", "status": "completed", "role": "assistant", "content": [part(text)]})
}

fn completion_usage() -> Value {
    json!({
        "prompt_tokens": TOKENS.input + TOKENS.cached, "completion_tokens": TOKENS.output,
        "total_tokens": TOKENS.input + TOKENS.cached + TOKENS.output,
        "prompt_tokens_details": {"cached_tokens": TOKENS.cached},
        "completion_tokens_details": {"reasoning_tokens": TOKENS.reasoning},
    })
}
