//! What the scanner counts. Every label is of a closed set.

use icapstan_model::{Findings, SignatureSet};
use prometheus::{
    Gauge, Histogram, HistogramOpts, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// From a small object on an idle machine (a tenth of a millisecond) to the scan timeout and beyond.
const SECONDS: [f64; 16] =
    [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 30.0];

/// The scanner's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    scans: IntCounterVec,
    findings: IntCounterVec,
    refused: IntCounterVec,
    engine_seconds: Histogram,
    queue_seconds: Histogram,
    pub(crate) waiting: IntGauge,
    workers: IntGaugeVec,
    deaths: IntCounterVec,
    pub(crate) retries: IntCounter,
    pub(crate) layouts_replaced: IntCounter,
    signatures: IntGauge,
    loaded_at: Gauge,
    test_only: IntGauge,
    pub(crate) generations: IntGauge,
    reloads: IntCounterVec,
}

/// What a worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WorkerState {
    /// Proving that it detects.
    Proving,
    /// Waiting for an object.
    Idle,
    /// Scanning.
    Busy,
}

/// Why a worker's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Death {
    /// By itself, which it never should.
    Crash,
    /// Killed: the deadline of its object was over.
    Deadline,
    /// Killed: its temporary files took more than their share.
    TempShare,
    /// Killed: nobody waited for its scan any more.
    Cancelled,
    /// Killed: it sent something that is no reply.
    Protocol,
    /// Killed: it did not prove that it detects.
    Proof,
    /// Killed: its temporary folder is gone.
    TempFolder,
    /// Ended after its number of scans.
    Recycled,
    /// Ended with its memory layout or its generation.
    Retired,
}

/// How a load of signatures ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReloadResult {
    /// New signatures are in use.
    Loaded,
    /// The content is what is loaded already.
    Unchanged,
    /// The old signatures, if any, stay in use.
    Failed,
}

/// Counts one worker among those of its state as long as it lives.
#[derive(Debug)]
pub(crate) struct Presence {
    workers: IntGaugeVec,
    state: WorkerState,
}

// === impl Metrics ===

impl Metrics {
    /// Registers all of them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let histogram = |name: &str, help: &str| {
            Histogram::with_opts(HistogramOpts::new(name, help).buckets(SECONDS.to_vec()))
        };
        let vec = |name: &str, help: &str, label: &str| IntCounterVec::new(Opts::new(name, help), &[label]);
        let metrics = Self {
            scans: vec(
                "icapstan_scanner_scans_total",
                "Objects scanned, by their strongest verdict.",
                "verdict",
            )?,
            findings: vec(
                "icapstan_scanner_findings_total",
                "Findings that say that an object was not wholly scanned, by reason.",
                "reason",
            )?,
            refused: vec(
                "icapstan_scanner_refused_total",
                "Objects refused before a scan, by cause.",
                "cause",
            )?,
            engine_seconds: histogram("icapstan_scanner_engine_seconds", "Time of one call of the engine.")?,
            queue_seconds: histogram(
                "icapstan_scanner_queue_seconds",
                "Time between the hand-over of an object and the first call of the engine.",
            )?,
            waiting: IntGauge::new(
                "icapstan_scanner_waiting",
                "Objects handed over whose scan has not begun.",
            )?,
            workers: IntGaugeVec::new(
                Opts::new("icapstan_scanner_workers", "Worker processes, by what they are doing."),
                &["state"],
            )?,
            deaths: vec(
                "icapstan_scanner_worker_deaths_total",
                "Worker processes that ended, by cause.",
                "cause",
            )?,
            retries: IntCounter::new(
                "icapstan_scanner_retries_total",
                "Objects scanned again because the worker died on the first try.",
            )?,
            layouts_replaced: IntCounter::new(
                "icapstan_scanner_zygote_replacements_total",
                "Times that the workers' common ancestor was replaced because of crashes.",
            )?,
            signatures: IntGauge::new(
                "icapstan_scanner_signatures",
                "Signatures of the current generation.",
            )?,
            loaded_at: Gauge::new(
                "icapstan_scanner_signatures_loaded_timestamp_seconds",
                "When the current generation came into use.",
            )?,
            test_only: IntGauge::new(
                "icapstan_scanner_signatures_test_only",
                "1 if only the built-in test signatures are in use, which find no malware.",
            )?,
            generations: IntGauge::new(
                "icapstan_scanner_generations",
                "Generations in memory: the current one, and older ones that transactions still hold.",
            )?,
            reloads: vec("icapstan_scanner_reloads_total", "Loads of signatures, by result.", "result")?,
        };
        metrics.register_all(registry)?;
        metrics.show_all_labels();
        Ok(metrics)
    }

    fn register_all(&self, registry: &Registry) -> Result<(), prometheus::Error> {
        registry.register(Box::new(self.scans.clone()))?;
        registry.register(Box::new(self.findings.clone()))?;
        registry.register(Box::new(self.refused.clone()))?;
        registry.register(Box::new(self.engine_seconds.clone()))?;
        registry.register(Box::new(self.queue_seconds.clone()))?;
        registry.register(Box::new(self.waiting.clone()))?;
        registry.register(Box::new(self.workers.clone()))?;
        registry.register(Box::new(self.deaths.clone()))?;
        registry.register(Box::new(self.retries.clone()))?;
        registry.register(Box::new(self.layouts_replaced.clone()))?;
        registry.register(Box::new(self.signatures.clone()))?;
        registry.register(Box::new(self.loaded_at.clone()))?;
        registry.register(Box::new(self.test_only.clone()))?;
        registry.register(Box::new(self.generations.clone()))?;
        registry.register(Box::new(self.reloads.clone()))
    }

    /// A series that begins at its first event hides that event from `rate()`.
    fn show_all_labels(&self) {
        for kind in icapstan_model::VerdictKind::ALL {
            self.scans.with_label_values(&[kind.as_str()]);
        }
        for reason in icapstan_model::Reason::all() {
            self.findings.with_label_values(&[reason.as_str()]);
        }
        for cause in ["queue-full", "hopeless"] {
            self.refused.with_label_values(&[cause]);
        }
        for state in [WorkerState::Proving, WorkerState::Idle, WorkerState::Busy] {
            self.workers.with_label_values(&[state.as_str()]);
        }
        for cause in Death::ALL {
            self.deaths.with_label_values(&[cause.as_str()]);
        }
        for result in [ReloadResult::Loaded, ReloadResult::Unchanged, ReloadResult::Failed] {
            self.reloads.with_label_values(&[result.as_str()]);
        }
    }

    pub(crate) fn scanned(&self, findings: &Findings) {
        self.scans.with_label_values(&[findings.kind().as_str()]).inc();
        for reason in findings.iter().filter_map(icapstan_model::Verdict::reason) {
            self.findings.with_label_values(&[reason.as_str()]).inc();
        }
    }

    pub(crate) fn refused(&self, refusal: icapstan_model::Refusal) {
        let cause = match refusal {
            icapstan_model::Refusal::QueueFull => "queue-full",
            icapstan_model::Refusal::Hopeless => "hopeless",
        };
        self.refused.with_label_values(&[cause]).inc();
    }

    pub(crate) fn engine_call(&self, took: Duration) {
        self.engine_seconds.observe(took.as_secs_f64());
    }

    pub(crate) fn began_after(&self, waited: Duration) {
        self.queue_seconds.observe(waited.as_secs_f64());
    }

    pub(crate) fn died(&self, cause: Death) {
        self.deaths.with_label_values(&[cause.as_str()]).inc();
    }

    pub(crate) fn reloaded(&self, result: ReloadResult) {
        self.reloads.with_label_values(&[result.as_str()]).inc();
    }

    pub(crate) fn in_use(&self, signatures: &SignatureSet) {
        self.signatures.set(i64::try_from(signatures.count).unwrap_or(i64::MAX));
        self.test_only.set(i64::from(signatures.test_only));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.loaded_at.set(now.as_secs_f64());
    }

    pub(crate) fn presence(&self) -> Presence {
        self.workers.with_label_values(&[WorkerState::Proving.as_str()]).inc();
        Presence { workers: self.workers.clone(), state: WorkerState::Proving }
    }
}

// === impl Presence ===

impl Presence {
    pub(crate) fn set(&mut self, state: WorkerState) {
        if state != self.state {
            self.workers.with_label_values(&[self.state.as_str()]).dec();
            self.workers.with_label_values(&[state.as_str()]).inc();
            self.state = state;
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.workers.with_label_values(&[self.state.as_str()]).dec();
    }
}

// === impl WorkerState ===

impl WorkerState {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Proving => "proving",
            Self::Idle => "idle",
            Self::Busy => "busy",
        }
    }
}

// === impl Death ===

impl Death {
    const ALL: [Self; 9] = [
        Self::Crash,
        Self::Deadline,
        Self::TempShare,
        Self::Cancelled,
        Self::Protocol,
        Self::Proof,
        Self::TempFolder,
        Self::Recycled,
        Self::Retired,
    ];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Deadline => "deadline",
            Self::TempShare => "temp-share",
            Self::Cancelled => "cancelled",
            Self::Protocol => "protocol",
            Self::Proof => "proof",
            Self::TempFolder => "temp-folder",
            Self::Recycled => "recycled",
            Self::Retired => "retired",
        }
    }
}

// === impl ReloadResult ===

impl ReloadResult {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Loaded => "loaded",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_model::{FailedReason, Refusal, Verdict};

    #[test]
    fn every_series_is_there_before_its_first_event_and_none_is_added_by_one() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let series = |registry: &Registry| {
            registry.gather().iter().map(|family| family.get_metric().len()).sum::<usize>()
        };
        let before = series(&registry);
        metrics.scanned(&Findings::from(Verdict::Failed(FailedReason::Crash)));
        metrics.refused(Refusal::Hopeless);
        metrics.died(Death::Crash);
        metrics.reloaded(ReloadResult::Failed);
        metrics.presence().set(WorkerState::Busy);
        assert_eq!(before, series(&registry));
        assert!(registry.gather().iter().all(|family| family.name().starts_with("icapstan_scanner_")));
        assert!(Metrics::register(&registry).is_err(), "twice on one registry is an error, not a panic");
    }
}
