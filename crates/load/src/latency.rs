//! A log-linear histogram of latencies: three significant digits from a nanosecond to an hour.

use hdrhistogram::Histogram;
use serde::Serialize;
use std::time::Duration;

const LONGEST_NANOS: u64 = 3_600_000_000_000;

/// Latencies.
#[derive(Clone, Debug)]
pub(crate) struct Latencies(Histogram<u64>);

/// What is told of them, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// Nine of ten are not longer.
    pub p90: f64,
    /// 99 of 100 are not longer.
    pub p99: f64,
    /// 999 of 1,000 are not longer.
    pub p999: f64,
    /// The longest.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
}

// === impl Latencies ===

impl Default for Latencies {
    fn default() -> Self {
        Self(Histogram::new_with_bounds(1, LONGEST_NANOS, 3).expect("these bounds are valid"))
    }
}

impl Latencies {
    /// Adds one.
    pub(crate) fn record(&mut self, nanos: u64) {
        self.0.saturating_record(nanos.max(1));
    }

    /// How many there are.
    #[cfg(test)]
    pub(crate) fn count(&self) -> u64 {
        self.0.len()
    }

    /// The longest.
    pub(crate) fn max(&self) -> Duration {
        Duration::from_nanos(self.0.max())
    }

    /// None if there are none.
    pub(crate) fn percentiles(&self) -> Option<Percentiles> {
        let at = |quantile| micros(self.0.value_at_quantile(quantile));
        (!self.0.is_empty()).then(|| Percentiles {
            p50: at(0.5),
            p90: at(0.9),
            p99: at(0.99),
            p999: at(0.999),
            max: micros(self.0.max()),
            mean: round(self.0.mean() / 1000.0),
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "three digits are exact")]
fn micros(nanos: u64) -> f64 {
    round(nanos as f64 / 1000.0)
}

/// Nanoseconds are the last digits that mean anything.
fn round(micros: f64) -> f64 {
    (micros * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_values_to_three_digits() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.percentiles(), None);
        for micros in 1..=10_000 {
            latencies.record(micros * 1000);
        }
        let seen = latencies.percentiles().unwrap();
        let expected = [
            (seen.p50, 5000.0),
            (seen.p90, 9000.0),
            (seen.p99, 9900.0),
            (seen.p999, 9990.0),
            (seen.max, 10_000.0),
            (seen.mean, 5000.5),
        ];
        for (value, right) in expected {
            assert!((value / right - 1.0).abs() < 0.001, "{value} instead of {right}");
        }
    }

    #[test]
    fn a_latency_beyond_all_bounds_is_the_longest_and_not_lost() {
        let mut latencies = Latencies::default();
        latencies.record(u64::MAX);
        latencies.record(0);
        assert_eq!(latencies.count(), 2);
        assert!(latencies.percentiles().unwrap().max >= 3.6e9);
    }
}
