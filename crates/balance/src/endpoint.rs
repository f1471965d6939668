//! What is said to, and told by, the owner of the connections.

use icapstan_model::GenerationId;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Which scanner: where it listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId(pub SocketAddr);

/// A scanner that there is, as discovery says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Which.
    pub id: EndpointId,
    /// Where it runs, if that is known.
    pub zone: Option<Arc<str>>,
}

/// What an update of the set changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// These are new: connect to them.
    pub added: Vec<EndpointId>,
    /// These are gone: let their jobs end, then close.
    pub removed: Vec<EndpointId>,
    /// So many found no place.
    pub left_out: usize,
}

/// What is to be placed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Job<'a> {
    /// How large its object is; as far as that is known, if it is still coming in.
    pub bytes: u64,
    /// Signatures that should judge it: endpoints that hold them are preferred.
    pub generation: Option<GenerationId>,
    /// Endpoints that it must not go to, such as those that were tried.
    pub exclude: &'a [EndpointId],
}

/// What a scanner said about itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReportedLoad {
    /// What everything that it holds, under way and waiting, will take: seconds of one worker.
    pub work: Duration,
    /// How many workers share that.
    pub workers: u32,
}

/// How a job ended, as far as the choice of the next endpoint is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// With an answer, whatever the verdict is.
    Answered {
        /// From the hand-over on.
        took: Duration,
        /// What came with it.
        load: Option<ReportedLoad>,
    },
    /// The scanner has no room.
    Refused {
        /// What came with it.
        load: Option<ReportedLoad>,
    },
    /// Its connection was lost.
    Lost,
    /// No answer came in time.
    Late,
    /// Nobody waits for the answer any more. It says nothing about the scanner.
    Cancelled,
}

/// How an endpoint stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Standing {
    /// There is no connection.
    Connecting,
    /// It gets jobs.
    Ready,
    /// It gets none, since it failed.
    Ejected,
    /// It has the one job that is to tell whether it still fails.
    Probing,
    /// It gets none, since it is about to end.
    Draining,
}

// === impl EndpointId ===

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<SocketAddr> for EndpointId {
    fn from(address: SocketAddr) -> Self {
        Self(address)
    }
}

// === impl Endpoint ===

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        Self { id: EndpointId(address), zone: None }
    }
}
