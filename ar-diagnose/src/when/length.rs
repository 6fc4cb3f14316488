//! Lengths of time: `5 days 22 hours 11 minutes`, `9m38.016s`, `1h 30m`, `36s`.

use super::scan::Unit;
use std::time::Duration;

/// Reads the length that the text begins with; all its units are added up.
pub fn read(text: &str, bare: Unit) -> Option<Duration> {
    let mut total = 0.0_f64;
    let mut rest = text;
    let mut units = 0;
    while let Some((number, after)) = number(rest) {
        let spaced = after.trim_start_matches([' ', '-']);
        let length = spaced.chars().take_while(|c| c.is_alphabetic()).map(char::len_utf8).sum();
        let word = spaced.get(..length).unwrap_or("");
        let Some(seconds) = seconds_of(word) else {
            // The bare number that a key such as `retry_after` stands before.
            if units == 0
                && !after.starts_with([':', '-', '/'])
                && !after.starts_with(|c: char| c.is_alphabetic())
            {
                return bare_number(number, bare);
            }
            break;
        };
        units += 1;
        total += number * seconds;
        rest = spaced.get(length..).unwrap_or("").trim_start_matches([' ', ',', '.']);
        rest = rest.strip_prefix("and ").unwrap_or(rest);
    }
    (units > 0).then(|| Duration::try_from_secs_f64(total).ok()).flatten()
}

/// Reads `00:15:30`, hours, minutes and seconds.
pub fn clock(text: &str) -> Option<Duration> {
    let end = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b':').count();
    let parts: Vec<&str> = text.get(..end)?.trim_end_matches(':').split(':').collect();
    let [hours, minutes, seconds] = parts.as_slice() else { return None };
    let fits = hours.len() <= 3 && minutes.len() == 2 && seconds.len() == 2;
    let number = |text: &str| text.parse::<u64>().ok().filter(|_| fits);
    Some(Duration::from_secs(number(hours)? * 3600 + number(minutes)? * 60 + number(seconds)?))
}

/// More seconds than this are a point in time since 1970.
const EPOCH: f64 = 1.0e9;

fn bare_number(number: f64, unit: Unit) -> Option<Duration> {
    match unit {
        Unit::None => None,
        _ if number >= EPOCH => None,
        Unit::Seconds => Duration::try_from_secs_f64(number).ok(),
        Unit::Milliseconds => Duration::try_from_secs_f64(number / 1000.0).ok(),
    }
}

fn number(text: &str) -> Option<(f64, &str)> {
    let end = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
    let end = text.get(..end)?.trim_end_matches('.').len();
    let number = text.get(..end)?;
    if !number.starts_with(|c: char| c.is_ascii_digit()) {
        return word_number(text);
    }
    Some((number.parse().ok()?, text.get(end..)?))
}

fn word_number(text: &str) -> Option<(f64, &str)> {
    const WORDS: [(&str, f64); 6] =
        [("a few ", 1.0), ("an ", 1.0), ("a ", 1.0), ("one ", 1.0), ("two ", 2.0), ("less than ", 0.0)];
    // "a few minutes" tells nothing that could be waited for.
    let (word, number) = WORDS.iter().find(|(word, _)| text.starts_with(word))?;
    if matches!(*word, "a few " | "less than ") { None } else { Some((*number, text.get(word.len()..)?)) }
}

fn seconds_of(unit: &str) -> Option<f64> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => 0.001,
        "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "wk" | "week" | "weeks" => 604_800.0,
        _ => return None,
    })
}
