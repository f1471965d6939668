//! What operators see of remembered verdicts.

use icapstan_metrics::{Counter, Counters, Families, Gauge, label};
use prometheus::Registry;

/// Metrics of a [`CachedPort`](crate::CachedPort).
#[derive(Clone, Debug)]
pub struct VerdictMetrics {
    pub(super) hits: Counter,
    pub(super) misses: Counter,
    pub(super) shared: Counter,
    pub(super) retried: Counter,
    pub(super) inserted: Counter,
    pub(super) evicted: Counters<Cause>,
    pub(super) uncacheable: Counters<Obstacle>,
    pub(super) entries: Gauge,
    pub(super) bytes: Gauge,
}

label! {
    /// Why a verdict is forgotten.
    pub(super) enum Cause as "cause" {
        /// Its time is over.
        Expired = "expired",
        /// Other signatures came into use.
        Generation = "generation",
        /// Others need its room.
        Size = "size",
    }
}

label! {
    /// Why an object is not looked up, or what was found in it not remembered.
    pub(super) enum Obstacle as "reason" {
        /// The scan broke.
        Failed = "failed",
        /// Too many scans are shared; this one is made for one only.
        Flights = "flights",
        /// Part of it was not looked at.
        NonScanned = "non-scanned",
        /// It is a piece of something.
        Partial = "partial",
        /// The policy has its objects scanned each time.
        Policy = "policy",
        /// The scan was not begun.
        Refused = "refused",
        /// It is larger than `verdictCache.maxObjectSize`.
        Size = "size",
        /// Its transaction began with signatures that are in use no longer.
        Superseded = "superseded",
        /// Its bytes could not be read, or not in time.
        Unread = "unread",
    }
}

// === impl VerdictMetrics ===

impl VerdictMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            hits: make.counter(
                "icapstan_verdict_cache_hits_total",
                "Objects that were not scanned, since an equal one had been.",
            )?,
            misses: make.counter(
                "icapstan_verdict_cache_misses_total",
                "Objects that no equal one had come before; they are scanned.",
            )?,
            shared: make.counter(
                "icapstan_verdict_cache_shared_total",
                "Objects that waited for the scan of an equal one.",
            )?,
            retried: make.counter(
                "icapstan_verdict_cache_retried_total",
                "Objects that waited for the scan of an equal one, which failed, and were then scanned themselves.",
            )?,
            inserted: make
                .counter("icapstan_verdict_cache_inserted_total", "Verdicts that were remembered.")?,
            evicted: make
                .counters("icapstan_verdict_cache_evicted_total", "Verdicts that were forgotten, by why.")?,
            uncacheable: make.counters(
                "icapstan_verdict_cache_uncacheable_total",
                "Objects that were not looked up, or whose verdict was not remembered, by why.",
            )?,
            entries: make.gauge("icapstan_verdict_cache_entries", "Verdicts that are remembered.")?,
            bytes: make.gauge("icapstan_verdict_cache_bytes", "Bytes that these take in memory.")?,
        })
    }
}
