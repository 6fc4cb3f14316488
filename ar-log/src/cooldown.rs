//! How long a provider rests after a failure. ar-pick(1) states these rules for users.

use ar_core::Stamp;
use ar_core::record::{Class, Diagnosis};
use std::time::Duration;

/// The first rest after a rate limit that names no time; each further one is twice as long.
const RATE_LIMIT_FIRST: Duration = Duration::from_secs(30);
/// The longest rest after a rate limit.
const RATE_LIMIT_CAP: Duration = Duration::from_mins(30);
/// The first rest after a quota that names no reset; each further one is twice as long.
const QUOTA_FIRST: Duration = Duration::from_hours(1);
/// The longest time until an exhausted quota is tried again, however late its reset: people buy more.
const QUOTA_PROBE: Duration = Duration::from_hours(6);
/// How often a login is tried again.
const AUTH_PROBE: Duration = Duration::from_mins(30);
/// How often an installation is tried again.
const INSTALLATION_PROBE: Duration = Duration::from_hours(12);
/// A time that a server names is kept by all who wait for it, so each waits a little longer than that.
const MAX_JITTER_MS: u64 = 10_000;

/// A rest: until when, and the reset that the provider itself named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    pub retry_at: Stamp,
    pub resets_at: Option<Stamp>,
    /// How many failures in a row, not counting those inside an open rest.
    pub strikes: u32,
}

/// The rest after a failure; none for classes that cool nobody. `before` is the rest that stands, `chance` is any number
/// that differs from run to run.
pub fn rest(diagnosis: &Diagnosis, before: Option<Rest>, now: Stamp, chance: u64) -> Option<Rest> {
    let class = diagnosis.class?;
    let open = before.filter(|before| now < before.retry_at);
    let strikes = match (open, before) {
        (Some(open), _) => open.strikes,
        (None, Some(before)) => before.strikes.saturating_add(1),
        (None, None) => 0,
    };
    let resets_at = diagnosis.retry_at.filter(|at| *at > now);
    let named = resets_at.map(|at| at.since(now));
    let length = match class {
        Class::RateLimit => match named {
            Some(wait) => jittered(wait, chance).min(RATE_LIMIT_CAP),
            None => doubled(RATE_LIMIT_FIRST, strikes, RATE_LIMIT_CAP),
        },
        Class::QuotaExhausted => match named {
            Some(wait) => jittered(wait, chance).min(QUOTA_PROBE),
            None => doubled(QUOTA_FIRST, strikes, QUOTA_PROBE),
        },
        Class::AuthExpired => AUTH_PROBE,
        Class::CliVersionMismatch => INSTALLATION_PROBE,
        Class::NetworkError | Class::Unknown => return None,
    };
    // Failures of runs that were under way when the rest began say nothing new, unless they name a time.
    let retry_at = match open {
        Some(open) if named.is_none() => open.retry_at,
        Some(open) => open.retry_at.max(now.plus(length)),
        None => now.plus(length),
    };
    Some(Rest { retry_at, resets_at, strikes })
}

fn doubled(first: Duration, times: u32, cap: Duration) -> Duration {
    2_u32
        .checked_pow(times)
        .and_then(|factor| first.checked_mul(factor))
        .map_or(cap, |length| length.min(cap))
}

fn jittered(wait: Duration, chance: u64) -> Duration {
    let most = u64::try_from(wait.as_millis() / 20).unwrap_or(u64::MAX).min(MAX_JITTER_MS);
    wait + Duration::from_millis(if most == 0 { 0 } else { chance % most })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ar_core::record::Verdict;

    const NOW: Stamp = Stamp(1_000_000_000);

    fn failure(class: Class, retry_in: Option<Duration>) -> Diagnosis {
        Diagnosis {
            verdict: Verdict::Provider,
            class: Some(class),
            detail: None,
            by: "rule".into(),
            evidence: None,
            retry_at: retry_in.map(|wait| NOW.plus(wait)),
            retry_from: None,
            scope: None,
        }
    }

    fn minutes(class: Class, retry_in: Option<Duration>, before: Option<Rest>) -> Option<u64> {
        rest(&failure(class, retry_in), before, NOW, 0).map(|rest| rest.retry_at.since(NOW).as_secs() / 60)
    }

    #[test]
    fn each_class_rests_as_the_manual_says() {
        let hour = Duration::from_hours(1);
        assert_eq!(minutes(Class::RateLimit, Some(Duration::from_mins(5)), None), Some(5));
        assert_eq!(minutes(Class::RateLimit, Some(hour), None), Some(30));
        assert_eq!(minutes(Class::QuotaExhausted, Some(hour * 3), None), Some(180));
        assert_eq!(minutes(Class::QuotaExhausted, Some(hour * 24 * 18), None), Some(360));
        assert_eq!(minutes(Class::QuotaExhausted, None, None), Some(60));
        assert_eq!(minutes(Class::AuthExpired, None, None), Some(30));
        assert_eq!(minutes(Class::CliVersionMismatch, None, None), Some(720));
        assert_eq!(minutes(Class::NetworkError, None, None), None);
        assert_eq!(minutes(Class::Unknown, Some(hour), None), None);
    }

    #[test]
    fn only_a_failure_after_the_rest_doubles_the_next() {
        let mut rests = Vec::new();
        let mut now = NOW;
        let mut before = None;
        for _ in 0..9 {
            let next = rest(&failure(Class::RateLimit, None), before, now, 0).unwrap();
            rests.push(next.retry_at.since(now).as_secs());
            let inside = rest(&failure(Class::RateLimit, None), Some(next), now, 0).unwrap();
            assert_eq!(inside, next);
            now = next.retry_at;
            before = Some(next);
        }
        assert_eq!(rests, [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
    }

    #[test]
    fn a_reset_in_the_past_is_no_reset() {
        let mut late = failure(Class::QuotaExhausted, None);
        late.retry_at = Some(Stamp(NOW.0 - 5));
        assert_eq!(rest(&late, None, NOW, 0).unwrap().resets_at, None);
    }
}
