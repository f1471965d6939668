//! What operators see of transactions.

use icapstan_api::Config;
use icapstan_icap_server::Refusals;
use icapstan_icap_server::proto::Status;
use icapstan_metrics::{Counter, Counters, Families, Gauge, Histograms, Labels, NamedCounters, label};
use icapstan_model::{FailedReason, Findings, Mode, NonScannedReason, Reason, Refusal, VerdictKind};
use prometheus::Registry;
use std::time::Duration;

/// Metrics of a [`Gateway`](crate::Gateway).
#[derive(Clone, Debug)]
pub struct GatewayMetrics {
    verdicts: Counters<(ByMode, ByVerdict)>,
    reasons: Counters<ByReason>,
    decisions: Counters<(ByMode, Done)>,
    bytes: Counters<ByVerdict>,
    urls: Counters<ByVerdict>,
    refusals: Counters<Shortage>,
    phases: Histograms<Phase>,
    /// Messages that a policy leaves out, by the name of what says so.
    pub(crate) skips: NamedCounters,
    released: Counter,
    cut: Counter,
    /// Bytes of heads, read buffers and bodies held in memory.
    pub memory: Gauge,
    /// Bytes of bodies held in spool files.
    pub(crate) spool: Gauge,
    pub(crate) memory_limit: Gauge,
    pub(crate) spool_limit: Gauge,
}

label! {
    /// A part of a transaction's time.
    pub(crate) enum Phase as "phase" {
        /// From the heads to the last byte of the body.
        Receive = "receive",
        /// Between the hand-over to the scanner and the start of the scan.
        Wait = "wait",
        /// In engines.
        Engine = "engine",
        /// From the decision to the last byte of the answer.
        Answer = "answer",
    }
}

label! {
    /// What there was too little of.
    pub(crate) enum Shortage as "cause" {
        /// Memory or spool space.
        Memory = "memory",
        /// Places in the queue for a scan.
        QueueFull = "queue-full",
        /// Time until the deadline of the scan.
        Hopeless = "hopeless",
    }
}

// === impl Shortage ===

impl Shortage {
    /// What is answered for it.
    pub(crate) const fn status(self, refusals: Refusals) -> Status {
        match self {
            Self::Memory => refusals.memory,
            Self::QueueFull | Self::Hopeless => refusals.queue,
        }
    }
}

impl From<Refusal> for Shortage {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::QueueFull => Self::QueueFull,
            Refusal::Hopeless => Self::Hopeless,
        }
    }
}

label! {
    /// What was done.
    enum Done as "action" {
        /// The message went on.
        Pass = "pass",
        /// It did not.
        Block = "block",
    }
}

label! {
    /// By the method of the request.
    struct ByMode(Mode) as "mode" { Reqmod, Respmod }
}

label! {
    /// By the kind of the verdict.
    struct ByVerdict(VerdictKind) as "verdict" { Clean, NonScanned, Failed, Macro, Phishing, Detect }
}

/// By the reason; the verdict follows from it.
#[derive(Clone, Copy, Debug)]
struct ByReason;

/// From what a small body takes to what the slowest deadline allows.
const BUCKETS: [Duration; 12] = [
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(250),
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
];

// === impl GatewayMetrics ===

impl GatewayMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            verdicts: make
                .counters("icapstan_gateway_verdicts_total", "Transactions by the strongest verdict.")?,
            reasons: make.counters(
                "icapstan_gateway_reasons_total",
                "Findings that are no statement about the content, by reason.",
            )?,
            decisions: make
                .counters("icapstan_gateway_decisions_total", "Transactions by what policy did.")?,
            bytes: make.counters(
                "icapstan_gateway_body_bytes_total",
                "Bytes of bodies that were here when it was decided, by the strongest verdict.",
            )?,
            urls: make.counters(
                "icapstan_gateway_urls_total",
                "URLs that were looked up, by what lists and the reputation service say of them.",
            )?,
            refusals: make.counters(
                "icapstan_gateway_refusals_total",
                "Transactions refused with 500 or 503 because of overload.",
            )?,
            phases: make.histograms(
                "icapstan_gateway_phase_seconds",
                "Time of transactions with a body, by phase.",
                &BUCKETS,
            )?,
            skips: make.named_counters(
                "icapstan_gateway_skips_total",
                "Messages that were not scanned because of policies[].skip, by its name.",
                "skip",
                Config::MAX_SKIPS,
            )?,
            released: make.counter(
                "icapstan_gateway_released_total",
                "Answers begun before the verdict because the client waited for them.",
            )?,
            cut: make.counter(
                "icapstan_gateway_cut_total",
                "Begun answers that were cut because policy blocks.",
            )?,
            memory: make.gauge(
                "icapstan_gateway_memory_bytes",
                "Bytes of heads, read buffers and bodies held in memory.",
            )?,
            spool: make.gauge("icapstan_gateway_spool_bytes", "Bytes of bodies held in spool files.")?,
            memory_limit: make.gauge(
                "icapstan_gateway_memory_limit_bytes",
                "What icapstan_gateway_memory_bytes may come to.",
            )?,
            spool_limit: make.gauge(
                "icapstan_gateway_spool_limit_bytes",
                "What icapstan_gateway_spool_bytes may come to.",
            )?,
        })
    }

    pub(crate) fn decided(&self, mode: Mode, findings: &Findings, blocked: bool) {
        self.verdicts.inc((mode, findings.kind()));
        for reason in findings.iter().filter_map(icapstan_model::Verdict::reason) {
            self.reasons.inc(reason);
        }
        self.decisions.inc((mode, if blocked { Done::Block } else { Done::Pass }));
    }

    /// So much of a body was here.
    pub(crate) fn judged(&self, findings: &Findings, size: u64) {
        self.bytes.inc_by(findings.kind(), size);
    }

    pub(crate) fn looked_up(&self, findings: &Findings) {
        self.urls.inc(findings.kind());
    }

    pub(crate) fn released(&self) {
        self.released.inc();
    }

    pub(crate) fn cut(&self) {
        self.cut.inc();
    }

    pub(crate) fn refused(&self, cause: Shortage) {
        self.refusals.inc(cause);
    }

    pub(crate) fn took(&self, phase: Phase, time: Duration) {
        self.phases.observe(phase, time);
    }
}

// === impl ByReason ===

impl ByReason {
    const NON_SCANNED: usize = NonScannedReason::ALL.len();

    fn at(index: usize) -> Reason {
        match NonScannedReason::ALL.get(index) {
            Some(reason) => Reason::NonScanned(*reason),
            None => Reason::Failed(FailedReason::ALL[index - Self::NON_SCANNED]),
        }
    }
}

impl Labels for ByReason {
    type Values = Reason;
    const LEN: usize = Self::NON_SCANNED + FailedReason::ALL.len();

    fn index(reason: Reason) -> Option<usize> {
        match reason {
            Reason::NonScanned(reason) => NonScannedReason::ALL.iter().position(|known| *known == reason),
            Reason::Failed(reason) => {
                let place = FailedReason::ALL.iter().position(|known| *known == reason)?;
                Some(Self::NON_SCANNED + place)
            }
        }
    }

    fn names() -> Vec<&'static str> {
        vec!["verdict", "reason"]
    }

    fn words(index: usize) -> Vec<&'static str> {
        match Self::at(index) {
            Reason::NonScanned(reason) => vec![VerdictKind::NonScanned.as_str(), reason.as_str()],
            Reason::Failed(reason) => vec![VerdictKind::Failed.as_str(), reason.as_str()],
        }
    }

    fn check() -> Result<(), prometheus::Error> {
        let misplaced = (0..Self::LEN).find(|index| Self::index(Self::at(*index)) != Some(*index));
        misplaced.map_or(Ok(()), |index| Err(prometheus::Error::Msg(format!("reason {index} is misplaced"))))
    }
}
