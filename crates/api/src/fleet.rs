//! What a fleet of gateways and scanners is to do: written by the operator alone, followed by the others.
//!
//! ```text
//!  FleetPlan.spec ─▶ PlanEpoch { revision, settings, istags }   what answers are judged by and named after
//!                 ├▶ PlannedRevision { files }                  what scanners have on disk
//!                 └▶ Holdings                                   what each of them has loaded
//! ```

mod amount;
mod artifact;
mod bundle;
mod plan;
mod revision;
mod rollout;

pub use amount::{Amount, AmountError};
pub use artifact::{Artifact, ContentDigest, ContentDigestError};
pub use bundle::{BundleError, SettingsBundle};
#[cfg(feature = "kube")]
pub use plan::FleetPlan;
pub use plan::{
    FleetPlanSpec, FleetPlanStatus, Holdings, Issuer, Mirror, PendingEpoch, PlanEpoch, PlanError,
};
pub use revision::{FileKind, PlannedFile, PlannedRevision, SelfTest};
pub use rollout::{Approval, Canary, OnFailure, Overlap, Rollout, Thresholds};
