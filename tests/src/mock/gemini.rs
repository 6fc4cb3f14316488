//! `POST /v1beta/models/MODEL:generateContent` and `:streamGenerateContent`.

use super::http::Reply;
use super::{Event, Plan, QUOTA_RESETS_IN, TOKENS, pieces};
use serde_json::{Value, json};

pub fn response(text: &str) -> Value {
    let prompt = TOKENS.input + TOKENS.cached;
    json!({
        "candidates": [{"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, "finishReason": "STOP"}],
        "usageMetadata": {
            "promptTokenCount": prompt, "cachedContentTokenCount": TOKENS.cached,
            "candidatesTokenCount": TOKENS.output - TOKENS.reasoning, "thoughtsTokenCount": TOKENS.reasoning,
            "totalTokenCount": prompt + TOKENS.output,
        },
    })
}

pub fn events(text: &str) -> Vec<Event> {
    let mut events: Vec<Event> = pieces(text).map(|piece| (None, response(piece))).collect();
    let last = events.len().saturating_sub(1);
    for (_, content) in events.iter_mut().take(last) {
        content["candidates"][0]["finishReason"] = Value::Null;
    }
    events
}

pub fn error(plan: Plan) -> Option<Reply> {
    let refusal = |code: u16, status, message: String, details: Value| {
        Reply::new(
            code,
            json!({"error": {"code": code, "message": message, "status": status, "details": details}}),
        )
    };
    let reason = |reason| json!([{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": reason, "domain": "googleapis.com"}]);
    Some(match plan {
        Plan::Ok | Plan::Hang | Plan::Cut | Plan::Setup => return None,
        Plan::InvalidKey => refusal(
            400,
            "INVALID_ARGUMENT",
            "API key not valid. Please pass a valid API key.".to_owned(),
            reason("API_KEY_INVALID"),
        ),
        Plan::RateLimit => refusal(
            429,
            "RESOURCE_EXHAUSTED",
            "You exceeded your current quota. Quota exceeded for metric: generate_content_free_tier_requests, limit: 10. \
             Please retry in 3s."
                .to_owned(),
            json!([
                {
                    "@type": "type.googleapis.com/google.rpc.QuotaFailure",
                    "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "quotaValue": "10"}],
                },
                {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"},
            ]),
        ),
        Plan::Quota => {
            let hours = QUOTA_RESETS_IN.as_secs() / 3600;
            let message =
                format!("You have exhausted your capacity on this model. Your quota will reset after {hours}h0m0s.");
            refusal(429, "RESOURCE_EXHAUSTED", message, reason("QUOTA_EXHAUSTED"))
        }
        Plan::Overloaded => {
            refusal(503, "UNAVAILABLE", "The model is overloaded. Please try again later.".to_owned(), json!([]))
        }
        Plan::ServerError => {
            refusal(500, "INTERNAL", "An internal error has occurred. Please retry.".to_owned(), json!([]))
        }
    })
}
