//! Time zones by the names that people and providers print.

use jiff::tz::{Offset, TimeZone};
use std::path::Path;

/// Finds a zone by its IANA name or a usual abbreviation.
pub fn find(name: &str) -> Option<TimeZone> {
    match name.to_ascii_lowercase().as_str() {
        "utc" | "gmt" | "z" => return Some(TimeZone::UTC),
        "pst" | "pdt" | "pt" | "pacific" => return iana("America/Los_Angeles"),
        "mst" | "mdt" | "mt" => return iana("America/Denver"),
        "cst" | "cdt" | "ct" => return iana("America/Chicago"),
        "est" | "edt" | "et" | "eastern" => return iana("America/New_York"),
        "bst" => return iana("Europe/London"),
        "cet" | "cest" => return iana("Europe/Paris"),
        "msk" => return iana("Europe/Moscow"),
        "jst" => return iana("Asia/Tokyo"),
        "kst" => return iana("Asia/Seoul"),
        _ => {}
    }
    if let Some(offset) = fixed(name) {
        return Some(TimeZone::fixed(offset));
    }
    if name.contains('/') { iana(name) } else { None }
}

/// `+02:00`, `-0700`, `UTC+2`.
fn fixed(name: &str) -> Option<Offset> {
    let name = name.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let sign = match name.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let digits: String = name.chars().filter(char::is_ascii_digit).collect();
    let (hours, minutes) =
        if digits.len() > 2 { digits.split_at(digits.len() - 2) } else { (digits.as_str(), "0") };
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    Offset::from_seconds(sign * seconds).ok()
}

/// The system's rules for the zone, which a package keeps up to date; where there are none, those that came with this
/// program.
fn iana(name: &str) -> Option<TimeZone> {
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '_' | '-' | '+');
    if !name.chars().all(is_name) || name.starts_with('/') {
        return None;
    }
    let system = Path::new("/usr/share/zoneinfo").join(name);
    std::fs::read(system)
        .ok()
        .and_then(|bytes| TimeZone::tzif(name, &bytes).ok())
        .or_else(|| jiff::tz::TimeZoneDatabase::bundled().get(name).ok())
}

/// The zone of this machine: `TZ`, else `/etc/localtime`, else UTC.
pub fn local() -> TimeZone {
    TimeZone::system()
}
