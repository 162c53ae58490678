//! Durations as a profile writes them: `"250ms"`, `"1.5s"`, `"30s"`, `"5m"`, `"2h"`.

use std::fmt;
use std::time::Duration;

use serde::de::{self, Deserialize, Deserializer, Visitor};

/// A duration as written in a profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrittenDuration(pub Duration);

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DurationError {
    /// No figure to begin with.
    #[error(
        "`{0}` is not a duration; write a figure and a unit, such as \"250ms\", \"30s\", \"5m\", \"2h\" or \"7d\""
    )]
    NoFigure(String),
    /// A figure without a unit.
    #[error("`{0}` has no unit; write \"{0}s\" for seconds, or ms, m, h, d")]
    NoUnit(String),
    /// A unit that is not known.
    #[error("`{1}` is not a unit of time in `{0}`; the units are ms, s, m, h, d")]
    Unit(String, String),
    /// More than ten years.
    #[error("`{0}` is longer than ten years")]
    TooLong(String),
}

/// The units, and how many nanoseconds each has.
const UNITS: [(&str, u128); 5] = [
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// The longest duration that can be written, in nanoseconds: ten years.
const LONGEST: u128 = 3_650 * 86_400_000_000_000;

/// Reads a duration: a decimal figure and a unit, without a sign. What is finer than a nanosecond is cut off.
///
/// # Errors
/// [`DurationError`], which says what to write instead.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let figure_end = text.find(|char: char| !char.is_ascii_digit() && char != '.').unwrap_or(text.len());
    let (figure, unit) = text.split_at(figure_end);
    let (whole, part) = figure.split_once('.').unwrap_or((figure, "0"));
    if whole.is_empty() || part.is_empty() || part.contains('.') {
        return Err(DurationError::NoFigure(text.to_owned()));
    }
    let unit = unit.trim();
    if unit.is_empty() {
        return Err(DurationError::NoUnit(text.to_owned()));
    }
    let Some((_, scale)) = UNITS.iter().find(|(name, _)| *name == unit) else {
        return Err(DurationError::Unit(text.to_owned(), unit.to_owned()));
    };
    let too_long = || DurationError::TooLong(text.to_owned());
    let whole: u128 = whole.parse().map_err(|_| too_long())?;
    let nanos = whole.checked_mul(*scale).ok_or_else(too_long)? + fraction(part, *scale);
    if nanos > LONGEST {
        return Err(too_long());
    }
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| too_long())
}

/// The decimal digits after the point as a part of `scale`, in whole numbers.
fn fraction(digits: &str, scale: u128) -> u128 {
    let mut sum = 0;
    let mut unit = scale;
    for digit in digits.bytes() {
        sum += unit * u128::from(digit - b'0');
        unit /= 10;
        if unit == 0 {
            break;
        }
    }
    sum / 10
}

/// Writes a duration as a profile would: the largest unit that leaves a short figure.
pub fn write_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let fits = |scale: u128| nanos >= scale && (nanos * 10).is_multiple_of(scale);
    match UNITS.iter().rev().find(|(_, scale)| fits(*scale)) {
        Some((name, scale)) if nanos.is_multiple_of(*scale) => format!("{}{name}", nanos / scale),
        Some((name, scale)) => format!("{:.1}{name}", nanos as f64 / *scale as f64),
        None if duration >= Duration::from_secs(1) => format!("{:.3}s", duration.as_secs_f64()),
        None => format!("{}ms", nanos as f64 / 1e6),
    }
}

impl<'de> Deserialize<'de> for WrittenDuration {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WrittenDuration, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = WrittenDuration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a duration in quotes, such as \"30s\"")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<WrittenDuration, E> {
        parse_duration(text).map(WrittenDuration).map_err(E::custom)
    }
}

impl schemars::JsonSchema for WrittenDuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "A duration: a figure and a unit (ms, s, m, h or d).",
            "pattern": r"^[0-9]+(\.[0-9]+)? *(ms|s|m|h|d)$",
            "examples": ["250ms", "1.5s", "30s", "5m", "2h"],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_exactly() {
        let read = |text| parse_duration(text).expect("a duration");
        assert_eq!(read("250ms"), Duration::from_millis(250));
        assert_eq!(read("0s"), Duration::ZERO);
        assert_eq!(read("1.5s"), Duration::from_millis(1_500));
        assert_eq!(read("0.1s"), Duration::from_millis(100));
        assert_eq!(read("1.000000001s"), Duration::new(1, 1));
        assert_eq!(read("5m"), Duration::from_secs(300));
        assert_eq!(read("2h"), Duration::from_secs(7_200));
        assert_eq!(read("30d"), Duration::from_secs(30 * 86_400));
    }

    #[test]
    fn what_is_not_a_duration_is_refused_with_what_to_write_instead() {
        let refused = |text: &str| parse_duration(text).expect_err("refused").to_string();
        assert_eq!(refused("10"), "`10` has no unit; write \"10s\" for seconds, or ms, m, h, d");
        assert!(refused("10sec").starts_with("`sec` is not a unit of time"));
        for text in ["", "-1s", "s", ".5s", "1.s", "1.2.3s", "ten s"] {
            assert!(matches!(parse_duration(text), Err(DurationError::NoFigure(_))), "{text}");
        }
        for text in
            ["4000d", "99999999999999999999999999999999999999999999h", "340282366920938463463374607431h"]
        {
            assert!(matches!(parse_duration(text), Err(DurationError::TooLong(_))), "{text}");
        }
    }

    #[test]
    fn a_written_duration_is_read_back() {
        for text in ["250ms", "1.5s", "30s", "1.5m", "2h", "7d", "1ms", "0.5ms"] {
            assert_eq!(write_duration(parse_duration(text).expect("a duration")), text);
        }
        assert_eq!(write_duration(Duration::ZERO), "0ms");
        assert_eq!(write_duration(Duration::from_nanos(1_234_567_890)), "1.235s");
    }
}
