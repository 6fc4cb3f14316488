//! `[cooldown]` in `config.toml`: how long providers rest. ar-pick(1) states the rules.

use super::quantity::Limit;
use crate::Stamp;
use crate::clock::{parse_duration, show_duration};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// The numbers of the rules by which providers rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Cooldown {
    /// The first rest after a rate limit that names no time; each further one is twice as long.
    #[serde(deserialize_with = "length")]
    pub rate_limit: Duration,
    /// The longest rest after a rate limit.
    #[serde(deserialize_with = "length")]
    pub rate_limit_max: Duration,
    /// The first rest after an exhausted quota that names no reset; each further one is twice as long.
    #[serde(deserialize_with = "length")]
    pub quota_exhausted: Duration,
    /// The time between two trials of an expired login.
    #[serde(deserialize_with = "length")]
    pub auth_expired: Duration,
    /// The time between two trials of a broken installation.
    #[serde(deserialize_with = "length")]
    pub cli_version_mismatch: Duration,
    /// The longest time between two trials, whatever a server says.
    #[serde(deserialize_with = "length")]
    pub max_cooldown: Duration,
    /// How much longer than a server says a rest is at most.
    #[serde(deserialize_with = "length")]
    pub jitter: Duration,
    /// A provider with three failures within this time goes last in its tier.
    #[serde(deserialize_with = "length")]
    pub failed_of_late: Duration,
}

impl Default for Cooldown {
    fn default() -> Self {
        Self {
            rate_limit: Duration::from_secs(30),
            rate_limit_max: Duration::from_mins(30),
            quota_exhausted: Duration::from_hours(1),
            auth_expired: Duration::from_mins(30),
            cli_version_mismatch: Duration::from_hours(6),
            max_cooldown: Duration::from_hours(6),
            jitter: Duration::from_secs(10),
            failed_of_late: Duration::from_mins(30),
        }
    }
}

impl Cooldown {
    /// How far two readings of the clock may lie apart before the clock counts as set back.
    pub const SKEW: Duration = Duration::from_mins(1);

    /// When a rest that began at `opened_at` and is written down as ending at `retry_at` really ends.
    ///
    /// Never later than the longest rest after its beginning; and a beginning in the future means that the clock was set
    /// back, so that nobody knows how long the rest has lasted: it ends now.
    pub fn due(&self, opened_at: Stamp, retry_at: Stamp, now: Stamp) -> Stamp {
        if opened_at > now.plus(Self::SKEW) { now } else { retry_at.min(opened_at.plus(self.max_cooldown)) }
    }
}

/// The table as it may stand in `config.toml`.
impl fmt::Display for Cooldown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "[cooldown]")?;
        for (key, length) in [
            ("rate_limit", self.rate_limit),
            ("rate_limit_max", self.rate_limit_max),
            ("quota_exhausted", self.quota_exhausted),
            ("auth_expired", self.auth_expired),
            ("cli_version_mismatch", self.cli_version_mismatch),
            ("max_cooldown", self.max_cooldown),
            ("jitter", self.jitter),
            ("failed_of_late", self.failed_of_late),
        ] {
            let words = show_duration(length);
            // The wording for people leaves small units out of long times.
            let exact = parse_duration(&words).is_ok_and(|read| read == length);
            let seconds = length.as_secs();
            if exact { writeln!(f, "{key} = \"{words}\"") } else { writeln!(f, "{key} = {seconds}") }?;
        }
        Ok(())
    }
}

fn length<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    Limit::deserialize(deserializer).map(|limit| limit.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::path::Path;

    #[test]
    fn what_is_printed_can_be_read() {
        let odd = Cooldown { auth_expired: Duration::from_secs(90_061), ..Cooldown::default() };
        for cooldown in [Cooldown::default(), odd] {
            let config = Config::parse(Path::new("c.toml"), &cooldown.to_string()).unwrap();
            assert_eq!(config.cooldown, cooldown);
        }
    }

    #[test]
    fn no_rest_outlasts_the_longest_or_a_clock_that_was_set() {
        let hour = Duration::from_hours(1);
        let (cooldown, now) = (Cooldown::default(), Stamp(1_800_000_000_000));
        let later = |hours| now.plus(hour * hours);
        for (opened_at, retry_at, now, due) in [
            (now, later(1), now, later(1)),
            (now, later(18 * 24), now, later(6)),
            // A minute is how long a process may have slept with a reading of the clock.
            (now.plus(Duration::from_secs(59)), later(1), now, later(1)),
            (later(24), later(25), now, now),
            (now, later(1), later(7 * 24), later(1)),
        ] {
            assert_eq!(cooldown.due(opened_at, retry_at, now), due, "{opened_at} {retry_at}");
        }
    }
}
