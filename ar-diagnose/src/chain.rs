//! Whether a line holds the words of a pattern, in their order and close enough: what remains is nearly always a match,
//! and a pattern that is not compiled costs nothing.

use crate::rule::{Link, Pattern};
use memchr::memmem;

/// The offset in the line before which no match of the pattern can start; none where there can be no match.
pub fn earliest(pattern: &Pattern, text: &[u8]) -> Option<usize> {
    let Some((first, others)) = pattern.chain.split_first() else { return Some(0) };
    let mut starts = places(first, text, 0);
    if pattern.anchored {
        starts.retain(|place| place.start <= first.reach);
    }
    let start = starts.iter().map(|place| place.start).min()?;
    let from = if pattern.anchored { 0 } else { start.saturating_sub(first.reach) };
    let mut ends: Vec<usize> = starts.iter().map(|place| place.end).collect();
    for link in others {
        ends.sort_unstable();
        ends = behind(link, text, &ends);
    }
    (!ends.is_empty()).then_some(from)
}

/// A word in a line.
struct Place {
    start: usize,
    end: usize,
}

/// Where words of the link stand, from an offset on.
fn places(link: &Link, text: &[u8], from: usize) -> Vec<Place> {
    let mut places = Vec::new();
    for word in link.words.iter() {
        let finder = memmem::Finder::new(word.as_bytes());
        let mut at = from;
        // A word may overlap with itself: `--` stands twice in `---`.
        while let Some(found) = text.get(at..).and_then(|rest| finder.find(rest)) {
            places.push(Place { start: at + found, end: at + found + word.len() });
            at += found + 1;
        }
    }
    places
}

/// Where the words of a link end that stand close enough behind one of the ends, which are sorted.
fn behind(link: &Link, text: &[u8], ends: &[usize]) -> Vec<usize> {
    let Some(from) = ends.first() else { return Vec::new() };
    let is_close = |place: &Place| {
        let nearest =
            ends.partition_point(|end| *end <= place.start).checked_sub(1).and_then(|at| ends.get(at));
        nearest.is_some_and(|end| place.start - end <= link.reach)
    };
    places(link, text, *from).into_iter().filter(is_close).map(|place| place.end).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Text;
    use std::borrow::Cow::Owned;

    fn pattern(source: &str) -> Pattern {
        let needles = crate::needles::of(source).expect("the pattern is sound");
        let link = |link: crate::needles::Link| Link {
            words: Owned(link.words.into_iter().map(Text::Owned).collect()),
            reach: link.reach,
        };
        Pattern {
            source: Owned(source.to_owned()),
            chain: needles.chain.into_iter().map(link).collect(),
            telling: needles.telling,
            plain: needles.plain,
            anchored: needles.anchored,
        }
    }

    #[test]
    fn words_must_stand_in_order_and_close_enough() {
        let cases = [
            (r"api[ _]key", "an api key", Some(3)),
            (r"(?:invalid|wrong) (?:\w+ )?key", "key invalid", None),
            (r"limit.{0,4}reached", "limit was reached", None),
            (r"limit.{0,4}reached", "the limit reached", Some(4)),
            (r"limit.{0,4}reached", "limit, a limit is reached", Some(0)),
            (r"limit.*reached", "limit was long ago reached", Some(0)),
            (r"[a-z]{0,3}limit", "the overlimit", Some(5)),
            (r"x--y", "---x--y", Some(3)),
            (r"-{0,2}(?:ab|cd)+ef", "ababef", Some(0)),
            (r"^\W*limit", "- limit", Some(0)),
            (r"^.?limit", "the limit", None),
            (r"[0-9]+", "no word is needed", Some(0)),
        ];
        for (source, line, from) in cases {
            assert_eq!(earliest(&pattern(source), line.as_bytes()), from, "{source} in {line}");
        }
    }

    #[test]
    fn no_line_that_a_pattern_matches_is_passed_over() {
        let sources = [
            r"\b(?:rate|usage)[ _-]?limit(?:ed|s)? (?:\S+ ){0,3}(?:reached|exceeded)",
            r"code{=}429|{^}too many",
            r"(?:try|retry) (?:again )?in (?P<time>[0-9]+ ?s)",
        ];
        let lines = [
            "your rate_limit was now exceeded",
            "a usage limit reached",
            "error: {\"code\": 429}",
            "error: too many requests",
            "please retry in 5s, or try again in 10 s",
        ];
        for (source, line) in sources.iter().flat_map(|source| lines.iter().map(move |line| (source, line))) {
            let found = crate::find::compile(source).expect("the pattern is sound").find(line.as_bytes());
            let Some(found) = found else { continue };
            let from = earliest(&pattern(source), line.as_bytes());
            assert!(from.is_some_and(|from| from <= found.start()), "{source} in {line}: {from:?}");
        }
    }
}
