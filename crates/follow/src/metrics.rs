//! What operators see of the plan that is followed.

use icapstan_metrics::{Counters, Families, FloatGauge, Gauge, label};
use prometheus::Registry;

/// Of a [`Follower`](crate::Follower).
#[derive(Clone, Debug)]
pub struct FollowMetrics {
    pub(crate) generation: Gauge,
    pub(crate) age: FloatGauge,
    pub(crate) heard: Counters<Outcome>,
    pub(crate) unkept: icapstan_metrics::Counter,
}

label! {
    /// What became of a plan.
    pub(crate) enum Outcome as "result" {
        /// It is followed.
        Taken = "taken",
        /// It is older than the one that is followed, or of somebody who leads no more.
        Older = "older",
        /// It contradicts itself, the one that is followed, or is none.
        Unusable = "unusable",
        /// Where plans come from could not be asked.
        Unreachable = "unreachable",
    }
}

// === impl FollowMetrics ===

impl FollowMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            generation: make
                .gauge("icapstan_plan_generation", "The plan that is followed; 0 without one.")?,
            age: make.float_gauge(
                "icapstan_plan_age_seconds",
                "For how long nobody has confirmed that the plan is the newest.",
            )?,
            heard: make
                .counters("icapstan_plan_reads_total", "Plans that were read, by what became of them.")?,
            unkept: make.counter(
                "icapstan_plan_keep_failures_total",
                "Plans that could not be written to the state folder.",
            )?,
        })
    }
}
