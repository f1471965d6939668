//! What operators see of blocked URLs and of Redis.

use crate::record::Unbelieved;
use crate::redis::Failure;
use icapstan_metrics::{Counter, Counters, Families, FloatGauge, Gauge, label};
use prometheus::Registry;

/// Metrics of a [`Replica`](crate::Replica) and of what it is shared through.
#[derive(Clone, Debug)]
pub struct CacheMetrics {
    pub(crate) entries: Gauge,
    pub(crate) bytes: Gauge,
    pub(crate) hits: Counter,
    pub(crate) added: Counters<Added>,
    pub(crate) evicted: Counters<Cause>,
    pub(crate) rejected: Counters<Unbelieved>,
    pub(crate) up: Gauge,
    pub(crate) errors: Counters<Failure>,
    pub(crate) connects: Counter,
    pub(crate) synced: FloatGauge,
    pub(crate) sent: Counter,
}

label! {
    /// Where news come from.
    pub(crate) enum Added as "source" {
        /// A download was cut here.
        Detection = "detection",
        /// Another process, or an administrator, shared it.
        Shared = "shared",
        /// The same, that it is blocked no longer.
        Removal = "removal",
    }
}

label! {
    /// Why something is forgotten.
    pub(crate) enum Cause as "cause" {
        /// Its time is over.
        Expired = "expired",
        /// Newer ones need its room.
        Size = "size",
    }
}

// === impl CacheMetrics ===

impl CacheMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            entries: make.gauge(
                "icapstan_blocked_urls_entries",
                "URLs that are remembered because their download was cut.",
            )?,
            bytes: make.gauge(
                "icapstan_blocked_urls_bytes",
                "Bytes that these take in memory, with those that were taken out again.",
            )?,
            hits: make.counter(
                "icapstan_blocked_urls_hits_total",
                "Messages whose URL was found among them, with signatures that still say so.",
            )?,
            added: make.counters(
                "icapstan_blocked_urls_added_total",
                "What was learnt of URLs, by where it comes from.",
            )?,
            evicted: make.counters("icapstan_blocked_urls_evicted_total", "What was forgotten, by why.")?,
            rejected: make.counters(
                "icapstan_blocked_urls_rejected_total",
                "Records in Redis that are not believed. Those whose time is over may just not have been tidied away yet.",
            )?,
            up: make.gauge("icapstan_redis_up", "Whether blocked URLs are being shared through Redis.")?,
            errors: make.counters("icapstan_redis_errors_total", "What went wrong with Redis.")?,
            connects: make.counter("icapstan_redis_connects_total", "Connections to Redis that came about.")?,
            synced: make.float_gauge(
                "icapstan_redis_synced_timestamp_seconds",
                "When Redis was last known to have what is known here, and the other way round.",
            )?,
            sent: make.counter("icapstan_redis_sent_total", "Records that were written to Redis.")?,
        })
    }
}
