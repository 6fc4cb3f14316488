//! Points in time as people write them.

use anyhow::Result;
use ar_core::{Failure, Stamp, clock};
use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// Reads a time: a length of time ago (`2h`, `1d 12h`), `now`, `today`, `yesterday`, a date, a date with a time, both of
/// them in the local zone, or RFC 3339.
pub fn parse(text: &str, now: Stamp) -> Result<Stamp> {
    parse_in(text, now, &TimeZone::system())
}

fn parse_in(text: &str, now: Stamp, zone: &TimeZone) -> Result<Stamp> {
    let wrong = || {
        Failure::trouble(format!("cannot read '{text}' as a time"))
            .hint("write 2h, yesterday, 2026-11-20, '2026-11-20 18:30' or 2026-11-20T18:30:00Z")
    };
    if let Ok(stamp) = Stamp::parse(text) {
        return Ok(stamp);
    }
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        let today = Timestamp::from_millisecond(now.0)?.to_zoned(zone.clone()).date();
        let day = match text {
            "now" => return Ok(now),
            "today" => today,
            "yesterday" => today.checked_sub(1.day())?,
            _ => return Err(wrong().into()),
        };
        return Ok(Stamp(day.to_zoned(zone.clone())?.timestamp().as_millisecond()));
    }
    if let Ok(length) = clock::parse_duration(text) {
        return Ok(Stamp(now.0.saturating_sub(i64::try_from(length.as_millis()).unwrap_or(i64::MAX))));
    }
    let moment = text.parse::<DateTime>().or_else(|_| text.parse::<Date>().map(DateTime::from));
    let moment = moment.map_err(|_| wrong())?.to_zoned(zone.clone()).map_err(|_| wrong())?;
    Ok(Stamp(moment.timestamp().as_millisecond()))
}

/// Words a time for people: the local date and time to the second.
pub fn show(at: Stamp) -> String {
    show_in(at, &TimeZone::system(), "%Y-%m-%d %H:%M:%S")
}

/// Words a time for people with little room: month, day, hour and minute.
pub fn show_short(at: Stamp) -> String {
    show_in(at, &TimeZone::system(), "%m-%d %H:%M")
}

fn show_in(at: Stamp, zone: &TimeZone, form: &str) -> String {
    match Timestamp::from_millisecond(at.0) {
        Ok(at) => at.to_zoned(zone.clone()).strftime(form).to_string(),
        Err(_) => at.to_string(),
    }
}

/// Words a day, counted since 1970 in UTC.
pub fn show_day(day: i64) -> String {
    Stamp(day.saturating_mul(86_400_000)).to_string().chars().take(10).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::offset;

    #[test]
    fn times_are_read_as_people_write_them() {
        let now = Stamp::parse("2026-11-21T01:30:00Z").unwrap();
        let zone = TimeZone::fixed(offset(2));
        for (text, time) in [
            ("2h", "2026-11-20T23:30:00Z"),
            ("90", "2026-11-21T01:28:30Z"),
            ("1d 12h", "2026-11-19T13:30:00Z"),
            ("now", "2026-11-21T01:30:00Z"),
            ("today", "2026-11-20T22:00:00Z"),
            ("yesterday", "2026-11-19T22:00:00Z"),
            ("2026-11-20", "2026-11-19T22:00:00Z"),
            ("2026-11-20 18:30", "2026-11-20T16:30:00Z"),
            ("2026-11-20T18:30:05", "2026-11-20T16:30:05Z"),
            ("2026-11-20T18:30:00Z", "2026-11-20T18:30:00Z"),
            ("2026-11-20T18:30:00+01:00", "2026-11-20T17:30:00Z"),
        ] {
            assert_eq!(parse_in(text, now, &zone).unwrap(), Stamp::parse(time).unwrap(), "{text}");
        }
        for text in ["", "soon", "2026-13-01", "-2h", "tomorrow", "2h ago later"] {
            assert!(parse_in(text, now, &zone).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_shown_in_the_local_zone_and_days_in_utc() {
        let at = Stamp::parse("2026-11-20T23:30:00Z").unwrap();
        assert_eq!(show_in(at, &TimeZone::fixed(offset(2)), "%Y-%m-%d %H:%M:%S"), "2026-11-21 01:30:00");
        assert_eq!(show_day(at.0 / 86_400_000), "2026-11-20");
    }
}
