//! The one clock, and points in time as the database and the record keep them.

use crate::exit::Failure;
use anyhow::Context;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The variable that sets the clock (RFC 3339), for tests and for asking what would happen then.
pub const NOW_VARIABLE: &str = "AGENT_RUNNER_NOW";

/// A point in time: milliseconds since 1970 in UTC. RFC 3339 with milliseconds in JSON and on paper.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Stamp(pub i64);

impl Stamp {
    /// Reads the clock: [`NOW_VARIABLE`] where it is set, else the system's.
    ///
    /// A variable that holds no RFC 3339 time is an error, never the system's clock in disguise.
    pub fn now() -> anyhow::Result<Self> {
        match std::env::var_os(NOW_VARIABLE) {
            None => Ok(Self::of_system()),
            Some(value) => {
                let text = value.to_string_lossy();
                Self::parse(&text).with_context(|| format!("{NOW_VARIABLE} is wrong"))
            }
        }
    }

    /// Reads the system's clock, whatever [`NOW_VARIABLE`] says.
    pub fn of_system() -> Self {
        Self(Timestamp::now().as_millisecond())
    }

    /// Reads an RFC 3339 time.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let time = text.parse::<Timestamp>();
        // What the parser says is about its grammar; an example says more.
        let time = time.map_err(|_| {
            Failure::trouble(format!("cannot read '{text}' as a time")).hint("such as 2026-11-20T10:00:00Z")
        })?;
        Ok(Self(time.as_millisecond()))
    }

    /// This time moved forward by `duration`.
    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        let ms = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self(self.0.saturating_add(ms))
    }

    /// How long from `earlier` until this time; zero where it lies before.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl std::fmt::Display for Stamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let end = if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX };
        write!(f, "{:.3}", Timestamp::from_millisecond(self.0).unwrap_or(end))
    }
}

impl From<Stamp> for String {
    fn from(stamp: Stamp) -> Self {
        stamp.to_string()
    }
}

impl TryFrom<String> for Stamp {
    type Error = anyhow::Error;

    fn try_from(text: String) -> anyhow::Result<Self> {
        Self::parse(&text)
    }
}

/// Reads a length of time: `90` (seconds), `90s`, `5m`, `1h 30m`, `2 days`.
pub fn parse_duration(text: &str) -> anyhow::Result<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Ok(Duration::from_secs(u64::from(seconds)));
    }
    read_span(text).ok_or_else(|| {
        Failure::trouble(format!("cannot read '{text}' as a length of time"))
            .hint("such as 90, 5m or 1h 30m")
            .into()
    })
}

/// A length of time with units; none where it cannot be read or is negative.
fn read_span(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.parse().ok()?;
    let duration: SignedDuration = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(duration).ok()
}

/// Words a length of time for people: the two largest units that count, `1h 30m`, `45s`, `0s`.
pub fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let parts =
        [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let words: Vec<String> = parts
        .iter()
        .skip_while(|(n, _)| *n == 0)
        .take(2)
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect();
    if words.is_empty() { "0s".to_owned() } else { words.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_survive_the_round_trip() {
        for text in ["2026-11-20T10:00:00.123Z", "1970-01-01T00:00:00.000Z"] {
            assert_eq!(Stamp::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(
            Stamp::parse("2026-11-20T12:00:00+02:00").unwrap().to_string(),
            "2026-11-20T10:00:00.000Z"
        );
        assert!(Stamp::parse("yesterday").is_err());
    }

    #[test]
    fn the_end_of_time_is_not_passed() {
        let end = Stamp(i64::MAX - 1).plus(Duration::from_secs(10));
        assert!(end.to_string().starts_with("9999-12-"));
    }

    #[test]
    fn durations_are_read_and_worded() {
        let cases = [("90", 90), ("90s", 90), ("5m", 300), ("1h 30m", 5400), ("2 days", 172_800), ("0", 0)];
        for (text, seconds) in cases {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "soon", "-5s", "1 fortnight"] {
            let failure = Failure::of(&parse_duration(text).unwrap_err());
            assert_eq!(failure.message, format!("cannot read '{text}' as a length of time"));
            assert_eq!(failure.hint.as_deref(), Some("such as 90, 5m or 1h 30m"));
        }
        for (seconds, text) in [(0, "0s"), (45, "45s"), (5400, "1h 30m"), (3601, "1h"), (172_800, "2d")] {
            assert_eq!(show_duration(Duration::from_secs(seconds)), text);
        }
    }
}
