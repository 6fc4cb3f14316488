//! Quantities as people write them: lengths of time, sizes.

use crate::clock::parse_duration;
use serde::de::{Error, Unexpected, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::time::Duration;

/// A time limit: seconds as a number, a text like `5m`, or 0 for none.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limit(pub Duration);

/// A number of bytes: a plain number, or a text like `500 MB` or `1GiB`; 0 for no limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size(pub u64);

/// US dollars: a number that is not negative, or 0 for no limit.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dollars(pub f64);

impl Limit {
    /// The limit, unless it is 0.
    pub fn get(self) -> Option<Duration> {
        Some(self.0).filter(|duration| !duration.is_zero())
    }
}

impl Size {
    /// The limit, unless it is 0.
    pub fn get(self) -> Option<u64> {
        Some(self.0).filter(|bytes| *bytes > 0)
    }
}

impl Dollars {
    /// The limit, unless it is 0.
    pub fn get(self) -> Option<f64> {
        Some(self.0).filter(|dollars| *dollars > 0.0)
    }
}

impl<'de> Deserialize<'de> for Dollars {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;

        impl Visitor<'_> for Number {
            type Value = f64;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a number of US dollars such as 2 or 0.5")
            }

            fn visit_i64<E: Error>(self, dollars: i64) -> Result<f64, E> {
                let unexpected = || E::invalid_value(Unexpected::Signed(dollars), &self);
                u32::try_from(dollars).map(f64::from).map_err(|_| unexpected())
            }

            fn visit_f64<E: Error>(self, dollars: f64) -> Result<f64, E> {
                let is_sum = dollars.is_finite() && dollars >= 0.0;
                is_sum.then_some(dollars).ok_or_else(|| E::invalid_value(Unexpected::Float(dollars), &self))
            }
        }

        deserializer.deserialize_any(Number).map(Self)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = Duration;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a length of time such as 90 (seconds), \"5m\" or \"1h 30m\"")
            }

            fn visit_i64<E: Error>(self, seconds: i64) -> Result<Duration, E> {
                let unexpected = || E::invalid_value(Unexpected::Signed(seconds), &self);
                u64::try_from(seconds).map(Duration::from_secs).map_err(|_| unexpected())
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Duration, E> {
                parse_duration(text).map_err(|_| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Text).map(Self)
    }
}

impl<'de> Deserialize<'de> for Size {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;

        impl Visitor<'_> for Text {
            type Value = u64;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a size such as 5000 (bytes), \"500 MB\" or \"1GiB\"")
            }

            fn visit_i64<E: Error>(self, bytes: i64) -> Result<u64, E> {
                u64::try_from(bytes).map_err(|_| E::invalid_value(Unexpected::Signed(bytes), &self))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
                parse_size(text).ok_or_else(|| E::invalid_value(Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_any(Text).map(Self)
    }
}

/// Reads a size: a whole number and a unit, decimal (`kB`, `MB`) or binary (`K`, `KiB`, `MiB`).
fn parse_size(text: &str) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let factor = match unit.trim().to_ascii_lowercase().as_str() {
        "" | "b" => 1,
        "kb" => 1000,
        "mb" => 1000_u64.pow(2),
        "gb" => 1000_u64.pow(3),
        "tb" => 1000_u64.pow(4),
        "k" | "kib" => 1024,
        "m" | "mib" => 1024_u64.pow(2),
        "g" | "gib" => 1024_u64.pow(3),
        "t" | "tib" => 1024_u64.pow(4),
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_numbers_with_units() {
        let cases =
            [("0", 0), ("12", 12), ("1K", 1024), ("5 MB", 5_000_000), ("1GiB", 1 << 30), ("2g", 2 << 30)];
        for (text, bytes) in cases {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        for text in ["", "GB", "-1", "1.5G", "1 parsec", "99999999999999TB", "1é"] {
            assert_eq!(parse_size(text), None, "{text}");
        }
    }
}
