//! Times as text: `10s`, `500ms`, `1h30m`. For `#[serde(with = "crate::duration")]`.

use serde::{Deserializer, Serializer, de};
use std::fmt;
use std::time::Duration;
use thiserror::Error;

/// The units in milliseconds, in the order in which they may follow each other.
const UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is no time.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// There is no number where one should be.
    #[error("a time is a number and a unit, such as 10s, 500ms or 1h30m")]
    NoNumber,
    /// A number alone.
    #[error("\"{0}\" has no unit; write {0}s, {0}ms or {0}m")]
    NoUnit(String),
    /// An unknown unit, or units in another order than `h`, `m`, `s`, `ms`.
    #[error("unexpected unit \"{0}\"; use h, m, s and ms, each once and in this order")]
    Unit(String),
    /// A decimal point.
    #[error("fractions are not understood; write 1500ms for one and a half seconds")]
    Fraction,
    /// More than fits.
    #[error("too long")]
    TooLong,
}

/// Reads a time.
pub fn parse_duration(text: &str) -> Result<Duration, DurationError> {
    let mut rest = text.trim();
    let mut units = UNITS.iter();
    let mut millis = 0u64;
    loop {
        let (number, after) = split_where(rest, |c| !c.is_ascii_digit());
        let (unit, next) = split_where(after, |c| c.is_ascii_digit());
        if number.is_empty() {
            return Err(DurationError::NoNumber);
        }
        if unit.is_empty() {
            return Err(DurationError::NoUnit(number.chars().take(16).collect()));
        }
        if unit.starts_with('.') {
            return Err(DurationError::Fraction);
        }
        let (_, factor) = units
            .find(|(name, _)| *name == unit)
            .ok_or_else(|| DurationError::Unit(unit.chars().take(16).collect()))?;
        millis = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(*factor))
            .and_then(|part| millis.checked_add(part))
            .ok_or(DurationError::TooLong)?;
        if next.is_empty() {
            return Ok(Duration::from_millis(millis));
        }
        rest = next;
    }
}

/// Writes a time so that [`parse_duration`] reads it back; below a millisecond is cut off.
pub fn format_duration(duration: Duration) -> String {
    use fmt::Write;
    let mut left = duration.as_millis();
    let mut text = String::new();
    for (unit, factor) in UNITS {
        let count = left / u128::from(factor);
        left %= u128::from(factor);
        if count > 0 {
            let _ = write!(text, "{count}{unit}");
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

fn split_where(text: &str, stop: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(stop).unwrap_or(text.len()))
}

/// The serialising half of `with`.
pub(crate) fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format_duration(*duration))
}

/// The reading half of `with`.
pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    deserializer.deserialize_any(DurationVisitor)
}

struct DurationVisitor;

impl de::Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as 10s, 500ms or 1h30m")
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Duration, E> {
        Err(E::custom(DurationError::NoUnit(number.to_string())))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        parse_duration(text).map_err(E::custom)
    }
}

/// The same for `Option<Duration>`.
pub(crate) mod optional {
    use super::{Duration, DurationVisitor};
    use serde::{Deserializer, Serializer};

    #[expect(clippy::ref_option, reason = "so serde calls it")]
    pub(crate) fn serialize<S: Serializer>(
        duration: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match duration {
            Some(duration) => super::serialize(duration, serializer),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        deserializer.deserialize_any(DurationVisitor).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn times_are_read_in_hours_minutes_seconds_and_milliseconds() {
        assert_eq!(parse_duration("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_mins(90)));
        assert_eq!(parse_duration("1m1ms"), Ok(Duration::from_millis(60_001)));
        assert_eq!(parse_duration("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_cause() {
        assert_eq!(parse_duration(""), Err(DurationError::NoNumber));
        assert_eq!(parse_duration("s"), Err(DurationError::NoNumber));
        assert_eq!(parse_duration("-1s"), Err(DurationError::NoNumber));
        assert_eq!(parse_duration("10"), Err(DurationError::NoUnit("10".into())));
        assert_eq!(parse_duration("1.5s"), Err(DurationError::Fraction));
        assert_eq!(parse_duration("10 s"), Err(DurationError::Unit(" s".into())));
        assert_eq!(parse_duration("10s1h"), Err(DurationError::Unit("h".into())));
        assert_eq!(parse_duration("1d"), Err(DurationError::Unit("d".into())));
        assert_eq!(parse_duration("99999999999999999999s"), Err(DurationError::TooLong));
        assert_eq!(parse_duration("18446744073709551615h"), Err(DurationError::TooLong));
    }

    proptest! {
        #[test]
        fn a_time_that_is_written_reads_back_the_same(millis in any::<u64>()) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn no_text_breaks_the_reader(text in "\\PC{0,40}|([0-9]{0,24}(h|m|s|ms)){0,5}") {
            let _ = parse_duration(&text);
        }
    }
}
