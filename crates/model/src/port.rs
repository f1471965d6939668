//! The seam between a gateway and its scanners: in one process a method call, over the network gRPC.

use crate::{Epoch, Findings, GenerationId, Object, ScanContext, Sha256};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// A scan under way. Dropping it cancels the scan.
pub type ScanFuture<'a> = Pin<Box<dyn Future<Output = Result<ScanReport, Refusal>> + Send + 'a>>;

/// Whoever can scan objects.
pub trait ScanPort: Send + Sync + 'static {
    /// The signatures that transactions starting now are judged by. `None` until some are loaded.
    fn epoch(&self) -> Option<Arc<Epoch>>;

    /// Which signatures these are, without pinning them.
    fn generation(&self) -> Option<GenerationId> {
        self.epoch().map(|epoch| epoch.signatures.id)
    }

    /// Scans `object` with the signatures of `epoch`.
    ///
    /// Always ends: with a report (whatever went wrong is a finding), or with a refusal when the
    /// scan was never begun. Later than `deadline` the finding is
    /// [`FailedReason::Time`](crate::FailedReason::Time).
    fn scan<'a>(
        &'a self,
        object: Object,
        context: ScanContext,
        epoch: &'a Arc<Epoch>,
        deadline: Instant,
    ) -> ScanFuture<'a>;

    /// Whether a scan that is handed over now, and has so much `time`, would be refused whatever its
    /// object of `len` bytes or more is: then nobody needs to bring that. `None` is no promise.
    fn refusal(&self, _epoch: &Arc<Epoch>, _len: u64, _time: Duration) -> Option<Refusal> {
        None
    }

    /// Whether scans can be made now.
    fn readiness(&self) -> Readiness;

    /// How busy it is, as far as one can tell.
    fn load(&self) -> Load {
        Load::default()
    }
}

/// How busy whoever scans is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// How long a scan that comes now would wait for a worker.
    pub wait: Duration,
    /// Workers' time that all scans which wait or are under way will still take, as far as one can tell.
    pub backlog: Duration,
    /// Workers in service.
    pub workers: usize,
    /// Those that have an object.
    pub busy: usize,
}

/// What a scan established.
#[derive(Clone, Debug)]
pub struct ScanReport {
    /// The verdicts.
    pub findings: Findings,
    /// Digest of the object as it came over the wire. Computed when something was found.
    pub sha256: Option<Sha256>,
    /// Time between the hand-over and the start of the first engine call.
    pub waited: Duration,
    /// Time in engines, all calls together.
    pub engine: Duration,
    /// Whose scan that was.
    pub origin: Origin,
    /// Of the signatures that decided, if these are not those that were asked for.
    pub decided_by: Option<GenerationId>,
}

/// Whose scan a report is of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Origin {
    /// Of this very object.
    #[default]
    Scan,
    /// Of an equal object that came before.
    Cache,
    /// Of an equal object that came before to another process.
    Fleet,
    /// Of an equal object that was being scanned when this one came.
    Shared,
    /// Of an equal object that came before and took a worker's life, or all of its time.
    Poison,
}

/// Why a scan was not begun. The client is told so by an ICAP status, not by a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Refusal {
    /// As many scans wait as may.
    #[error("the scan queue is full")]
    QueueFull,
    /// Those that wait would use up the time that is left.
    #[error("the scan could not start before its deadline")]
    Hopeless,
}

/// Whether scans can be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Yes.
    Ready,
    /// No; the text says what is missing, for `/readyz`.
    NotReady(String),
}

// === impl ScanReport ===

impl ScanReport {
    /// Of what no engine saw.
    pub fn unscanned(findings: Findings) -> Self {
        Self {
            findings,
            sha256: None,
            waited: Duration::ZERO,
            engine: Duration::ZERO,
            origin: Origin::Scan,
            decided_by: None,
        }
    }
}

// === impl Origin ===

impl Origin {
    /// The word in logs. Empty for what goes without saying.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scan => "",
            Self::Cache => "hit",
            Self::Fleet => "fleet",
            Self::Shared => "shared",
            Self::Poison => "poison",
        }
    }
}
