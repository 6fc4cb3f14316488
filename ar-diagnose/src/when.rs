//! The times that providers print: when a limit ends.

mod calendar;
mod length;
mod scan;
mod zone;

use crate::clean::{Line, Page};
use ar_core::Stamp;
use std::time::Duration;

/// No window that is printed is believed to last longer.
pub const LONGEST: Duration = Duration::from_hours(31 * 24);
/// No client backs off for so long by itself: a "retrying in" of this length is the server's window.
const LONGEST_BACK_OFF: Duration = Duration::from_mins(10);
/// The window may stand so many lines below the message, or half as many above.
const REACH: usize = 6;
/// An expression of time is not longer.
const EXPRESSION_BYTES: usize = 96;

/// When a limit ends, as the server told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The end; it may lie in the past.
    pub until: Stamp,
    /// Whether a point in time was printed, not a length.
    pub is_a_date: bool,
    /// Whether it stands in another line than the message.
    pub is_apart: bool,
}

impl Window {
    /// A window that ends at a point in time.
    pub fn at(until: Stamp) -> Self {
        Self { until, is_a_date: true, is_apart: false }
    }
}

/// Words after which a window is told.
const CUES: [&str; 40] = [
    "reset",
    "try again",
    "retry after",
    "retry in",
    "retry-after",
    "retry_after",
    "retryafter",
    "retrydelay",
    "retry delay",
    "retry_delay",
    "retry again",
    "come back",
    "regain access",
    "available again",
    "available at",
    "available in",
    "available on",
    "wait",
    "until",
    "renew",
    "refresh",
    "unlock",
    "restored",
    "replenish",
    "retrying in",
    "limit|",
    "reached|",
    "try_again",
    "next attempt",
    "expires",
    "again in",
    "again at",
    "again after",
    "back in",
    "blocked for",
    "cooldown",
    "cooling down",
    "cools down",
    "将在",
    "重置时间",
];

/// Headers that tell of limits that are not reached, too.
const HEADERS: [&str; 4] = [
    "ratelimit-reset-requests",
    "ratelimit-reset-tokens",
    "ratelimit-reset-input-tokens",
    "ratelimit-reset-output-tokens",
];

/// Reads the window that belongs to the line at `index`: in the line itself, else close by.
pub fn near(page: &Page, index: usize, now: Stamp) -> Option<Window> {
    let own = page.lines.get(index)?;
    if let Some(window) = in_line(page, *own, now) {
        return Some(window);
    }
    let below = (index + 1)..(index + 1 + REACH);
    let above = (index.saturating_sub(REACH / 2)..index).rev();
    below.chain(above).filter_map(|at| page.lines.get(at)).find_map(|line| {
        let text = page.lower_line(*line);
        if line.transient || is_status_panel(text) {
            return None;
        }
        in_line(page, *line, now).map(|window| Window { is_apart: true, ..window })
    })
}

/// Reads a text that is nothing but a time, however it is written.
pub fn told(text: &str, now: Stamp) -> Option<Window> {
    expression(text, "", now)
}

/// Reads the window that a line tells.
pub fn in_line(page: &Page, line: Line, now: Stamp) -> Option<Window> {
    in_text(page.line(line), page.lower_line(line), now)
}

/// `Current session 2% used, resets 7:40pm` tells of a limit that is not reached.
fn is_status_panel(lower: &str) -> bool {
    lower.contains('%') && (lower.contains("used") || lower.contains("left") || lower.contains("remaining"))
}

/// Reads the window that a message tells; `lower` is `text` in lower case.
pub fn in_text(text: &str, lower: &str, now: Stamp) -> Option<Window> {
    let mut best: Option<(bool, Window)> = None;
    for (end, cue) in scan::cues(lower, &CUES) {
        let rest = text.get(end..)?;
        let rest = rest.get(..rest.floor_char_boundary(EXPRESSION_BYTES)).unwrap_or("");
        let Some(window) = expression(rest, cue, now) else { continue };
        if cue == "retrying in" && !window.is_a_date && window.until.since(now) < LONGEST_BACK_OFF {
            continue;
        }
        // A length needs no clock of ours to be right, and stands beside a point in time in the same body.
        let better = best.as_ref().is_none_or(|(is_a_date, _)| *is_a_date && !window.is_a_date);
        if better {
            best = Some((window.is_a_date, window));
        }
    }
    best.map(|(_, window)| window).or_else(|| in_headers(text, lower, now))
}

/// The longest wait of the headers about limits, where nothing else tells one.
fn in_headers(text: &str, lower: &str, now: Stamp) -> Option<Window> {
    let windows = scan::cues(lower, &HEADERS).into_iter().filter_map(|(end, cue)| {
        let rest = text.get(end..)?;
        expression(rest.get(..rest.floor_char_boundary(EXPRESSION_BYTES))?, cue, now)
    });
    windows.max_by_key(|window| window.until)
}

fn expression(rest: &str, cue: &str, now: Stamp) -> Option<Window> {
    let whole = rest;
    let (rest, unit) = scan::lead(rest, cue);
    let is_length =
        whole.strip_suffix(rest).is_some_and(|lead| lead.trim_end().ends_with(" in")) || cue.ends_with(" in");
    let clock = if is_length { length::clock(rest) } else { None };
    if let Some(length) = clock.or_else(|| length::read(rest, unit)) {
        return Some(Window { until: now.plus(length), is_a_date: false, is_apart: false });
    }
    calendar::read(rest, now).map(Window::at)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-06-01T12:00:00Z, a Monday.
    fn now() -> Stamp {
        Stamp::parse("2026-06-01T12:00:00Z").unwrap()
    }

    fn seconds(text: &str) -> Option<i64> {
        let window = in_text(text, &text.to_ascii_lowercase(), now())?;
        Some((window.until.0 - now().0).div_euclid(1000))
    }

    #[test]
    fn every_format_is_read() {
        let cases = [
            ("try again in 4 days 20 hours 9 minutes.", 418_140),
            ("Please try again in 9m38.016s. Need more?", 578),
            ("try again in 644ms", 0),
            ("reset after 108h48m29s.", 391_709),
            ("[retrying in 17h 42m attempt #1]", 63_720),
            ("Please retry after 60 seconds", 60),
            ("retryDelay: 36s", 36),
            (r#""resets_at":1775317531,"resets_in_seconds":602705"#, 602_705),
            ("retry-after: 120", 120),
            ("'retry_after': 7", 7),
            ("Come back in 3h 47m", 13_620),
            ("usage limit reached|1780322400", 7200),
            ("resets_at: 1780322400", 7200),
            ("resets 2:10pm (Europe/Moscow)", 83_400),
            ("resets 3:49pm (UTC)", 13_740),
            ("try again at 7:58 PM.", 28_680),
            ("resets Jun 7, 4pm (Europe/Rome)", 525_600),
            ("try again at Jun 2nd, 2026 1:07 AM.", 47_220),
            ("try again at 2 de jun. de 2026, 11:52", 85_920),
            ("Your limit will reset at 2026-06-02 12:00:00", 86_400),
            ("You will regain access on 2026-06-02 at 00:00 UTC.", 43_200),
            ("resets Wed 9am (UTC)", 162_000),
            ("resets at midnight UTC", 43_200),
            ("Try again tomorrow at 9am", 75_600),
            ("Retry-After: Mon, 01 Jun 2026 13:00:00 GMT", 3600),
            ("try again in 1 hour and 30 minutes", 5400),
            ("reset at 2026-06-01T13:00:00Z", 3600),
            ("please wait 30s", 30),
            (r#""resetsAt":1780322400"#, 7200),
            ("resets Sat 9am (UTC)", 421_200),
            ("resetsInSeconds=3600", 3600),
            ("quotaResetDelay: 1h15m30s", 4530),
            ("retry_delay { seconds: 36 }", 36),
            ("try again after June 5, 2026 at 10:30 PM", 383_400),
            ("resets on Thursday, June 4 at 3:00 PM UTC", 270_000),
            ("resets when the cycle ends, until 6/5/2026", 302_400),
            ("cooling down for 5 minutes", 300),
            ("try again in 00:15:30", 930),
            ("Retry in 1:02:03.", 3723),
            ("try again at 13:00", 3600),
            ("x-ratelimit-reset-requests: 1m30s", 90),
            ("'x-ratelimit-reset-requests': '1s', 'x-ratelimit-reset-tokens': '6m0s'", 360),
            ("x-ratelimit-reset-tokens: 6m0s retry-after: 12", 12),
            ("限额将在 2026-06-02 12:00:00 重置", 86_400),
        ];
        for (text, wanted) in cases {
            assert_eq!(seconds(text), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_window_is_not_read() {
        for text in [
            "Retrying in 33 seconds… (attempt 10/10)",
            "please wait and try again later",
            "limit 20 requests per minute",
            "resets",
            "reset reason: overflow",
            "connection reset by peer",
            "retried 5 times (total retry wait time: 6.2 seconds)",
            r#""attempts":3,"totalRetryDelay":274"#,
            "try again with a shorter prompt",
        ] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
