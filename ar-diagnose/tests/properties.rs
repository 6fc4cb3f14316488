//! What holds for any text at all.
#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

use ar_core::Stamp;
use ar_diagnose::clean::Page;
use ar_diagnose::evidence::Evidence;
use ar_diagnose::judge::judge;
use ar_diagnose::rule::{BUILT_IN, Where};
use ar_diagnose::when::{self, LONGEST};
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

/// Noon of June 1, 2026.
const NOON: Stamp = Stamp(1_780_315_200_000);

fn texts(dir: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, found);
        } else {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// Pieces of the fixtures, put together at random.
fn splices() -> impl Strategy<Value = String> {
    let mut found = Vec::new();
    texts(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/fixtures/errors"), &mut found);
    let piece = (proptest::sample::select(found), any::<(prop::sample::Index, prop::sample::Index)>());
    let cut = piece.prop_map(|(text, (from, to))| {
        let (from, to) = (from.index(text.len() + 1), to.index(text.len() + 1));
        let (from, to) = (text.floor_char_boundary(from.min(to)), text.floor_char_boundary(from.max(to)));
        text[from..to].to_owned()
    });
    proptest::collection::vec(cut, 1..6).prop_map(|pieces| pieces.concat())
}

fn check(evidence: &Evidence) {
    let diagnosis = judge(evidence, BUILT_IN, NOON).diagnosis;
    if let Some(at) = diagnosis.retry_at {
        assert!(at >= NOON && at <= NOON.plus(LONGEST), "{at}");
    }
    assert!(diagnosis.evidence.is_none_or(|line| line.len() <= 300 && !line.contains('\n')));
}

proptest! {
    #[test]
    fn any_bytes_are_judged(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        check(&Evidence { text: bytes, ..Evidence::default() });
    }

    #[test]
    fn splices_of_messages_are_judged(text in splices(), code in 0..3) {
        check(&Evidence { stderr: text.into_bytes(), exit_code: Some(code), ..Evidence::default() });
    }

    #[test]
    fn a_page_keeps_its_two_texts_alike(text in "\\PC{0,400}") {
        let mut page = Page::default();
        page.add(text.as_bytes(), Where::Any);
        prop_assert_eq!(page.text.len(), page.lower.len());
        prop_assert_eq!(page.text.to_ascii_lowercase(), page.lower);
    }

    #[test]
    fn any_length_is_read_exactly(days in 0_u64..30, hours in 0_u64..24, minutes in 0_u64..60, seconds in 1_u64..60) {
        let wanted = Duration::from_secs(((days * 24 + hours) * 60 + minutes) * 60 + seconds);
        for text in [
            format!("try again in {days} days {hours} hours {minutes} minutes {seconds} seconds."),
            format!("Your quota will reset after {}h{minutes}m{seconds}s.", days * 24 + hours),
            format!("retry-after: {}", wanted.as_secs()),
            format!("{{\"resets_in_seconds\": {}}}", wanted.as_secs()),
        ] {
            let window = when::in_text(&text, &text.to_ascii_lowercase(), NOON).unwrap();
            prop_assert_eq!(window.until, NOON.plus(wanted), "{}", text);
        }
    }

    #[test]
    fn any_clock_is_its_next_occurrence(hour in 1_i64..=12, minute in 0_i64..60, afternoon: bool) {
        let half = if afternoon { "PM" } else { "AM" };
        let text = format!("try again at {hour}:{minute:02} {half} UTC");
        let window = when::in_text(&text, &text.to_ascii_lowercase(), NOON).unwrap();
        let of_day = (hour % 12 + if afternoon { 12 } else { 0 }) * 60 + minute;
        let ahead = (of_day - 12 * 60 - 1).rem_euclid(24 * 60) + 1;
        prop_assert_eq!((window.until.0 - NOON.0) / 60_000, ahead, "{}", text);
    }
}
