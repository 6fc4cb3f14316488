//! Finding the words after which a time is told, and stepping over the small words between.

/// What a bare number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// It means nothing.
    None,
    /// Seconds.
    Seconds,
    /// Milliseconds.
    Milliseconds,
}

/// Where each of the `cues` ends in `lower`, in the order of the text.
pub fn cues<'c>(lower: &str, cues: &[&'c str]) -> Vec<(usize, &'c str)> {
    let mut found: Vec<(usize, &str)> = Vec::new();
    for cue in cues {
        let starts = memchr::memmem::find_iter(lower.as_bytes(), cue.as_bytes());
        found.extend(starts.filter(|at| !is_spent(lower, *at)).map(|at| (at + cue.len(), *cue)));
    }
    found.sort_unstable_by_key(|(end, _)| *end);
    found.truncate(64);
    found
}

/// Whether the time is one that was waited already: `total retry wait time`, `totalRetryDelay`.
fn is_spent(lower: &str, cue: usize) -> bool {
    let from = lower.floor_char_boundary(cue.saturating_sub(12));
    lower.get(from..cue).is_some_and(|before| before.contains("total"))
}

/// Steps over what stands between the cue and the time, and tells what a bare number would mean.
pub fn lead<'t>(rest: &'t str, cue: &str) -> (&'t str, Unit) {
    const WORDS: [&str; 32] = [
        "s",
        "ing",
        "ed",
        "in",
        "at",
        "after",
        "on",
        "for",
        "time",
        "is",
        "about",
        "approximately",
        "around",
        "again",
        "by",
        "ms",
        "seconds",
        "sec",
        "date",
        "will",
        "be",
        "to",
        "your",
        "the",
        "limit",
        "header",
        "another",
        "least",
        "automatically",
        "resets",
        "timestamp",
        "until",
    ];
    let key = cue.contains(['-', '_']) || matches!(cue, "retryafter" | "retrydelay");
    let mut unit = if key { Unit::Seconds } else { Unit::None };
    let mut rest = rest;
    loop {
        rest = rest.trim_start_matches(|c: char| {
            c.is_whitespace()
                || matches!(
                    c,
                    ':' | '=' | '"' | '\'' | '_' | '-' | '(' | '~' | '|' | ',' | '·' | '>' | '*' | '≈'
                )
        });
        let length = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let word = rest.get(..length).unwrap_or("").to_ascii_lowercase();
        if !WORDS.contains(&word.as_str()) {
            return (rest, unit);
        }
        match word.as_str() {
            "ms" => unit = Unit::Milliseconds,
            "seconds" | "sec" => unit = Unit::Seconds,
            _ => {}
        }
        rest = rest.get(length..).unwrap_or("");
    }
}
