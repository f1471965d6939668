//! What is counted of containers that are taken apart.

use icapstan_metrics::{Counter, Counters, Families, Gauge, label};

/// Of one registry.
#[derive(Clone, Debug)]
pub(crate) struct UnpackMetrics {
    pub(crate) outcomes: Counters<Outcome>,
    pub(crate) busy: Gauge,
    pub(crate) started: Counter,
    pub(crate) endings: Counters<Ending>,
}

label! {
    /// What came of a container.
    pub(crate) enum Outcome as "outcome" {
        /// All of it was taken out.
        Whole = "whole",
        /// Something was left out, for a reason that is told.
        Partly = "partly",
        /// The process died of it.
        Crash = "crash",
        /// The deadline came.
        Deadline = "deadline",
        /// The process sent something that is no answer.
        Protocol = "protocol",
        /// No process could be had.
        Unavailable = "unavailable",
    }
}

label! {
    /// Why a process ended.
    pub(crate) enum Ending as "cause" {
        /// By itself, which it never should.
        Crash = "crash",
        /// Killed: the deadline of its object was over.
        Deadline = "deadline",
        /// Killed: nobody waited for its members any more.
        Cancelled = "cancelled",
        /// Killed: it sent something that is no answer.
        Protocol = "protocol",
        /// Ended after one container, since another process had died of that.
        Isolated = "isolated",
        /// Ended after its number of containers.
        Recycled = "recycled",
        /// Ended with the scanner.
        Retired = "retired",
    }
}

// === impl UnpackMetrics ===

impl UnpackMetrics {
    pub(crate) fn register(make: Families<'_>) -> Result<Self, prometheus::Error> {
        Ok(Self {
            outcomes: make.counters(
                "icapstan_scanner_unpacked_total",
                "Containers handed to processes that take out what libclamav does not open, by outcome.",
            )?,
            busy: make.gauge(
                "icapstan_scanner_unpack_workers_busy",
                "Processes that are taking a container apart.",
            )?,
            started: make.counter(
                "icapstan_scanner_unpack_workers_started_total",
                "Processes started that take containers apart.",
            )?,
            endings: make.counters(
                "icapstan_scanner_unpack_worker_deaths_total",
                "Processes that take containers apart that ended, by cause.",
            )?,
        })
    }
}
