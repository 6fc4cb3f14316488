//! How long a provider rests after a failure. ar-pick(1) states these rules for users.

use ar_core::Stamp;
use ar_core::config::Cooldown;
use ar_core::record::{Class, Diagnosis};
use std::time::Duration;

/// A rest as it stands when a run fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rest {
    pub class: Class,
    pub opened_at: Stamp,
    pub retry_at: Stamp,
    /// The reset that the provider itself named.
    pub resets_at: Option<Stamp>,
    /// How many failures in a row, those of simultaneous runs counted once.
    pub strikes: u32,
}

/// When a failed run was picked and when it was over.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    pub picked_at: Stamp,
    pub now: Stamp,
    /// Whether it tried the provider out, as one may before the end of a rest where the cause looks mended.
    pub is_trial: bool,
}

/// The rest after a failure; none where the one that stands goes on as it is, and for classes that cool nobody.
/// `chance` is any number that differs from run to run.
pub fn rest(
    rules: &Cooldown,
    diagnosis: &Diagnosis,
    before: Option<Rest>,
    span: Span,
    chance: u64,
) -> Option<Rest> {
    let Span { picked_at, now, is_trial } = span;
    let class = diagnosis.class?;
    let before = before.map(|rest| {
        let was_over = is_trial && rest.opened_at <= picked_at;
        let due = if was_over { picked_at } else { rules.due(rest.opened_at, rest.retry_at, now) };
        Rest { retry_at: due, ..rest }
    });
    let alike = before.filter(|before| before.class == class);
    let strikes = match alike {
        // A run that began before the rest did says nothing new about it.
        Some(alike) if now < alike.retry_at || picked_at <= alike.opened_at => alike.strikes,
        Some(alike) => alike.strikes.saturating_add(1),
        None => 0,
    };
    let resets_at = diagnosis.retry_at.filter(|at| *at > now);
    let wait = resets_at.map(|at| jittered(at.since(now), rules.jitter, chance));
    let retry_at = now.plus(length(rules, class, wait, strikes)?);
    match before.filter(|before| now < before.retry_at) {
        None => Some(Rest { class, opened_at: now, retry_at, resets_at, strikes }),
        Some(open) if retry_at <= open.retry_at || (alike.is_some() && wait.is_none()) => None,
        // How long it may last at most is counted from its beginning.
        Some(open) => Some(Rest {
            class,
            opened_at: open.opened_at,
            retry_at: rules.due(open.opened_at, retry_at, now),
            resets_at: resets_at.or(open.resets_at),
            strikes,
        }),
    }
}

/// How long a rest is, where the provider asks for `wait`.
fn length(rules: &Cooldown, class: Class, wait: Option<Duration>, strikes: u32) -> Option<Duration> {
    let length = match class {
        Class::RateLimit => {
            wait.unwrap_or_else(|| doubled(rules.rate_limit, strikes)).min(rules.rate_limit_max)
        }
        Class::QuotaExhausted => wait.unwrap_or_else(|| doubled(rules.quota_exhausted, strikes)),
        Class::AuthExpired => rules.auth_expired,
        Class::CliVersionMismatch => rules.cli_version_mismatch,
        Class::NetworkError | Class::Unknown => return None,
    };
    Some(length.min(rules.max_cooldown))
}

fn doubled(first: Duration, times: u32) -> Duration {
    2_u32.checked_pow(times).and_then(|factor| first.checked_mul(factor)).unwrap_or(Duration::MAX)
}

/// A time that a server names is kept by all who wait for it, so each waits up to a twentieth longer.
fn jittered(wait: Duration, most: Duration, chance: u64) -> Duration {
    let most = u64::try_from((wait / 20).min(most).as_millis()).unwrap_or(u64::MAX);
    wait.saturating_add(Duration::from_millis(if most == 0 { 0 } else { chance % most }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ar_core::record::Verdict;

    const NOW: Stamp = Stamp(1_800_000_000_000);
    const HOUR: Duration = Duration::from_hours(1);

    fn failure(class: Class, retry_at: Option<Stamp>) -> Diagnosis {
        Diagnosis {
            verdict: Verdict::Provider,
            class: Some(class),
            detail: None,
            by: "rule".into(),
            evidence: None,
            retry_at,
            retry_from: None,
            scope: None,
        }
    }

    /// The rest after a run that was picked and failed at once.
    fn after(class: Class, retry_at: Option<Stamp>, before: Option<Rest>, now: Stamp) -> Option<Rest> {
        let span = Span { picked_at: now, now, is_trial: false };
        rest(&Cooldown::default(), &failure(class, retry_at), before, span, 0)
    }

    fn minutes(class: Class, retry_in: Option<Duration>) -> Option<u64> {
        let rest = after(class, retry_in.map(|wait| NOW.plus(wait)), None, NOW);
        rest.map(|rest| rest.retry_at.since(NOW).as_secs() / 60)
    }

    #[test]
    fn each_class_rests_as_the_manual_says() {
        assert_eq!(minutes(Class::RateLimit, Some(HOUR / 12)), Some(5));
        assert_eq!(minutes(Class::RateLimit, Some(HOUR)), Some(30));
        assert_eq!(minutes(Class::QuotaExhausted, Some(HOUR * 3)), Some(180));
        assert_eq!(minutes(Class::QuotaExhausted, Some(HOUR * 24 * 18)), Some(360));
        assert_eq!(minutes(Class::QuotaExhausted, None), Some(60));
        assert_eq!(minutes(Class::AuthExpired, None), Some(30));
        assert_eq!(minutes(Class::CliVersionMismatch, None), Some(360));
        assert_eq!(minutes(Class::NetworkError, None), None);
        assert_eq!(minutes(Class::Unknown, Some(HOUR)), None);
    }

    #[test]
    fn only_a_failure_after_the_rest_doubles_the_next() {
        let mut rests = Vec::new();
        let mut now = NOW;
        let mut before = None;
        for _ in 0..9 {
            let next = after(Class::RateLimit, None, before, now).unwrap();
            rests.push(next.retry_at.since(now).as_secs());
            assert_eq!(after(Class::RateLimit, None, Some(next), now), None);
            now = next.retry_at;
            before = Some(next);
        }
        assert_eq!(rests, [30, 60, 120, 240, 480, 960, 1800, 1800, 1800]);
    }

    #[test]
    fn failures_of_simultaneous_runs_count_once_even_after_the_rest() {
        let first = after(Class::RateLimit, None, None, NOW).unwrap();
        let later = NOW.plus(HOUR);
        let span = Span { picked_at: NOW, now: later, is_trial: false };
        let slow =
            rest(&Cooldown::default(), &failure(Class::RateLimit, None), Some(first), span, 0).unwrap();
        assert_eq!((slow.strikes, slow.opened_at), (0, later));
        assert_eq!(after(Class::RateLimit, None, Some(first), later).unwrap().strikes, 1);
    }

    #[test]
    fn a_rest_is_only_ever_prolonged_while_it_lasts_and_to_the_longest_at_most() {
        let open = after(Class::AuthExpired, None, None, NOW).unwrap();
        assert_eq!(after(Class::RateLimit, None, Some(open), NOW), None);
        let longer = after(Class::QuotaExhausted, Some(NOW.plus(HOUR)), Some(open), NOW).unwrap();
        assert_eq!(
            (longer.class, longer.retry_at, longer.strikes),
            (Class::QuotaExhausted, NOW.plus(HOUR), 0)
        );
        let now = NOW.plus(HOUR / 2);
        let longest = after(Class::QuotaExhausted, Some(NOW.plus(HOUR * 99)), Some(longer), now).unwrap();
        assert_eq!(longest.retry_at, NOW.plus(HOUR * 6));
    }

    #[test]
    fn a_trial_that_fails_before_the_end_of_a_rest_begins_the_next_one() {
        let later = NOW.plus(HOUR / 6);
        let trial = Span { picked_at: later, now: later, is_trial: true };
        for (first, then, length) in [
            (Class::AuthExpired, Class::AuthExpired, HOUR / 2),
            (Class::QuotaExhausted, Class::AuthExpired, HOUR / 2),
            (Class::QuotaExhausted, Class::QuotaExhausted, HOUR * 2),
        ] {
            let open = after(first, None, None, NOW);
            let next = rest(&Cooldown::default(), &failure(then, None), open, trial, 0).unwrap();
            assert_eq!((next.class, next.opened_at, next.retry_at), (then, later, later.plus(length)));
        }
        // One that began after the run was picked is none that it tried out.
        let open = after(Class::AuthExpired, None, None, later.plus(HOUR));
        let late = Span { now: later.plus(HOUR), ..trial };
        assert_eq!(rest(&Cooldown::default(), &failure(Class::AuthExpired, None), open, late, 0), None);
    }

    #[test]
    fn a_rest_from_the_future_is_replaced() {
        let future = after(Class::QuotaExhausted, None, None, NOW.plus(HOUR * 24 * 7)).unwrap();
        let healed = after(Class::QuotaExhausted, None, Some(future), NOW).unwrap();
        assert_eq!((healed.opened_at, healed.retry_at), (NOW, NOW.plus(HOUR)));
    }

    #[test]
    fn a_reset_in_the_past_is_no_reset() {
        let past = Some(Stamp(NOW.0 - 5));
        assert_eq!(after(Class::QuotaExhausted, past, None, NOW).unwrap().resets_at, None);
    }
}
