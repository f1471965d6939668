//! What a scanner that follows a plan can be asked for.

use icapstan_model::{Epoch, GenerationId};
use icapstan_proto::fleet;
use std::fmt;
use std::sync::Arc;
use tokio::sync::watch;

/// How a scanner stands with its plan.
#[derive(Clone, Debug, Default)]
pub struct ScannerStanding {
    /// The plan that it follows; 0 without one.
    pub plan_generation: u64,
    /// What it can be asked for, by the digests of revisions. What it scans with by itself comes first.
    pub held: Vec<(GenerationId, Arc<Epoch>)>,
    /// How far it has come with each revision of its plan.
    pub revisions: Vec<fleet::Revision>,
    /// Why it is not to be asked anything; empty if it may be.
    pub not_ready: String,
}

/// A plan that decides what can be asked for, and what is told of it. Changes of `standing` are told at once.
#[derive(Clone)]
pub struct FollowedPlan {
    /// How the scanner stands with it.
    pub standing: watch::Receiver<Arc<ScannerStanding>>,
    /// What scans with a candidate showed. It waits for nothing.
    pub mirrored: Arc<dyn Fn() -> Option<fleet::Mirrored> + Send + Sync>,
}

impl fmt::Debug for FollowedPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FollowedPlan").field("standing", &self.standing).finish_non_exhaustive()
    }
}
