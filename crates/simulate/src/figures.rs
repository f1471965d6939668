//! What a run showed.

use crate::events::Micros;
use crate::load::{seconds_of, to_f64, to_u64};
use std::fmt;

/// Buckets of latencies: each is a twentieth wider than the one before.
const BUCKETS: usize = 400;
const WIDER: f64 = 1.05;

/// What a run showed.
#[derive(Clone, Debug, Default)]
pub struct Figures {
    /// Jobs that came.
    pub arrived: u64,
    /// Those that were answered in time.
    pub answered: u64,
    /// Those whose scan did not end before its deadline: the scanner said so.
    pub timed_out: u64,
    /// Those that were refused in the end.
    pub refused: u64,
    /// Those whose last connection was lost.
    pub lost: u64,
    /// Those that nobody answered in time.
    pub late: u64,
    /// Those that there was no scanner for.
    pub unplaced: u64,
    /// Sent again after a connection was lost the first time.
    pub free_retries: u64,
    /// Sent again on the budget.
    pub budget_retries: u64,
    /// How often an endpoint was ejected.
    pub ejections: u64,
    /// The highest share of endpoints that a gateway had ejected at once.
    pub most_ejected: f64,
    /// The least endpoints that a gateway could pick from after the start.
    pub least_ready: usize,
    /// The longest that a job was with a scanner that was stopped or cut off, in seconds.
    pub longest_stuck: f64,
    /// Jobs of connections that a drained scanner closed.
    pub lost_by_drain: u64,
    /// The busiest scanner by the mean, of those that were up all the time and of usual speed.
    pub utilisation_spread: f64,
    /// The longest queue by the mean, on average over time.
    pub outstanding_spread: f64,
    /// Time of workers spent on jobs that were answered in time, by the time that workers had.
    pub useful: f64,
    /// And that of jobs of both kinds.
    pub busy: f64,
    /// How often the autoscaler changed its mind.
    pub turns: u32,
    /// Least and most scanners.
    pub replicas: (usize, usize),
    /// How long more waited than workers could do in a second, at the longest, in seconds.
    pub longest_backlog: f64,
    pub(crate) latencies: Latencies,
}

#[derive(Clone, Debug)]
pub(crate) struct Latencies {
    counts: Vec<u64>,
    all: u64,
}

// === impl Figures ===

impl Figures {
    /// The share of jobs that were answered in time.
    pub fn success(&self) -> f64 {
        to_f64(self.answered) / to_f64(self.arrived.max(1))
    }

    /// The share of jobs that were sent again on the budget.
    pub fn retry_share(&self) -> f64 {
        to_f64(self.budget_retries) / to_f64(self.arrived.max(1))
    }

    /// A quantile of the time that answers took, in seconds.
    pub fn latency(&self, quantile: f64) -> f64 {
        self.latencies.quantile(quantile)
    }
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = |quantile| self.latency(quantile) * 1e3;
        writeln!(
            f,
            "  jobs {} answered {} ({:.3} %) timed out {} refused {} lost {} late {} unplaced {}",
            self.arrived,
            self.answered,
            self.success() * 100.0,
            self.timed_out,
            self.refused,
            self.lost,
            self.late,
            self.unplaced
        )?;
        writeln!(
            f,
            "  latency p50 {:.1} ms p99 {:.0} ms p99.9 {:.0} ms; longest at a stopped scanner {:.2} s",
            ms(0.5),
            ms(0.99),
            ms(0.999),
            self.longest_stuck
        )?;
        writeln!(
            f,
            "  busy {:.3} useful {:.3}; spread: busiest {:.2} x mean, longest queue {:.2} x mean",
            self.busy, self.useful, self.utilisation_spread, self.outstanding_spread
        )?;
        writeln!(
            f,
            "  retries: free {} budget {} ({:.2} %); ejections {} most at once {:.0} % least ready {}; lost by drain {}",
            self.free_retries,
            self.budget_retries,
            self.retry_share() * 100.0,
            self.ejections,
            self.most_ejected * 100.0,
            self.least_ready,
            self.lost_by_drain
        )?;
        write!(
            f,
            "  scanners {} to {}, turns {}; longest backlog {:.1} s",
            self.replicas.0, self.replicas.1, self.turns, self.longest_backlog
        )
    }
}

// === impl Latencies ===

impl Latencies {
    pub(crate) fn add(&mut self, took: Micros) {
        let bucket = to_u64((to_f64(took.max(1))).ln() / WIDER.ln());
        let bucket = usize::try_from(bucket).unwrap_or(BUCKETS).min(BUCKETS - 1);
        self.counts[bucket] += 1;
        self.all += 1;
    }

    fn quantile(&self, quantile: f64) -> f64 {
        let wanted = to_f64(self.all) * quantile;
        let mut sum = 0.0;
        for (bucket, &count) in self.counts.iter().enumerate() {
            sum += to_f64(count);
            if count > 0 && sum >= wanted {
                return seconds_of(to_u64(WIDER.powf(to_f64(bucket as u64 + 1))));
            }
        }
        0.0
    }
}

impl Default for Latencies {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS], all: 0 }
    }
}
