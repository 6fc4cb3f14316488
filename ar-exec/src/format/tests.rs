//! The formats over what real agents printed.

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
        None,
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
fn it_does_not_matter_where_the_output_is_cut_into_pieces() {
    let good = SUCCESSES.map(|(format, _, text, ..)| (format, text));
    let failed = FAILURES.map(|(format, text, ..)| (format, text));
    for (format, text) in good.into_iter().chain(failed).chain([(Format::Aider, AIDER)]) {
        let whole = lines(format, text);
        // Every byte of the short samples; of the long ones a share, as the time goes with the square.
        for at in (0..text.len()).step_by(1 + text.len() / 200) {
            let (first, second) = text.as_bytes().split_at(at);
            assert_eq!(read(format, &[first, second]), whole, "{format:?} at {at}");
        }
        let bytes: Vec<&[u8]> = text.as_bytes().chunks(1).collect();
        assert_eq!(read(format, &bytes), whole, "{format:?}");
    }
}

#[test]
fn an_output_that_ends_anywhere_is_no_trouble() {
    for (format, _, text, session, ..) in SUCCESSES {
        for end in (0..text.len()).step_by(1 + text.len() / 200) {
            let run = read(format, &[&text.as_bytes()[..end]]);
            assert!(HELLO.starts_with(&run.answer), "{format:?}: {}", run.answer);
            assert!(run.outcome.session.is_none_or(|id| id == session), "{format:?} at {end}");
        }
    }
}

#[test]
fn noise_and_broken_lines_between_objects_are_passed_over() {
    for (format, name, text, ..) in SUCCESSES {
        let clean = lines(format, text);
        let noise = "Loaded cached credentials.\n[INFO] x\n{broken\n\"a\"\n\u{7f}\n\n{\"type\":\"from tomorrow\",\"x\":[1,{}]}\n";
        let noise = if format.is_stream() { noise } else { "Loaded cached credentials.\n" };
        let run = lines(format, &format!("{noise}{text}{noise}"));
        assert_eq!(run, clean, "{name}");
    }
    let text = "{\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\",\"text\":\"cut o\n\
                {\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\",\"text\":\"whole\"}}\n\
                {\"type\":\"item.completed\",\"item\":{\"type\":\"agent_message\",\"text\":\"cut of";
    assert_eq!(lines(Format::Codex, text).answer, "whole");
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

#[test]
fn texts_of_any_size_and_with_any_escape_come_out_exactly() {
    let text = format!("{}\u{1F600} \"é\" \\ \u{8}\u{c}\r\n\t/", "0123456789ab€".repeat(40_000));
    let ascii: String = text
        .encode_utf16()
        .map(|unit| match char::from_u32(unit.into()) {
            Some(c) if c.is_ascii_alphanumeric() => c.to_string(),
            _ => format!("\\u{unit:04X}"),
        })
        .collect();
    for json in [serde_json::to_string(&text).unwrap(), format!("\"{ascii}\"")] {
        let message =
            format!("{{\"type\":\"assistant\",\"message\":{{\"content\":[{{\"text\":{json}}}]}}}}\n");
        let result = format!("{{\"result\":{json},\"type\":\"result\"}}\n");
        for all in
            [message.clone(), format!("{message}{result}"), format!("{message}{message}{result}{message}")]
        {
            let pieces: Vec<&[u8]> = all.as_bytes().chunks(65_521).collect();
            assert!(read(Format::ClaudeStream, &pieces).answer == text, "{} bytes", all.len());
        }
    }
    let lone = r#"{"type":"result","result":"a\ud83db\ud83d\ud83d\ude00\n\udc00\ud83d"}"#;
    assert_eq!(lines(Format::Claude, lone).answer, "a\u{fffd}b\u{fffd}\u{1F600}\n\u{fffd}\u{fffd}");
}

#[test]
fn endless_nesting_and_keys_take_no_memory_to_speak_of() {
    let text = format!(
        "{}\n{{\"{}\":1}}\n{{\"type\":\"item.completed\",\"item\":{{\"type\":\"agent_message\",\"text\":\"ok\"}}}}",
        "[".repeat(1_000_000),
        "k".repeat(1_000_000)
    );
    assert_eq!(lines(Format::Codex, &text).answer, "ok");
}

#[test]
fn a_target_that_cannot_be_written_to_is_an_error() {
    let full = || std::fs::OpenOptions::new().read(true).write(true).open("/dev/full").unwrap();
    let text = include_str!("samples/codex-ok.jsonl").as_bytes();
    assert!(Reader::new(Format::Codex, full()).feed(text, &mut std::io::sink()).is_err());
    let answer = tempfile::tempfile().unwrap();
    assert!(Reader::new(Format::Codex, answer).feed(text, &mut full()).is_err());
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

/// A small generator of numbers that look like chance, the same in every run.
fn xorshift(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    usize::try_from(*state >> 33).unwrap()
}

#[test]
fn damaged_output_is_read_as_far_as_it_goes() {
    let mut state = 0x9E37_79B9_7F4A_7C15;
    for (format, _, text, ..) in SUCCESSES {
        for _ in 0..40 {
            let mut bytes = text.as_bytes().to_vec();
            for _ in 0..8 {
                let at = xorshift(&mut state) % bytes.len();
                match xorshift(&mut state) % 3 {
                    0 => bytes[at] = u8::try_from(xorshift(&mut state) % 256).unwrap(),
                    1 => drop(bytes.drain(at..bytes.len().min(at + 20))),
                    _ => bytes.insert(at, b"\"\\{}[],:\n"[xorshift(&mut state) % 9]),
                }
            }
            let file = tempfile::tempfile().unwrap();
            let mut reader = Reader::new(format, file);
            reader.feed(&bytes, &mut std::io::sink()).unwrap();
            reader.finish(&mut std::io::sink()).unwrap();
        }
    }
}
