//! Points in time: `7:58 PM`, `Jun 7, 4pm (Europe/Rome)`, `2026-06-02 12:00:00`, `1780322400`.

use super::zone;
use ar_core::Stamp;
use jiff::civil::{Date, Time, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp, ToSpan, Zoned};

/// What the words told so far.
#[derive(Debug, Default)]
struct Told {
    weekday: Option<Weekday>,
    month: Option<i8>,
    day: Option<i8>,
    year: Option<i16>,
    time: Option<Time>,
    zone: Option<TimeZone>,
    days_ahead: Option<i64>,
}

/// Reads the point in time that the text begins with.
///
/// Without a zone it is one of this machine; without a date it is the next occurrence.
pub fn read(text: &str, now: Stamp) -> Option<Stamp> {
    if let Some(stamp) = epoch(text) {
        return Some(stamp);
    }
    let told = collect(text);
    let now = Timestamp::from_millisecond(now.0).ok()?;
    let zone = told.zone.clone().unwrap_or_else(zone::local);
    let now = now.to_zoned(zone);
    let then = told.resolve(&now)?;
    Some(Stamp(then.timestamp().as_millisecond()))
}

/// Seconds or milliseconds since 1970.
fn epoch(text: &str) -> Option<Stamp> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let number: i64 = text.get(..digits)?.parse().ok()?;
    match digits {
        10 => Some(Stamp(number * 1000)),
        13 => Some(Stamp(number)),
        _ => None,
    }
}

impl Told {
    fn resolve(&self, now: &Zoned) -> Option<Zoned> {
        let time = self.time.unwrap_or_else(Time::midnight);
        let at = |date: Date| date.to_datetime(time).to_zoned(now.time_zone().clone()).ok();
        if let (Some(month), Some(day)) = (self.month, self.day) {
            return match self.year {
                Some(year) => at(Date::new(year, month, day).ok()?),
                // Limits last weeks, not months: of three years, the one that brings it nearest.
                None => (-1..=1)
                    .filter_map(|ahead| at(Date::new(now.year().checked_add(ahead)?, month, day).ok()?))
                    .min_by_key(|then| then.timestamp().duration_since(now.timestamp()).abs()),
            };
        }
        if let Some(weekday) = self.weekday {
            let today = at(now.date())?;
            if now.weekday() == weekday && today > *now {
                return Some(today);
            }
            return at(now.date().nth_weekday(1, weekday).ok()?);
        }
        if let Some(days) = self.days_ahead {
            return at(now.date().checked_add(days.days()).ok()?);
        }
        self.time?;
        let today = at(now.date())?;
        if today > *now { Some(today) } else { at(now.date().checked_add(Span::new().days(1)).ok()?) }
    }
}

/// Reads words as long as they tell of a time.
fn collect(text: &str) -> Told {
    let mut told = Told::default();
    let words =
        text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '(' | '[' | '"' | '\'' | '<' | '·'));
    let mut seen = 0;
    let mut pending: Option<i64> = None;
    for word in words {
        let closed = word.ends_with([')', ']', '.', ';', '!']) && seen > 0;
        let word = word.trim_matches(|c: char| matches!(c, ')' | ']' | '.' | ';' | '}' | '!' | '?' | '*'));
        if word.is_empty() {
            continue;
        }
        if !told.take(word, &mut pending) {
            break;
        }
        seen += 1;
        // A sentence that ends, or a zone in brackets, ends the time; "jan." and "p.m." do not.
        if closed
            && told.time.is_some()
            && (told.zone.is_some() || !word.eq_ignore_ascii_case("a.m"))
            && word.len() > 3
        {
            break;
        }
    }
    told
}

impl Told {
    /// Takes one word; false where it tells nothing of a time.
    fn take(&mut self, word: &str, pending: &mut Option<i64>) -> bool {
        let lower = word.to_ascii_lowercase();
        if matches!(
            lower.as_str(),
            "at" | "de" | "of" | "the" | "on" | "time" | "local" | "um" | "à" | "-" | "–" | "a" | "las"
        ) {
            return true;
        }
        if let Some(afternoon) = half_of_day(&lower) {
            return self.half(afternoon, pending.take());
        }
        if let Some(n) = word.parse::<i64>().ok().filter(|_| word.len() <= 4) {
            return self.number(n, word.len(), pending);
        }
        if self.date(word) || self.iso(word) {
            return true;
        }
        if let Some(time) = clock(&lower) {
            self.time = Some(time);
            // A number before it was a day: the "pm" that may follow is the clock's.
            *pending = None;
            return true;
        }
        if let Some(day) = ordinal(&lower) {
            self.day = Some(day);
            return true;
        }
        self.named(&lower) || self.zoned(word)
    }

    fn named(&mut self, lower: &str) -> bool {
        if let Some(month) = month(lower) {
            self.month = Some(month);
        } else if let Some(weekday) = weekday(lower) {
            self.weekday = Some(weekday);
        } else {
            match lower {
                "midnight" => self.time = Some(Time::midnight()),
                "noon" => self.time = Time::new(12, 0, 0, 0).ok(),
                "today" => self.days_ahead = Some(0),
                "tomorrow" => self.days_ahead = Some(1),
                _ => return false,
            }
        }
        true
    }

    /// `7:58 PM`, or `4 pm` whose hour stood alone.
    fn half(&mut self, afternoon: bool, hour: Option<i64>) -> bool {
        let time = match (hour, self.time) {
            (Some(hour), _) => i8::try_from(hour).ok().and_then(|hour| Time::new(hour, 0, 0, 0).ok()),
            (None, time) => time,
        };
        self.time = time.and_then(|time| on_half(time, afternoon));
        self.time.is_some()
    }

    fn number(&mut self, n: i64, digits: usize, pending: &mut Option<i64>) -> bool {
        if digits == 4 {
            self.year = i16::try_from(n).ok();
            return self.year.is_some_and(|year| (2000..2200).contains(&year));
        }
        *pending = Some(n);
        let day = i8::try_from(n).ok().filter(|day| (1..=31).contains(day));
        if self.day.is_none() && day.is_some() {
            self.day = day;
            return true;
        }
        day.is_some()
    }

    /// `2026-06-02`, `2026/06/02`; `6/2/2026` as Americans write it.
    fn date(&mut self, word: &str) -> bool {
        let parts: Vec<&str> = word.split(['-', '/']).collect();
        let [year, month, day] = match parts.as_slice() {
            [month, day, year] if year.len() == 4 && word.contains('/') => [year, month, day],
            [year, month, day] => [year, month, day],
            _ => return false,
        };
        let (Ok(year), Ok(month), Ok(day)) = (year.parse(), month.parse(), day.parse()) else { return false };
        if Date::new(year, month, day).is_err() {
            return false;
        }
        (self.year, self.month, self.day) = (Some(year), Some(month), Some(day));
        true
    }

    /// `2026-06-02T12:00:00.5Z`, with or without an offset.
    fn iso(&mut self, word: &str) -> bool {
        let Some((date, time)) = word.split_once(['T', 't']) else { return false };
        if !self.date(date) {
            return false;
        }
        let end = time.find(['Z', 'z', '+', '-']).unwrap_or(time.len());
        self.time = time.get(..end).and_then(clock);
        self.zone = time.get(end..).filter(|zone| !zone.is_empty()).and_then(zone::find).or(self.zone.take());
        self.time.is_some()
    }

    fn zoned(&mut self, word: &str) -> bool {
        // The abbreviations are words of other languages too: a zone comes after a time.
        if self.time.is_none() && self.day.is_none() {
            return false;
        }
        match zone::find(word) {
            Some(zone) => {
                self.zone = Some(zone);
                true
            }
            None => false,
        }
    }
}

fn half_of_day(lower: &str) -> Option<bool> {
    match lower {
        "am" | "a.m" => Some(false),
        "pm" | "p.m" => Some(true),
        _ => None,
    }
}

fn on_half(time: Time, afternoon: bool) -> Option<Time> {
    let hour = match (time.hour(), afternoon) {
        (12, false) => 0,
        (12, true) => 12,
        (hour @ 0..=11, true) => hour + 12,
        (hour, _) => hour,
    };
    Time::new(hour, time.minute(), time.second(), 0).ok()
}

/// `2:10pm`, `4pm`, `11:52`, `12:00:00.5`.
fn clock(lower: &str) -> Option<Time> {
    let (digits, half) = match lower.strip_suffix('m').and_then(|rest| rest.strip_suffix(['a', 'p'])) {
        Some(digits) => (digits, Some(lower.ends_with("pm"))),
        None => (lower, None),
    };
    if half.is_none() && !digits.contains(':') {
        return None;
    }
    let mut parts = digits.split([':', '.']).map(str::parse::<i8>);
    let hour = parts.next()?.ok()?;
    let minute = parts.next().transpose().ok()?.unwrap_or(0);
    let second = parts.next().transpose().ok()?.unwrap_or(0);
    let time = Time::new(hour, minute, second, 0).ok()?;
    half.map_or(Some(time), |afternoon| on_half(time, afternoon))
}

fn ordinal(lower: &str) -> Option<i8> {
    let digits = ["st", "nd", "rd", "th"].iter().find_map(|end| lower.strip_suffix(end))?;
    digits.parse().ok().filter(|day| (1..=31).contains(day))
}

fn month(lower: &str) -> Option<i8> {
    const MONTHS: [&[&str]; 12] = [
        &["jan", "january", "enero", "janv", "janvier", "januar", "ene"],
        &["feb", "february", "febrero", "févr", "février", "februar"],
        &["mar", "march", "marzo", "mars", "märz"],
        &["apr", "april", "abril", "avr", "avril", "abr"],
        &["may", "mayo", "mai"],
        &["jun", "june", "junio", "juin", "juni", "junho"],
        &["jul", "july", "julio", "juil", "juillet", "juli", "julho"],
        &["aug", "august", "agosto", "août", "ago"],
        &["sep", "sept", "september", "septiembre", "septembre", "set"],
        &["oct", "october", "octubre", "octobre", "okt", "oktober", "out"],
        &["nov", "november", "noviembre", "novembre"],
        &["dec", "december", "diciembre", "déc", "décembre", "dez", "dezember", "dic"],
    ];
    let index = MONTHS.iter().position(|names| names.contains(&lower))?;
    i8::try_from(index + 1).ok()
}

fn weekday(lower: &str) -> Option<Weekday> {
    Some(match lower {
        "mon" | "monday" => Weekday::Monday,
        "tue" | "tues" | "tuesday" => Weekday::Tuesday,
        "wed" | "wednesday" => Weekday::Wednesday,
        "thu" | "thur" | "thurs" | "thursday" => Weekday::Thursday,
        "fri" | "friday" => Weekday::Friday,
        "sat" | "saturday" => Weekday::Saturday,
        "sun" | "sunday" => Weekday::Sunday,
        _ => return None,
    })
}
