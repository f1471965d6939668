//! What operators see of the plan that is followed.

use icapstan_metrics::{Counter, Counters, Families, FloatGauge, Gauge, Gauges, label};
use prometheus::Registry;

/// Of a [`Follower`](crate::Follower).
#[derive(Clone, Debug)]
pub struct FollowMetrics {
    pub(crate) generation: Gauge,
    pub(crate) age: FloatGauge,
    pub(crate) heard: Counters<Outcome>,
    pub(crate) unkept: Counter,
    stages: Gauges<FollowStage>,
    failures: Counters<FollowFailure>,
    loads: Counter,
}

label! {
    /// What became of a plan.
    pub(crate) enum Outcome as "result" {
        /// It is followed.
        Taken = "taken",
        /// It is older than the one that is followed, or of somebody who leads no more.
        Older = "older",
        /// It contradicts itself, the one that is followed, or is none.
        Unusable = "unusable",
        /// Where plans come from could not be asked.
        Unreachable = "unreachable",
    }
}

label! {
    /// How far a scanner has come with a revision.
    pub enum FollowStage as "stage" {
        /// Its bytes are being fetched.
        Fetching = "fetching",
        /// They are on the disk.
        Staged = "staged",
        /// The engine reads it, or it is being tried.
        Loading = "loading",
        /// Objects can be scanned with it.
        Serving = "serving",
        /// It came to nothing.
        Failed = "failed",
    }
}

label! {
    /// Why a revision is not served.
    pub enum FollowFailure as "failure" {
        /// Nobody gives its bytes.
        Fetch = "fetch",
        /// They are something else.
        Digest = "digest",
        /// There is no room for them.
        Disk = "disk",
        /// There is not the memory.
        Memory = "memory",
        /// The engine does not take it.
        Load = "load",
        /// The engine ended over it.
        Crash = "crash",
        /// Something was not found that has to be.
        Missed = "missed",
        /// Something was found where nothing is.
        FalsePositive = "false-positive",
        /// It took too long.
        Slow = "slow",
    }
}

// === impl FollowMetrics ===

impl FollowMetrics {
    /// Makes them and adds them to `registry`.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let make = Families::of(registry);
        Ok(Self {
            generation: make
                .gauge("icapstan_plan_generation", "The plan that is followed; 0 without one.")?,
            age: make.float_gauge(
                "icapstan_plan_age_seconds",
                "For how long nobody has confirmed that the plan is the newest.",
            )?,
            heard: make
                .counters("icapstan_plan_reads_total", "Plans that were read, by what became of them.")?,
            unkept: make.counter(
                "icapstan_plan_keep_failures_total",
                "Plans that could not be written to the state folder.",
            )?,
            stages: make.gauges(
                "icapstan_plan_revisions",
                "Revisions of the plan, by how far this scanner has come with them.",
            )?,
            failures: make.counters(
                "icapstan_plan_revision_failures_total",
                "How often this scanner came to nothing with a revision, by why.",
            )?,
            loads: make.counter(
                "icapstan_plan_revision_loads_total",
                "How often a revision was loaded, and found what it had to.",
            )?,
        })
    }

    /// How far it has come with the revisions of the plan.
    pub fn stages(&self, now: &[FollowStage]) {
        use FollowStage::{Failed, Fetching, Loading, Serving, Staged};
        for stage in [Fetching, Staged, Loading, Serving, Failed] {
            let count = now.iter().filter(|now| **now == stage).count();
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.stages.add(stage, count - self.stages.get(stage));
        }
    }

    /// A revision came to nothing.
    pub fn failed(&self, failure: FollowFailure) {
        self.failures.inc(failure);
    }

    /// A revision can be asked for.
    pub fn served(&self) {
        self.loads.inc();
    }
}
