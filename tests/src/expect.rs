//! Comparing what a program prints with what a test expects.

use std::path::Path;

/// More of a stream than this many bytes helps nobody who reads a failed test.
const SHOWN: usize = 4000;

/// What is wrong with `actual`, if anything.
pub(crate) fn fault(stream: &str, expected: &[u8], actual: &[u8], home: &Path) -> Option<String> {
    if expected == actual {
        return None;
    }
    if let (Ok(pattern), Ok(text)) = (str::from_utf8(expected), str::from_utf8(actual)) {
        let text = text.replace(&*home.to_string_lossy(), "[HOME]");
        if matches(pattern, &text) {
            return None;
        }
    }
    Some(format!(
        "--- expected on standard {stream} ({} bytes, not {})\n{}",
        expected.len(),
        actual.len(),
        show(expected)
    ))
}

/// The text for people, cut to a size that they can read.
pub(crate) fn show(bytes: &[u8]) -> String {
    let shown = String::from_utf8_lossy(bytes.get(..SHOWN).unwrap_or(bytes)).into_owned();
    if bytes.len() > SHOWN { format!("{shown}… and {} bytes more", bytes.len() - SHOWN) } else { shown }
}

fn matches(pattern: &str, text: &str) -> bool {
    let (mut patterns, mut lines) = (pattern.split('\n'), text.split('\n'));
    loop {
        match (patterns.next(), lines.next()) {
            (None, None) => return true,
            (Some(pattern), Some(line)) if line_matches(pattern, line) => {}
            _ => return false,
        }
    }
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let Some((start, others)) = pattern.split_once("[..]") else { return pattern == line };
    let Some(rest) = line.strip_prefix(start) else { return false };
    (0..=rest.len()).filter_map(|at| rest.get(at..)).any(|rest| line_matches(others, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_match_within_a_line() {
        for (pattern, text) in [
            ("", ""),
            ("a\n", "a\n"),
            ("a[..]c\n", "abbc\n"),
            ("[..]", "x"),
            ("a[..]b[..]", "a-b"),
            ("[..]b[..]d", "abcd"),
        ] {
            assert!(matches(pattern, text), "{pattern:?} {text:?}");
        }
        for (pattern, text) in
            [("", "a"), ("a\n", "a"), ("a[..]c", "a\nc"), ("ab[..]bc", "abc"), ("[..]x[..]", "y")]
        {
            assert!(!matches(pattern, text), "{pattern:?} {text:?}");
        }
    }

    #[test]
    fn the_home_directory_has_a_name() {
        assert_eq!(fault("output", b"in [HOME]/x", b"in /tmp/h/x", Path::new("/tmp/h")), None);
        assert!(fault("output", b"a", b"\xff", Path::new("/tmp/h")).is_some());
    }
}
