//! What operators see of lookups.

use crate::breaker::Standing;
use crate::error::Outcome;
use icapstan_metrics::{Counters, Families, Gauge, Gauges, Histogram, label};
use prometheus::Registry;
use std::time::Duration;

/// Metrics of [`Reputation`](crate::Reputation).
#[derive(Clone, Debug)]
pub struct ReputationMetrics {
    pub(crate) lookups: Counters<Outcome>,
    pub(crate) sources: Counters<Source>,
    pub(crate) seconds: Histogram,
    pub(crate) breaker: Gauges<Standing>,
    pub(crate) remembered: Gauge,
}

label! {
    /// Where an answer comes from, if there is one.
    pub(crate) enum Source as "source" {
        /// It is remembered.
        Cache = "cache",
        /// Somebody else asks already.
        Joined = "joined",
        /// The service is asked.
        Service = "service",
        /// Nobody is asked: `busy` or `open`.
        None = "none",
    }
}

/// From what a service next door takes to what one that is given up does.
const BUCKETS: [Duration; 9] = [
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
];

// === impl ReputationMetrics ===

impl ReputationMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            lookups: make.counters(
                "icapstan_reputation_lookups_total",
                "URLs that the reputation service was to be asked about, by what came of it.",
            )?,
            sources: make.counters(
                "icapstan_reputation_sources_total",
                "The same, by where the answer was looked for.",
            )?,
            seconds: make.histogram(
                "icapstan_reputation_request_seconds",
                "Time that the reputation service took for an answer, or was waited for.",
                &BUCKETS,
            )?,
            breaker: make.gauges(
                "icapstan_reputation_breaker",
                "1 for the state of the circuit breaker; all 0 without a service.",
            )?,
            remembered: make
                .gauge("icapstan_reputation_cache_entries", "Answers of the reputation service in memory.")?,
        })
    }
}
