//! The formats over output of any size that is cut, broken or hostile.

use super::*;

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
fn an_output_that_stops_in_its_only_object_is_an_error_and_no_text() {
    let cut = "{\"type\":\"result\",\"session_id\":\"s1\",\n\"result\":\"The work is do";
    for format in [Format::Claude, Format::Gemini, Format::Llm, Format::Qwen] {
        let run = lines(format, cut);
        assert_eq!((run.answer.as_str(), run.shown.as_str(), run.outcome.is_known), ("", "", true));
        assert_eq!(run.outcome.error.unwrap().kind, "cut", "{format:?}");
    }
    assert_eq!(lines(Format::Claude, cut).outcome.session.as_deref(), Some("s1"));
    for text in ["", "{", "fn f() {\n\"a\": 1\n", "{\n  let a = 1;\n"] {
        assert_eq!(lines(Format::Claude, text).outcome, Outcome::default(), "{text}");
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
    let text = include_str!("../samples/codex-ok.jsonl").as_bytes();
    assert!(Reader::new(Format::Codex, full()).feed(text, &mut std::io::sink()).is_err());
    let answer = tempfile::tempfile().unwrap();
    assert!(Reader::new(Format::Codex, answer).feed(text, &mut full()).is_err());
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
