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

fn word(text: &str) -> (usize, String) {
    let length = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    (length, text.get(..length).unwrap_or("").to_ascii_lowercase())
}

/// Steps over the rest of a name in camel case, such as `resetsAt`, which begins with the cue; tells whether it names
/// seconds.
fn unglued(rest: &str) -> (&str, bool) {
    const ENDS: [&str; 12] = [
        "sat",
        "at",
        "sin",
        "sinseconds",
        "inseconds",
        "safter",
        "afterseconds",
        "delay",
        "delayseconds",
        "date",
        "timestamp",
        "timeseconds",
    ];
    let (length, word) = word(rest);
    if ENDS.contains(&word.as_str()) {
        (rest.get(length..).unwrap_or(""), word.ends_with("seconds"))
    } else {
        (rest, false)
    }
}

/// What stands between a cue and its time.
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

/// Steps over what stands between the cue and the time, and tells what a bare number would mean.
pub fn lead<'t>(rest: &'t str, cue: &str) -> (&'t str, Unit) {
    let key = cue.contains(['-', '_']) || matches!(cue, "retryafter" | "retrydelay");
    let mut unit = if key { Unit::Seconds } else { Unit::None };
    let (mut rest, seconds) = unglued(rest);
    if seconds {
        unit = Unit::Seconds;
    }
    loop {
        rest = rest.trim_start_matches(|c: char| {
            c.is_whitespace()
                || matches!(
                    c,
                    ':' | '='
                        | '"'
                        | '\''
                        | '_'
                        | '-'
                        | '('
                        | '~'
                        | '|'
                        | ','
                        | '·'
                        | '>'
                        | '*'
                        | '≈'
                        | '{'
                        | '：'
                )
        });
        let (length, word) = word(rest);
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
