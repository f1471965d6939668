//! What operators see of the quarantine.

use icapstan_metrics::{Counter, Counters, Families, Gauge, label};
use prometheus::Registry;

/// Metrics of [`Quarantine`](crate::Quarantine).
#[derive(Clone, Debug)]
pub struct QuarantineMetrics {
    pub(crate) stored: Counter,
    pub(crate) stored_bytes: Counter,
    pub(crate) failed: Counters<Failure>,
    pub(crate) retries: Counter,
    pub(crate) dropped: Counters<Loss>,
    pub(crate) removed: Counters<Removal>,
    pub(crate) waiting: Gauge,
    pub(crate) waiting_bytes: Gauge,
    pub(crate) objects: Gauge,
    pub(crate) bytes: Gauge,
}

label! {
    /// Why an object could not be written.
    pub(crate) enum Failure as "cause" {
        /// The disk is full.
        NoSpace = "no-space",
        /// The folder cannot be used, or the object cannot be read.
        Io = "io",
        /// The object store cannot be reached, or says that it cannot now.
        Unreachable = "unreachable",
        /// The object store took too long.
        Timeout = "timeout",
        /// The object store does not want it: the keys, the bucket, the request.
        Refused = "refused",
    }
}

label! {
    /// Why an object was not taken.
    pub(crate) enum Loss as "cause" {
        /// As many wait as may.
        QueueFull = "queue-full",
        /// Their bytes are as many as may be.
        QueueSize = "queue-size",
        /// It is larger than what is kept.
        TooLarge = "too-large",
        /// The program ended before it was written.
        Stopped = "stopped",
        /// There is none, or not in a form that can be read.
        NoObject = "no-object",
    }
}

label! {
    /// Why an object that was kept is gone.
    pub(crate) enum Removal as "cause" {
        /// It was too old.
        Age = "age",
        /// Others needed its room.
        Room = "room",
    }
}

// === impl QuarantineMetrics ===

impl QuarantineMetrics {
    /// Registers all of them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let families = Families::of(registry);
        Ok(Self {
            stored: families.counter("icapstan_quarantine_stored_total", "Objects that were written.")?,
            stored_bytes: families
                .counter("icapstan_quarantine_stored_bytes_total", "Bytes that were written, encrypted.")?,
            failed: families.counters(
                "icapstan_quarantine_failed_total",
                "Objects that could not be written and are lost to the quarantine, by cause.",
            )?,
            retries: families.counter(
                "icapstan_quarantine_retries_total",
                "Further tries to write objects to an object store that could not be reached.",
            )?,
            dropped: families.counters(
                "icapstan_quarantine_dropped_total",
                "Objects that were not taken for the quarantine, by cause.",
            )?,
            removed: families.counters(
                "icapstan_quarantine_removed_total",
                "Objects that were removed from the folder to keep its bounds, by cause.",
            )?,
            waiting: families
                .gauge("icapstan_quarantine_queue_length", "Objects that wait to be written.")?,
            waiting_bytes: families
                .gauge("icapstan_quarantine_queue_bytes", "Bytes of objects that wait to be written.")?,
            objects: families.gauge("icapstan_quarantine_objects", "Objects in the folder.")?,
            bytes: families.gauge("icapstan_quarantine_bytes", "Bytes of the objects in the folder.")?,
        })
    }
}
