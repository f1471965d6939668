//! What operators see of transactions.

use icapstan_model::{Findings, Mode};
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use std::time::Duration;

/// Metrics of a [`Gateway`](crate::Gateway).
#[derive(Clone, Debug)]
pub struct GatewayMetrics {
    verdicts: IntCounterVec,
    reasons: IntCounterVec,
    decisions: IntCounterVec,
    refusals: IntCounterVec,
    phases: HistogramVec,
    released: IntCounter,
    cut: IntCounter,
    /// Bytes of bodies held in memory.
    pub(crate) memory: IntGauge,
    /// Bytes of bodies held in spool files.
    pub(crate) spool: IntGauge,
}

/// A part of a transaction's time.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Phase {
    /// From the heads to the last byte of the body.
    Receive,
    /// Between the hand-over to the scanner and the start of the scan.
    Wait,
    /// In engines.
    Engine,
    /// From the decision to the last byte of the answer.
    Answer,
}

/// From what a small body takes to what the slowest deadline allows.
const BUCKETS: [f64; 12] = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0, 15.0];

// === impl GatewayMetrics ===

impl GatewayMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counters =
            |name: &str, help: &str, labels: &[&str]| -> Result<IntCounterVec, prometheus::Error> {
                let counters = IntCounterVec::new(Opts::new(name, help), labels)?;
                registry.register(Box::new(counters.clone()))?;
                Ok(counters)
            };
        let gauge = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let phases = HistogramVec::new(
            HistogramOpts::new(
                "icapstan_gateway_phase_seconds",
                "Time of transactions with a body, by phase.",
            )
            .buckets(BUCKETS.to_vec()),
            &["phase"],
        )?;
        registry.register(Box::new(phases.clone()))?;
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        Ok(Self {
            released: counter(
                "icapstan_gateway_released_total",
                "Answers begun before the verdict because the client waited for them.",
            )?,
            cut: counter("icapstan_gateway_cut_total", "Begun answers that were cut because policy blocks.")?,
            verdicts: counters(
                "icapstan_gateway_verdicts_total",
                "Transactions by the strongest verdict.",
                &["mode", "verdict"],
            )?,
            reasons: counters(
                "icapstan_gateway_reasons_total",
                "Findings that are no statement about the content, by reason.",
                &["verdict", "reason"],
            )?,
            decisions: counters(
                "icapstan_gateway_decisions_total",
                "Transactions by what policy did.",
                &["mode", "action"],
            )?,
            refusals: counters(
                "icapstan_gateway_refusals_total",
                "Transactions refused with 500 or 503 because of overload.",
                &["cause"],
            )?,
            phases,
            memory: gauge("icapstan_gateway_memory_bytes", "Bytes of bodies held in memory.")?,
            spool: gauge("icapstan_gateway_spool_bytes", "Bytes of bodies held in spool files.")?,
        })
    }

    pub(crate) fn decided(&self, mode: Mode, findings: &Findings, blocked: bool) {
        let mode = mode.as_str();
        self.verdicts.with_label_values(&[mode, findings.kind().as_str()]).inc();
        for finding in findings {
            if let Some(reason) = finding.reason() {
                self.reasons.with_label_values(&[finding.kind().as_str(), reason.as_str()]).inc();
            }
        }
        self.decisions.with_label_values(&[mode, if blocked { "block" } else { "pass" }]).inc();
    }

    pub(crate) fn released(&self) {
        self.released.inc();
    }

    pub(crate) fn cut(&self) {
        self.cut.inc();
    }

    pub(crate) fn refused(&self, cause: &'static str) {
        self.refusals.with_label_values(&[cause]).inc();
    }

    pub(crate) fn took(&self, phase: Phase, time: Duration) {
        let phase = match phase {
            Phase::Receive => "receive",
            Phase::Wait => "wait",
            Phase::Engine => "engine",
            Phase::Answer => "answer",
        };
        self.phases.with_label_values(&[phase]).observe(time.as_secs_f64());
    }
}
