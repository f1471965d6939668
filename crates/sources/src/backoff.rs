//! When a failed fetch is tried again.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_secs(30);
/// No pause is longer.
pub const MAX_BACKOFF: Duration = Duration::from_hours(1);

/// How long to wait after so many failures in a row: 30 s, then twice as long each time, up to an hour. `chance`, from
/// 0 to 1, takes up to a fifth of it away, so that sources that failed together do not come back together.
pub fn backoff(failures: u32, chance: f64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = FIRST.saturating_mul(1 << doublings).min(MAX_BACKOFF);
    let chance = if chance.is_nan() { 0.0 } else { chance.clamp(0.0, 1.0) };
    whole.saturating_sub(whole.mul_f64(chance / 5.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour() {
        let seconds = |failures| backoff(failures, 0.0).as_secs();
        assert_eq!([0, 1, 2, 3, 7, 8, 9, u32::MAX].map(seconds), [30, 30, 60, 120, 1920, 3600, 3600, 3600]);
        assert_eq!(backoff(1, 1.0), Duration::from_secs(24));
        assert_eq!(backoff(1, 7.0), Duration::from_secs(24));
        assert_eq!(backoff(1, f64::NAN), FIRST);
    }
}
