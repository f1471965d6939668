//! What the scanner counts. Every label is of a closed set.

use icapstan_hashes::Kind;
use icapstan_metrics::{Counter, Counters, Families, FloatGauge, Gauge, Gauges, Histogram, Label, label};
use icapstan_model::{
    FailedReason, Findings, NonScannedReason, Reason, Refusal, SignatureSet, Verdict, VerdictKind,
};
use prometheus::Registry;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::hash_lists::ByKind;
use crate::unpacker::UnpackMetrics;

/// From a small object on an idle machine (a tenth of a millisecond) to the scan timeout and beyond.
const BOUNDS: [Duration; 16] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_millis(2500),
    Duration::from_secs(10),
    Duration::from_secs(30),
];

/// The scanner's metrics.
#[derive(Clone, Debug)]
pub struct Metrics {
    scans: Counters<ByVerdict>,
    findings: Counters<ByReason>,
    refused: Counters<Refused>,
    engine_seconds: Histogram,
    queue_seconds: Histogram,
    pub(crate) waiting: Gauge,
    workers: Gauges<WorkerState>,
    deaths: Counters<Death>,
    pub(crate) retries: Counter,
    remembered: Counters<Remembered>,
    pub(crate) poison: Gauge,
    pub(crate) breaker_open: Gauge,
    pub(crate) held_back: Counter,
    reports: Counters<ReportResult>,
    pub(crate) layouts_replaced: Counter,
    signatures: Gauge,
    loaded_at: FloatGauge,
    released_at: FloatGauge,
    test_only: Gauge,
    pub(crate) generations: Gauge,
    reloads: Counters<ReloadResult>,
    listed: Counters<ByKind>,
    pub(crate) unpack: UnpackMetrics,
    yara_rules: Gauge,
    yara_matches: Counters<RuleMatch>,
}

label! {
    /// What a worker is doing.
    pub(crate) enum WorkerState as "state" {
        /// Proving that it detects.
        Proving = "proving",
        /// Waiting for an object.
        Idle = "idle",
        /// Scanning.
        Busy = "busy",
    }
}

label! {
    /// Why a worker's life ended.
    pub(crate) enum Death as "cause" {
        /// By itself, which it never should.
        Crash = "crash",
        /// Killed: the deadline of its object was over.
        Deadline = "deadline",
        /// Killed: its temporary files took more than their share.
        TempShare = "temp-share",
        /// Ended after one object, since another worker had died of that.
        Isolated = "isolated",
        /// Killed: nobody waited for its scan any more.
        Cancelled = "cancelled",
        /// Killed: it sent something that is no reply.
        Protocol = "protocol",
        /// Killed: it did not prove that it detects.
        Proof = "proof",
        /// Killed: its temporary folder is gone.
        TempFolder = "temp-folder",
        /// Ended after its number of scans.
        Recycled = "recycled",
        /// Ended with its memory layout or its generation.
        Retired = "retired",
    }
}

label! {
    /// How a load of signatures ended.
    pub(crate) enum ReloadResult as "result" {
        /// New signatures are in use.
        Loaded = "loaded",
        /// The content is what is loaded already.
        Unchanged = "unchanged",
        /// The old signatures, if any, stay in use.
        Failed = "failed",
    }
}

label! {
    /// What follows from the match of a YARA rule.
    pub(crate) enum RuleMatch as "action" {
        /// A detection.
        Detect = "detect",
        /// A line in the log.
        Log = "log",
    }
}

label! {
    /// Why an object was refused.
    enum Refused as "cause" {
        /// See [`Refusal::QueueFull`].
        QueueFull = "queue-full",
        /// See [`Refusal::Hopeless`].
        Hopeless = "hopeless",
    }
}

label! {
    /// Why an object was not scanned again.
    enum Remembered as "reason" {
        /// Workers died of an equal one.
        Crash = "crash",
        /// A worker was busy with an equal one until the end of its time.
        Time = "time",
    }
}

label! {
    /// What became of the file about a crash.
    pub(crate) enum ReportResult as "result" {
        /// It was written.
        Written = "written",
        /// It could not be written.
        Failed = "failed",
        /// There were too many at once.
        LeftOut = "left-out",
    }
}

label! {
    /// By the strongest verdict.
    struct ByVerdict(VerdictKind) as "verdict" { Clean, NonScanned, Failed, Macro, Phishing, Detect }
}

/// By the reason of a finding that is no statement about the content.
#[derive(Debug)]
struct ByReason;

/// Counts one worker among those of its state as long as it lives.
#[derive(Debug)]
pub(crate) struct Presence {
    workers: Gauges<WorkerState>,
    state: WorkerState,
}

// === impl Metrics ===

impl Metrics {
    /// Registers all of them.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            scans: make
                .counters("icapstan_scanner_scans_total", "Objects scanned, by their strongest verdict.")?,
            findings: make.counters(
                "icapstan_scanner_findings_total",
                "Findings that say that an object was not wholly scanned, by reason.",
            )?,
            refused: make
                .counters("icapstan_scanner_refused_total", "Objects refused before a scan, by cause.")?,
            engine_seconds: make.histogram(
                "icapstan_scanner_engine_seconds",
                "Time of one call of the engine.",
                &BOUNDS,
            )?,
            queue_seconds: make.histogram(
                "icapstan_scanner_queue_seconds",
                "Time between the hand-over of an object and the first call of the engine.",
                &BOUNDS,
            )?,
            waiting: make
                .gauge("icapstan_scanner_waiting", "Objects handed over whose scan has not begun.")?,
            workers: make.gauges("icapstan_scanner_workers", "Worker processes, by what they are doing.")?,
            deaths: make
                .counters("icapstan_scanner_worker_deaths_total", "Worker processes that ended, by cause.")?,
            retries: make.counter(
                "icapstan_scanner_retries_total",
                "Objects scanned again because the worker died on the first try.",
            )?,
            remembered: make.counters(
                "icapstan_scanner_poison_answers_total",
                "Objects answered as failed without a worker, since an equal one took a worker's life or all of its time, by reason.",
            )?,
            poison: make.gauge(
                "icapstan_scanner_poison_entries",
                "Objects remembered because a worker died of them or was busy until the end of its time.",
            )?,
            breaker_open: make.gauge(
                "icapstan_scanner_breaker_open",
                "1 while workers crash so often that objects like those they crash of are scanned one after the other.",
            )?,
            held_back: make.counter(
                "icapstan_scanner_held_back_total",
                "Objects that had to wait for their turn since workers crash of such as they are.",
            )?,
            reports: make.counters(
                "icapstan_scanner_crash_reports_total",
                "Files about crashes of workers, by what became of them.",
            )?,
            layouts_replaced: make.counter(
                "icapstan_scanner_zygote_replacements_total",
                "Times that the workers' common ancestor was replaced because of crashes.",
            )?,
            signatures: make.gauge("icapstan_scanner_signatures", "Signatures of the current generation.")?,
            loaded_at: make.float_gauge(
                "icapstan_scanner_signatures_loaded_timestamp_seconds",
                "When the current generation came into use.",
            )?,
            released_at: make.float_gauge(
                "icapstan_scanner_signatures_released_timestamp_seconds",
                "When the signatures in use were made, as their makers say; else when the newest file changed; 0 if unknown.",
            )?,
            test_only: make.gauge(
                "icapstan_scanner_signatures_test_only",
                "1 if only the built-in test signatures are in use, which find no malware.",
            )?,
            generations: make.gauge(
                "icapstan_scanner_generations",
                "Generations in memory: the current one, and older ones that transactions still hold.",
            )?,
            reloads: make.counters("icapstan_scanner_reloads_total", "Loads of signatures, by result.")?,
            listed: make.counters(
                "icapstan_scanner_hash_matches_total",
                "Objects that hash lists decided about, by the kind of the list.",
            )?,
            unpack: UnpackMetrics::register(make)?,
            yara_rules: make
                .gauge("icapstan_scanner_yara_rules", "YARA rules of the current generation.")?,
            yara_matches: make.counters(
                "icapstan_scanner_yara_matches_total",
                "Matches of YARA rules, by what follows from the rule: a detection or a line in the log.",
            )?,
        })
    }

    pub(crate) fn scanned(&self, findings: &Findings) {
        self.scans.inc(findings.kind());
        for reason in findings.iter().filter_map(Verdict::reason) {
            self.findings.inc(reason);
        }
    }

    pub(crate) fn refused(&self, refusal: Refusal) {
        self.refused.inc(match refusal {
            Refusal::QueueFull => Refused::QueueFull,
            Refusal::Hopeless => Refused::Hopeless,
        });
    }

    pub(crate) fn engine_call(&self, took: Duration) {
        self.engine_seconds.observe(took);
    }

    pub(crate) fn began_after(&self, waited: Duration) {
        self.queue_seconds.observe(waited);
    }

    pub(crate) fn remembered(&self, reason: FailedReason) {
        self.remembered.inc(match reason {
            FailedReason::Crash => Remembered::Crash,
            _ => Remembered::Time,
        });
    }

    pub(crate) fn reported(&self, result: ReportResult) {
        self.reports.inc(result);
    }

    pub(crate) fn died(&self, cause: Death) {
        self.deaths.inc(cause);
    }

    pub(crate) fn reloaded(&self, result: ReloadResult) {
        self.reloads.inc(result);
    }

    pub(crate) fn listed(&self, kind: Kind) {
        self.listed.inc(kind);
    }

    pub(crate) fn rules_matched(&self, action: RuleMatch, count: usize) {
        self.yara_matches.inc_by(action, count as u64);
    }

    pub(crate) fn in_use(&self, signatures: &SignatureSet, rules: u64) {
        self.yara_rules.set(i64::try_from(rules).unwrap_or(i64::MAX));
        self.signatures.set(i64::try_from(signatures.count).unwrap_or(i64::MAX));
        self.test_only.set(i64::from(signatures.test_only));
        let released = signatures.released.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        self.released_at.set(released.unwrap_or_default().as_secs_f64());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        self.loaded_at.set(now.as_secs_f64());
    }

    pub(crate) fn presence(&self) -> Presence {
        self.workers.inc(WorkerState::Proving);
        Presence { workers: self.workers.clone(), state: WorkerState::Proving }
    }
}

// === impl Presence ===

impl Presence {
    pub(crate) fn set(&mut self, state: WorkerState) {
        if state != self.state {
            self.workers.dec(self.state);
            self.workers.inc(state);
            self.state = state;
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.workers.dec(self.state);
    }
}

// === impl ByReason ===

impl Label for ByReason {
    type Value = Reason;
    const NAME: &'static str = "reason";
    const VALUES: &'static [Reason] = &reasons();

    fn index(reason: Reason) -> usize {
        match reason {
            Reason::NonScanned(reason) => reason as usize,
            Reason::Failed(reason) => NonScannedReason::ALL.len() + reason as usize,
        }
    }

    fn as_str(reason: Reason) -> &'static str {
        reason.as_str()
    }
}

/// All reasons, as [`Reason::all`] tells them at run time.
const fn reasons() -> [Reason; NonScannedReason::ALL.len() + FailedReason::ALL.len()] {
    let mut reasons =
        [Reason::Failed(FailedReason::Time); NonScannedReason::ALL.len() + FailedReason::ALL.len()];
    let mut place = 0;
    while place < reasons.len() {
        reasons[place] = if place < NonScannedReason::ALL.len() {
            Reason::NonScanned(NonScannedReason::ALL[place])
        } else {
            Reason::Failed(FailedReason::ALL[place - NonScannedReason::ALL.len()])
        };
        place += 1;
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_series_is_there_before_its_first_event_and_none_is_added_by_one() {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry).unwrap();
        let series = |registry: &Registry| {
            registry.gather().iter().map(|family| family.get_metric().len()).sum::<usize>()
        };
        let before = series(&registry);
        for reason in Reason::all() {
            metrics.scanned(&Findings::from(match reason {
                Reason::NonScanned(reason) => Verdict::NonScanned(reason),
                Reason::Failed(reason) => Verdict::Failed(reason),
            }));
            assert_eq!(metrics.findings.get(reason), 1, "{reason}");
        }
        metrics.refused(Refusal::Hopeless);
        metrics.died(Death::Crash);
        metrics.reloaded(ReloadResult::Failed);
        metrics.presence().set(WorkerState::Busy);
        assert_eq!(before, series(&registry));
        assert!(registry.gather().iter().all(|family| family.name().starts_with("icapstan_scanner_")));
        assert!(Metrics::register(&registry).is_err(), "twice on one registry is an error, not a panic");
    }
}
