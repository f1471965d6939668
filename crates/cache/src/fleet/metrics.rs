//! What operators see of verdicts that processes share.

use crate::record::Unbelieved;
use icapstan_metrics::{Counter, Counters, Families, Gauge, Histogram, label};
use prometheus::Registry;
use std::time::Duration;

/// Metrics of [`FleetVerdicts`](crate::FleetVerdicts).
#[derive(Clone, Debug)]
pub struct FleetMetrics {
    pub(super) up: Gauge,
    pub(super) lookups: Counters<Lookup>,
    pub(super) took: Histogram,
    pub(super) rejected: Counters<Unbelieved>,
    pub(super) records: Counters<Fate>,
}

label! {
    /// What came of a lookup.
    pub(crate) enum Lookup as "result" {
        /// Nobody was asked: there is no connection, or answers came too late lately.
        Away = "away",
        /// Nobody was asked: as many lookups wait as may.
        Busy = "busy",
        /// The connection broke, or Redis refused.
        Failed = "failed",
        /// There is a verdict.
        Hit = "hit",
        /// No answer came in time.
        Late = "late",
        /// There is none.
        Miss = "miss",
        /// There is a record that is not believed.
        Unbelieved = "unbelieved",
    }
}

label! {
    /// What became of what others could use.
    pub(crate) enum Fate as "result" {
        /// As many wait as may.
        Dropped = "dropped",
        /// Redis refused, or the connection broke.
        Failed = "failed",
        /// Redis has it.
        Written = "written",
    }
}

/// Metrics of [`FleetPoison`](crate::FleetPoison).
#[derive(Clone, Debug)]
pub struct PoisonMetrics {
    pub(super) up: Gauge,
    pub(super) entries: Gauge,
    pub(super) learnt: Counter,
    pub(super) hits: Counter,
    pub(super) rejected: Counters<Unbelieved>,
    pub(super) records: Counters<Fate>,
}

/// Where a connection in one machine, in one room, between rooms, and one that had better not be asked lie.
const TIMES: [Duration; 8] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
];

// === impl FleetMetrics ===

impl FleetMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            up: make.gauge(
                "icapstan_verdict_fleet_up",
                "Whether verdicts are looked up in Redis: there is a connection, and it answers in time.",
            )?,
            lookups: make.counters(
                "icapstan_verdict_fleet_lookups_total",
                "Lookups of verdicts in Redis, by what came of them. All but hits are scanned.",
            )?,
            took: make.histogram(
                "icapstan_verdict_fleet_lookup_seconds",
                "How long objects waited for Redis, whatever came of it.",
                &TIMES,
            )?,
            rejected: make.counters(
                "icapstan_verdict_fleet_rejected_total",
                "Records in Redis that are not believed. Their objects are scanned.",
            )?,
            records: make.counters(
                "icapstan_verdict_fleet_records_total",
                "Verdicts that were to be written to Redis, by what became of them.",
            )?,
        })
    }
}

// === impl PoisonMetrics ===

impl PoisonMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            up: make.gauge(
                "icapstan_poison_fleet_up",
                "Whether objects that take workers are being shared through Redis.",
            )?,
            entries: make.gauge(
                "icapstan_poison_fleet_entries",
                "Objects that some process of the fleet told of, with those that were suspected for nothing.",
            )?,
            learnt: make.counter("icapstan_poison_fleet_learnt_total", "What was learnt of objects from Redis.")?,
            hits: make.counter(
                "icapstan_poison_fleet_hits_total",
                "Objects that came here and that some process had told of.",
            )?,
            rejected: make.counters(
                "icapstan_poison_fleet_rejected_total",
                "Records in Redis that are not believed. Those whose time is over may just not have been tidied away yet.",
            )?,
            records: make.counters(
                "icapstan_poison_fleet_records_total",
                "What was to be told to others, by what became of it.",
            )?,
        })
    }
}
