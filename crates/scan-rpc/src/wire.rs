//! What both sides write into heads.

use icapstan_model::Refusal;
use std::time::Duration;

pub(crate) const SCAN: &str = "/icapstan.scan.v1.ScanService/Scan";
pub(crate) const WATCH: &str = "/icapstan.fleet.v1.FleetStatus/Watch";
pub(crate) const FLEET: &str = "/icapstan.fleet.v1.FleetStatus/";
pub(crate) const HEALTH: &str = "/grpc.health.v1.Health/";
/// Which refusal a status is.
pub(crate) const REFUSAL: &str = "icapstan-refusal";

/// The trace that a call is part of (W3C Trace Context).
pub(crate) const TRACE: &str = "traceparent";

/// No call has longer.
const MAX_TIMEOUT: Duration = Duration::from_hours(1);

pub(crate) const fn refusal_word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::QueueFull => "queue-full",
        Refusal::Hopeless => "hopeless",
    }
}

pub(crate) fn refusal_of(word: &[u8]) -> Refusal {
    if word == refusal_word(Refusal::Hopeless).as_bytes() { Refusal::Hopeless } else { Refusal::QueueFull }
}

/// The value of `grpc-timeout`.
pub(crate) fn timeout_value(time: Duration) -> String {
    // Eight digits at most.
    let micros = time.as_micros();
    if micros < 100_000_000 { format!("{micros}u") } else { format!("{}m", time.as_millis().min(99_999_999)) }
}

/// What a value of `grpc-timeout` says.
pub(crate) fn timeout_of(value: &[u8]) -> Option<Duration> {
    let (unit, digits) = value.split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = digits.iter().fold(0, |number, digit| number * 10 + u64::from(digit - b'0'));
    let time = match unit {
        b'H' => Duration::from_secs(number.saturating_mul(3600)),
        b'M' => Duration::from_secs(number.saturating_mul(60)),
        b'S' => Duration::from_secs(number),
        b'm' => Duration::from_millis(number),
        b'u' => Duration::from_micros(number),
        b'n' => Duration::from_nanos(number),
        _ => return None,
    };
    Some(time.min(MAX_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_that_are_left_are_told_to_the_microsecond_or_millisecond() {
        for (time, value) in [
            (Duration::ZERO, "0u"),
            (Duration::from_micros(1_500_001), "1500001u"),
            (Duration::from_secs(99), "99000000u"),
            (Duration::from_secs(100), "100000m"),
            (Duration::MAX, "99999999m"),
        ] {
            assert_eq!(timeout_value(time), value);
        }
        assert_eq!(timeout_of(b"1500001u"), Some(Duration::from_micros(1_500_001)));
        assert_eq!(timeout_of(b"3S"), Some(Duration::from_secs(3)));
        assert_eq!(timeout_of(b"99999999H"), Some(MAX_TIMEOUT));
        for wrong in ["", "S", "1", "1s", "-1S", "123456789u", "1.5S", " 1S"] {
            assert_eq!(timeout_of(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn refusals_have_words() {
        for refusal in [Refusal::QueueFull, Refusal::Hopeless] {
            assert_eq!(refusal_of(refusal_word(refusal).as_bytes()), refusal);
        }
    }
}
