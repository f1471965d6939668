//! What the server uses: processor time, memory and threads of its processes, as the kernel counts
//! them (proc(5)).

mod sampler;
mod stat;
mod tree;

pub(crate) use sampler::{Peak, Sampler};
pub(crate) use tree::{ProcessTree, Snapshot};

use serde::Serialize;

/// What the load cost the server.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ServerReport {
    /// Processor time of all its processes in the window.
    pub cpu_seconds: f64,
    /// That for each right answer in the window.
    pub cpu_us_per_request: Option<f64>,
    /// Memory of all its processes, pages that they share counted once.
    pub pss_bytes: PssBytes,
    /// The most threads that there were.
    pub threads: u64,
}

/// Proportional set size at three times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct PssBytes {
    /// Before the first connection.
    pub before: u64,
    /// The most of once a second.
    pub peak: u64,
    /// After the last connection.
    pub after: u64,
}
