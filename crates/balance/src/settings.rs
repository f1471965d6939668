//! What a balancer goes by.

use std::sync::Arc;
use std::time::Duration;

/// What a balancer goes by. The defaults are those that the simulated fleet was proven with.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Where this process is. Endpoints of the same zone are preferred while they have room.
    pub zone: Option<Arc<str>>,
    /// With fewer endpoints than this in the own zone no zone is preferred.
    pub least_local: usize,
    /// An endpoint of another zone is taken when it is ahead of those of the own one by this much.
    pub spill: Duration,
    /// Of more endpoints than this the rest is left out.
    pub most_endpoints: usize,
    /// An endpoint that has so many jobs of this process gets no more.
    pub most_jobs: u32,
    /// What a job costs that has no bytes, as far as one can tell beforehand.
    pub base_cost: Duration,
    /// And what each MiB adds.
    pub cost_per_mib: Duration,
    /// After so long a reported load counts for half.
    pub report_half_life: Duration,
    /// How much load a refusal counts for. It ages like a report.
    pub refusal_cost: Duration,
    /// An endpoint with jobs that was not heard of for so long counts as loaded by as much.
    pub quiet: Duration,
    /// How long it takes a new connection to be given its full share.
    pub slow_start: Duration,
    /// When an endpoint is left alone.
    pub ejection: Ejection,
}

/// When an endpoint that fails is left alone, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct Ejection {
    /// So many failures in a row are enough.
    pub in_a_row: u32,
    /// And so is this share of failures among the last few dozens of jobs.
    pub failed_percent: u32,
    /// How long it is left alone first. Each time that follows soon is twice as long.
    pub first: Duration,
    /// And at most.
    pub longest: Duration,
    /// Never are more of those connected left alone than this; of two or more, one may always be.
    pub most_percent: u32,
}

// === impl Settings ===

impl Default for Settings {
    fn default() -> Self {
        Self {
            zone: None,
            least_local: 2,
            spill: Duration::from_millis(20),
            most_endpoints: 1024,
            most_jobs: 1024,
            base_cost: Duration::from_micros(500),
            cost_per_mib: Duration::from_millis(25),
            report_half_life: Duration::from_secs(1),
            refusal_cost: Duration::from_millis(250),
            quiet: Duration::from_millis(250),
            slow_start: Duration::from_secs(10),
            ejection: Ejection::default(),
        }
    }
}

// === impl Ejection ===

impl Default for Ejection {
    fn default() -> Self {
        Self {
            in_a_row: 5,
            failed_percent: 50,
            first: Duration::from_secs(5),
            longest: Duration::from_mins(1),
            most_percent: 33,
        }
    }
}
