//! What came of a run: one JSON object, or a table.

use crate::idle::IdleReport;
use crate::judge::Fault;
use crate::latency::Percentiles;
use crate::measured::Unfinished;
use crate::server::ServerReport;
use crate::settings::Settings;
use crate::slow::SlowReport;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt::{self, Display, Write};

/// What came of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was run.
    pub config: Settings,
    /// The length of the window.
    pub seconds: f64,
    /// Right answers: in a closed loop those that came in the window, in an open loop those to requests
    /// that were meant to be sent in it.
    pub requests: u64,
    /// Right answers a second that came in the window.
    pub rate: f64,
    /// What failed, by kind.
    pub errors: BTreeMap<Fault, u64>,
    /// Clean bodies that were blocked, and infected ones that passed.
    pub wrong: u64,
    /// Final answers by their status.
    pub statuses: BTreeMap<String, u64>,
    /// Connections that were made anew in the window.
    pub reconnects: u64,
    /// Requests without an answer at the end.
    pub unfinished: UnfinishedReport,
    /// Of the right answers; none if there were none.
    pub latency_us: Option<Percentiles>,
    /// Answers of an overloaded server, where these are no faults.
    pub refused: Option<RefusedReport>,
    /// In an open loop, how long after its window the last answer came; none if some did not.
    pub drained_seconds: Option<f64>,
    /// By the connections that ask, in the window.
    pub bytes_sent: u64,
    /// By the connections that ask, in the window.
    pub bytes_received: u64,
    /// What this process used in the window.
    pub loader_cpu_seconds: f64,
    /// What the server used.
    pub server: Option<ServerReport>,
    /// Connections that only stay.
    pub idle: Option<IdleReport>,
    /// Connections that do not go on.
    pub slow: Option<SlowReport>,
}

/// Answers 429, 500 and 503.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RefusedReport {
    /// How many.
    pub count: u64,
    /// None if there were none.
    pub latency_us: Option<Percentiles>,
}

/// Requests without an answer: in a closed loop when the window ended, in an open loop ten seconds
/// later.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct UnfinishedReport {
    /// How many.
    pub count: u64,
    /// How long the oldest has waited, in microseconds.
    pub oldest_us: f64,
}

// === impl UnfinishedReport ===

impl UnfinishedReport {
    pub(crate) fn new(unfinished: Unfinished) -> Self {
        Self { count: unfinished.count, oldest_us: unfinished.oldest.as_secs_f64() * 1e6 }
    }
}

// === impl Report ===

impl Report {
    /// Whether the server said anything at all to what was asked.
    pub fn is_empty(&self) -> bool {
        self.statuses.is_empty()
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut row = |name: &str, value: &dyn Display| writeln!(f, "{name:<12}{value}");
        row("requests", &format_args!("{} in {:.1} s, {:.0}/s", self.requests, self.seconds, self.rate))?;
        match &self.latency_us {
            Some(Percentiles { p50, p90, p99, p999, max, mean }) => row(
                "latency",
                &format_args!(
                    "p50 {p50:.0} p90 {p90:.0} p99 {p99:.0} p99.9 {p999:.0} max {max:.0} mean {mean:.0} us"
                ),
            )?,
            None => row("latency", &"none: no right answer")?,
        }
        if let Some(RefusedReport { count, latency_us }) = &self.refused {
            let times = latency_us.map_or_else(String::new, |Percentiles { p50, p99, max, .. }| {
                format!(", p50 {p50:.0} p99 {p99:.0} max {max:.0} us")
            });
            row("refused", &format_args!("{count}{times}"))?;
        }
        if let Some(seconds) = self.drained_seconds {
            row("drained", &format_args!("{seconds:.3} s after the last request was due"))?;
        }
        row("statuses", &counts(&self.statuses))?;
        let errors = self.errors.iter().map(|(fault, count)| (format!("{fault:?}").to_lowercase(), *count));
        row("errors", &counts(&errors.collect()))?;
        row("wrong", &self.wrong)?;
        row("reconnects", &self.reconnects)?;
        row(
            "unfinished",
            &format_args!("{}, the oldest {:.0} us", self.unfinished.count, self.unfinished.oldest_us),
        )?;
        row("bytes", &format_args!("{} sent, {} received", self.bytes_sent, self.bytes_received))?;
        row("loader", &format_args!("{:.2} s of processor time", self.loader_cpu_seconds))?;
        if let Some(server) = &self.server {
            let each =
                server.cpu_us_per_request.map_or_else(String::new, |us| format!(", {us:.1} us a request"));
            row("server", &format_args!("{:.2} s of processor time{each}", server.cpu_seconds))?;
            let pss = server.pss_bytes;
            row(
                "memory",
                &format_args!("{} before, {} peak, {} after", mib(pss.before), mib(pss.peak), mib(pss.after)),
            )?;
            row("threads", &server.threads)?;
        }
        if let Some(idle) = &self.idle {
            row("idle", &format_args!("{} opened, {} still open", idle.opened, idle.still_open))?;
        }
        if let Some(slow) = &self.slow {
            let ended = slow.ended.iter().map(|(end, count)| (format!("{end:?}").to_lowercase(), *count));
            let mut text =
                format!("{} opened, {} failed, {} still open", slow.opened, slow.failed, slow.still_open);
            write!(text, "; ended: {}; statuses: {}", counts(&ended.collect()), counts(&slow.statuses))?;
            if let Some(seconds) = slow.seconds {
                write!(text, "; after {} to {} s, median {}", seconds.min, seconds.max, seconds.median)?;
            }
            row("slow", &text)?;
        }
        Ok(())
    }
}

fn counts(counts: &BTreeMap<String, u64>) -> String {
    if counts.is_empty() {
        return "none".to_owned();
    }
    let mut text = String::new();
    for (name, count) in counts {
        let comma = if text.is_empty() { "" } else { ", " };
        let _ = write!(text, "{comma}{name}: {count}");
    }
    text
}

fn mib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let mib = bytes as f64 / 1_048_576.0;
    format!("{mib:.1} MiB")
}
