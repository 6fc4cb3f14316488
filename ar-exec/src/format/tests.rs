//! The formats over what real agents printed.

mod damage;

use super::*;
use ar_core::Stamp;
use ar_core::record::Usage;
use std::io::{Read, Seek};

/// What came of an output: the outcome, the answer and what was shown.
#[derive(Debug, PartialEq)]
struct Run {
    outcome: Outcome,
    answer: String,
    shown: String,
}

fn read(format: Format, pieces: &[&[u8]]) -> Run {
    let file = tempfile::tempfile().unwrap();
    let mut reader = Reader::new(format, file.try_clone().unwrap());
    let mut shown = Vec::new();
    for piece in pieces {
        reader.feed(piece, &mut shown).unwrap();
    }
    let outcome = reader.finish(&mut shown).unwrap();
    let mut answer = String::new();
    let mut file = file;
    file.rewind().unwrap();
    file.read_to_string(&mut answer).unwrap();
    Run { outcome, answer, shown: String::from_utf8(shown).unwrap() }
}

fn lines(format: Format, text: &str) -> Run {
    read(format, &[text.as_bytes()])
}

const HELLO: &str = "Hello from the mock model.";

/// What a sample tells: format, name, text, session, tokens in, out and from the cache, cost.
type Success = (Format, &'static str, &'static str, &'static str, [u64; 3], Option<f64>);

macro_rules! sample {
    ($format:ident, $name:literal, $session:literal, $tokens:expr, $cost:expr) => {
        (Format::$format, $name, include_str!(concat!("samples/", $name)), $session, $tokens, $cost)
    };
}

const SUCCESSES: [Success; 11] = [
    sample!(
        Claude,
        "claude-ok.json",
        "df3bd218-4e8a-4851-a147-3a262f39b5b7",
        [1234, 6, 200],
        Some(0.005_096)
    ),
    sample!(
        ClaudeStream,
        "claude-stream-ok.jsonl",
        "77c9f457-29ab-4cdd-8a30-cc33315ab59d",
        [1234, 6, 200],
        Some(0.005_096)
    ),
    sample!(
        ClaudeStream,
        "claude-stream-resumed.jsonl",
        "77c9f457-29ab-4cdd-8a30-cc33315ab59d",
        [1234, 6, 200],
        Some(0.005_096)
    ),
    sample!(Codex, "codex-ok.jsonl", "01a1fd31-17aa-7960-b5af-a84e29161031", [1034, 6, 200], None),
    sample!(Copilot, "copilot-ok.jsonl", "cdebebed-b489-4e8f-8d83-4699f1486524", [0; 3], None),
    sample!(Gemini, "gemini-ok.json", "c9af716f-0b42-4905-9af6-4521fc1a6a2c", [1034, 2, 200], None),
    sample!(
        GeminiStream,
        "gemini-stream-ok.jsonl",
        "d5145a8a-1e85-4f1f-97a7-aa2aa415843d",
        [1034, 2, 200],
        None
    ),
    sample!(Llm, "llm-ok.json", "01m7yk62f4mz5c3q6a58esm1bt", [1034, 6, 200], None),
    sample!(Opencode, "opencode-ok.jsonl", "ses_e02cd1c7dffeRmZJ3Pwhta1zCF", [1034, 6, 200], Some(0.001_046)),
    sample!(Qwen, "qwen-ok.json", "9ccb9cbd-0af6-4e64-b188-866a648b749e", [2068, 12, 400], None),
    sample!(
        QwenStream,
        "qwen-stream-ok.jsonl",
        "ed2c6e8c-9b46-4be0-bdb3-d2d2f8e28588",
        [2068, 12, 400],
        None
    ),
];

/// A failed run: format, text, kind, beginning of the message, status, reset.
type Failed = (Format, &'static str, &'static str, &'static str, Option<u16>, Option<i64>);

macro_rules! failed {
    ($format:ident, $name:literal, $kind:literal, $message:literal, $status:expr, $reset:expr) => {
        (Format::$format, include_str!(concat!("samples/", $name)), $kind, $message, $status, $reset)
    };
}

const FAILURES: [Failed; 10] = [
    failed!(
        ClaudeStream,
        "claude-stream-rate-limit.jsonl",
        "rate_limit_error",
        "API Error: Request rejected (429) · This",
        Some(429),
        None
    ),
    failed!(
        ClaudeStream,
        "claude-stream-usage-limit.jsonl",
        "usage_limit_reached",
        "You've hit your 5-hour limit · resets",
        Some(429),
        Some(1_795_260_937_000)
    ),
    failed!(
        Claude,
        "claude-usage-limit.json",
        "usage_limit_reached",
        "You've hit your 5-hour limit · resets",
        Some(429),
        None
    ),
    failed!(
        Codex,
        "codex-invalid-key.jsonl",
        "turn_failed",
        "unexpected status 401 Unauthorized: Incorrect",
        Some(401),
        None
    ),
    failed!(Codex, "codex-usage-limit.jsonl", "turn_failed", "You’ve hit your usage limit.", None, None),
    failed!(
        Copilot,
        "copilot-rate-limit.jsonl",
        "rate_limit",
        "Failed to get response from the AI model; ",
        Some(429),
        None
    ),
    failed!(
        GeminiStream,
        "gemini-stream-quota.jsonl",
        "unknown",
        "[API Error: You have exhausted your capacity",
        None,
        None
    ),
    failed!(
        Opencode,
        "opencode-rate-limit.jsonl",
        "APIError",
        "Rate limit reached for m1",
        Some(429),
        Some(1_795_249_756_340)
    ),
    failed!(
        QwenStream,
        "qwen-stream-invalid-key.jsonl",
        "error_during_execution",
        "[API Error: 401 Incorrect",
        Some(401),
        None
    ),
    (
        Format::Gemini,
        "{\"session_id\":\"s\",\"error\":{\"type\":\"Error\",\"message\":\"no\",\"code\":400}}",
        "Error",
        "no",
        Some(400),
        None,
    ),
];

#[test]
fn a_good_run_of_each_agent_is_read_exactly() {
    for (format, name, text, session, [input, output, cached], cost) in SUCCESSES {
        let run = lines(format, text);
        assert_eq!(run.answer, HELLO, "{name}");
        assert_eq!(run.shown, HELLO, "{name}");
        assert_eq!(run.outcome.session.as_deref(), Some(session), "{name}");
        assert_eq!(run.outcome.error, None, "{name}");
        assert_eq!(run.outcome.turns, (format != Format::GeminiStream).then_some(1), "{name}");
        let usage = run.outcome.usage.unwrap_or_default();
        let counted = [usage.input_tokens, usage.output_tokens, usage.cache_read_tokens];
        assert_eq!(counted, [input, output, cached], "{name}");
        let rounded = usage.cost_usd.map(|cost| (cost * 1e9).round() / 1e9);
        assert_eq!(rounded, cost, "{name}");
    }
}

#[test]
fn a_failed_run_of_each_agent_tells_its_error_and_no_answer() {
    for (format, text, kind, message, status, reset) in FAILURES {
        let run = lines(format, text);
        let error = run.outcome.error.unwrap_or_else(|| panic!("{format:?} has no error"));
        assert_eq!((error.kind.as_str(), error.status), (kind, status), "{format:?}");
        assert!(error.message.starts_with(message), "{format:?}: {}", error.message);
        assert_eq!(error.resets_at, reset.map(Stamp), "{format:?}");
        assert_eq!((run.answer.as_str(), run.shown.as_str()), ("", ""), "{format:?}");
        assert!(run.outcome.session.is_some(), "{format:?}");
    }
}

#[test]
fn an_error_that_qwen_takes_for_its_answer_is_none() {
    let message = "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"[API Error: 503 busy]\"}]}}\n";
    let result = "{\"type\":\"result\",\"subtype\":\"success\",\"is_error\":false,\"session_id\":\"s\",\
                  \"result\":\"[API Error: 503 busy]\",\"usage\":{\"input_tokens\":0}}\n";
    let cut = "{\"type\":\"result\",\"is_error\":false,\"session_id\":\"s\",\"result\":\"Hel[API Error: 503 busy]\",\
               \"usage\":{\"output_tokens\":0}}\n";
    for text in [&format!("{message}{result}"), result, cut] {
        let run = lines(Format::QwenStream, text);
        let error = run.outcome.error.unwrap();
        assert_eq!((error.message.as_str(), error.status), ("[API Error: 503 busy]", Some(503)));
        assert_eq!((run.answer.as_str(), run.shown.as_str()), ("", ""));
    }
}

/// A message and the result that repeats it, each with the tokens that were written, as qwen tells them.
fn qwen_says(message: &str, written: u64, result: &str, written_in_all: u64) -> Run {
    let message = serde_json::json!({
        "type": "assistant",
        "message": {"content": [{"type": "text", "text": message}], "usage": {"output_tokens": written}},
    });
    let result = serde_json::json!({
        "type": "result", "is_error": false, "result": result, "usage": {"output_tokens": written_in_all},
    });
    lines(Format::QwenStream, &format!("{message}\n{result}\n"))
}

#[test]
fn an_error_behind_what_qwen_said_is_found_at_any_length_and_in_any_turn() {
    let long = "word ".repeat(4000);
    let limited = "[API Error: 429 slow down]\nPossible quota limitations in place.";
    for error in ["[API Error: 503 busy]", limited] {
        // The result's tokens are those of the whole session.
        for (text, written_in_all) in
            [(String::new(), 0), (String::new(), 90), (long.clone(), 0), (long.clone(), 90)]
        {
            let text = format!("{text}{error}");
            let run = qwen_says(&text, 0, &text, written_in_all);
            let message = run.outcome.error.map(|error| error.message);
            assert_eq!(message, Some(error.replace('\n', " ")), "{written_in_all} tokens");
            assert_eq!((run.answer.as_str(), run.shown.as_str()), ("", ""));
        }
    }
}

#[test]
fn an_answer_that_speaks_of_errors_is_one() {
    for text in ["It says [API Error: 503 busy]", "[API Error: 429] is what a throttled client prints."] {
        let run = qwen_says(text, 9, text, 9);
        assert_eq!((run.answer.as_str(), run.outcome.error), (text, None));
    }
}

#[test]
fn a_step_whose_stream_was_cut_is_an_error_unless_it_is_made_good() {
    let text = "{\"type\":\"text\",\"part\":{\"messageID\":\"a\",\"text\":\"Hel\"}}\n";
    let cut = "{\"type\":\"step_finish\",\"part\":{\"reason\":\"unknown\"}}\n";
    let good = "{\"type\":\"step_finish\",\"part\":{\"reason\":\"stop\"}}\n";
    for (text, expected) in [
        (format!("{text}{cut}"), true),
        (format!("{text}{cut}{text}{good}"), false),
        (format!("{text}{good}"), false),
        (cut.to_owned(), false),
    ] {
        assert_eq!(lines(Format::Opencode, &text).outcome.error.is_some(), expected, "{text}");
    }
}

#[test]
fn the_result_takes_the_place_of_the_messages_before_it() {
    let message = |text: &str| {
        format!(
            "{{\"type\":\"assistant\",\"message\":{{\"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}},\
             \"parent_tool_use_id\":null}}\n"
        )
    };
    let (first, second) = (message("I shall look."), message("It is 4."));
    let run = lines(Format::ClaudeStream, &format!("{first}{second}"));
    assert_eq!((run.answer.as_str(), run.shown.as_str()), ("It is 4.", "I shall look.\nIt is 4."));
    assert_eq!(run.outcome.turns, Some(2));
    let result = "{\"result\":\"4\",\"is_error\":false,\"num_turns\":7,\"type\":\"result\"}\n";
    let run = lines(Format::ClaudeStream, &format!("{first}{second}{result}"));
    assert_eq!((run.answer.as_str(), run.shown.as_str()), ("4", "I shall look.\nIt is 4."));
    assert_eq!(run.outcome.turns, Some(7));
}

#[test]
fn pieces_are_shown_as_they_come_and_their_message_is_not_shown_again() {
    let text = "{\"type\":\"stream_event\",\"event\":{\"delta\":{\"text\":\"He\"}}}\n\
                {\"type\":\"stream_event\",\"event\":{\"delta\":{\"text\":\"llo\"}}}\n\
                {\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"Hello\"}]}}\n\
                {\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"tool_use\"},{\"type\":\"tool_use\"}]}}\n\
                {\"type\":\"stream_event\",\"event\":{\"delta\":{\"text\":\"Bye\"}}}\n";
    let run = lines(Format::ClaudeStream, text);
    assert_eq!((run.answer.as_str(), run.shown.as_str()), ("Hello", "Hello\nBye"));
    assert_eq!(run.outcome.tool_calls, Some(2));
}

#[test]
fn what_subagents_say_is_not_the_answer() {
    let text = "{\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"mine\"}]}}\n\
                {\"type\":\"assistant\",\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"its\"}]},\"parent_tool_use_id\":\"t\"}\n";
    assert_eq!(lines(Format::ClaudeStream, text).answer, "mine");
}

#[test]
fn a_limit_without_a_type_is_not_that_of_the_account() {
    let event = "{\"type\":\"rate_limit_event\",\"rate_limit_info\":{\"status\":\"rejected\",\"resetsAt\":1795260937,\"rateLimitType\":null}}\n\
                 {\"type\":\"result\",\"is_error\":true,\"result\":\"no\"}\n";
    let error = lines(Format::ClaudeStream, event).outcome.error.unwrap();
    assert_eq!((error.message.as_str(), error.resets_at), ("no", None));
}

#[test]
fn agents_that_try_again_and_succeed_have_no_error() {
    let text = "{\"type\":\"error\",\"message\":\"Reconnecting... 1/5 (unexpected status 503)\"}\n\
                {\"type\":\"error\",\"message\":\"stream disconnected\"}\n\
                {\"type\":\"turn.completed\",\"usage\":{\"input_tokens\":10,\"output_tokens\":5,\"reasoning_output_tokens\":3}}\n";
    let outcome = lines(Format::Codex, text).outcome;
    assert_eq!(outcome.error, None);
    let expected = Usage {
        input_tokens: 10,
        output_tokens: 5,
        reasoning_tokens: 3,
        since_session: true,
        ..Usage::default()
    };
    assert_eq!(outcome.usage, Some(expected));
    let reconnecting = "{\"type\":\"error\",\"message\":\"Reconnecting... waiting for network\"}\n";
    assert_eq!(lines(Format::Codex, reconnecting).outcome.error, None);
}

#[test]
fn an_error_before_a_result_that_only_says_so_is_kept() {
    let text = "{\"type\":\"error\",\"severity\":\"warning\",\"message\":\"Loop detected\"}\n\
                {\"type\":\"error\",\"severity\":\"error\",\"message\":\"Model stream ended\"}\n\
                {\"type\":\"error\",\"severity\":\"warning\",\"message\":\"no matter\"}\n\
                {\"type\":\"result\",\"status\":\"error\",\"stats\":{}}\n";
    let error = lines(Format::GeminiStream, text).outcome.error.unwrap();
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("error", "Model stream ended"));
}

#[test]
fn counts_that_no_run_can_have_are_none_and_stop_nothing() {
    let huge = "18446744073709551615";
    let codex = format!(
        "{{\"type\":\"turn.completed\",\"usage\":{{\"cached_input_tokens\":{huge},\"cache_write_input_tokens\":{huge},\"output_tokens\":7}}}}\n"
    );
    let step = format!(
        "{{\"type\":\"step_finish\",\"part\":{{\"tokens\":{{\"input\":{huge},\"output\":7}},\"cost\":1e999}}}}\n"
    );
    for (format, text) in [(Format::Codex, codex), (Format::Opencode, step)] {
        let usage = lines(format, &text.repeat(2)).outcome.usage.unwrap();
        assert_eq!((usage.input_tokens, usage.cache_read_tokens, usage.cost_usd), (0, 0, None));
        assert_eq!(usage.output_tokens, if format == Format::Codex { 7 } else { 14 });
    }
}

#[test]
fn a_result_that_tells_no_tokens_leaves_those_of_the_messages() {
    let message = "{\"type\":\"assistant\",\"message\":{\"content\":[{\"text\":\"4\"}],\"usage\":{\"output_tokens\":7}}}\n";
    let result = "{\"type\":\"result\",\"result\":\"4\",\"total_cost_usd\":0.5}\n";
    for format in [Format::ClaudeStream, Format::QwenStream] {
        let usage = lines(format, &format!("{message}{result}")).outcome.usage.unwrap();
        assert_eq!((usage.output_tokens, usage.cost_usd, usage.since_session), (7, Some(0.5), false));
        assert_eq!(lines(format, "{\"type\":\"result\",\"result\":\"4\"}\n").outcome.usage, None);
    }
}

#[test]
fn what_stands_before_an_object_on_its_line_does_not_cost_it() {
    for mark in ["\u{feff}", "\0", "\u{7}"] {
        for (format, name, text, ..) in SUCCESSES {
            assert_eq!(
                lines(format, &format!("{mark}{text}")),
                lines(format, text),
                "{name} behind {mark:?}"
            );
        }
    }
}

#[test]
fn a_second_result_begins_a_second_answer() {
    for (format, name, text, ..) in SUCCESSES {
        // opencode names no end of a run, and its parts belong together by their message.
        if format != Format::Opencode {
            assert_eq!(lines(format, &text.repeat(2)).answer, HELLO, "{name}");
        }
    }
}

#[test]
fn steps_add_up_and_tools_are_counted() {
    let step = "{\"type\":\"step_finish\",\"part\":{\"tokens\":{\"input\":10,\"output\":5,\"reasoning\":2,\"cache\":{\"read\":1,\"write\":3}},\"cost\":0.25}}\n";
    let text = "{\"type\":\"text\",\"part\":{\"messageID\":\"a\",\"text\":\"Let me see.\"}}\n\
                {\"type\":\"tool_use\",\"part\":{\"tool\":\"bash\"}}\n\
                {\"type\":\"text\",\"part\":{\"messageID\":\"b\",\"text\":\"It \"}}\n\
                {\"type\":\"text\",\"part\":{\"messageID\":\"b\",\"text\":\"is 4.\"}}\n";
    let run = lines(Format::Opencode, &format!("{step}{text}{step}"));
    assert_eq!(run.answer, "It is 4.");
    assert_eq!(run.shown, "Let me see.\nIt is 4.");
    assert_eq!((run.outcome.turns, run.outcome.tool_calls), (Some(2), Some(1)));
    let usage = Usage {
        input_tokens: 20,
        output_tokens: 14,
        reasoning_tokens: 4,
        cache_read_tokens: 2,
        cache_write_tokens: 6,
        cost_usd: Some(0.5),
        ..Usage::default()
    };
    assert_eq!(run.outcome.usage, Some(usage));
}

const AIDER: &str = include_str!("samples/aider-ok.txt");

#[test]
fn aider_s_answer_is_told_from_its_banner_and_its_accounts() {
    let run = lines(Format::Aider, AIDER);
    assert_eq!(
        (run.answer.as_str(), run.shown.as_str()),
        ("Hello from the mock model.\n\n", run.answer.as_str())
    );
    assert_eq!((run.outcome.error, run.outcome.turns), (None, Some(1)));
    let usage = run.outcome.usage.unwrap();
    assert_eq!((usage.input_tokens, usage.output_tokens), (1200, 6));
    let wrapped = "litellm.RateLimitError: RateLimitError: OpenAIException - Rate limit reached for\n\
                   this model. Please try again in 3s.\n\
                   The API provider has rate limited you. Try again later or check your quotas.\n\
                   Retrying in 0.2 seconds...\n";
    let (banner, answer) = AIDER.split_once("\n\nHello").unwrap();
    let banner = format!("{banner}\n\n");
    let failed = lines(Format::Aider, &format!("{banner}{wrapped}{wrapped}"));
    assert_eq!((failed.answer.as_str(), failed.outcome.is_known), ("", true));
    let error = failed.outcome.error.unwrap();
    let message =
        "RateLimitError: OpenAIException - Rate limit reached for this model. Please try again in 3s.";
    assert_eq!((error.kind.as_str(), error.message.as_str()), ("RateLimitError", message));
    let retried = lines(Format::Aider, &format!("{banner}{wrapped}Hello{answer}"));
    assert_eq!(retried.answer, "Hello from the mock model.\n\n");
    assert_eq!(retried.outcome.error, None);
    assert!(!lines(Format::Aider, "usage: aider [-h]\n").outcome.is_known);
}
