//! What a fleet of gateways and scanners is to do: written by the operator alone, followed by the others.
//!
//! ```text
//!  FleetPlan.spec ─▶ PlanEpoch { revision, settings, istags }   what answers are judged by and named after
//!                 ├▶ PlannedRevision { files }                  what scanners have on disk
//!                 └▶ Holdings                                   what each of them has loaded
//! ```

mod artifact;
mod bundle;
mod plan;
mod revision;

pub use artifact::{Artifact, ContentDigest, ContentDigestError};
pub use bundle::{BundleError, SettingsBundle};
pub use plan::{
    FleetPlanSpec, FleetPlanStatus, Holdings, Issuer, Mirror, PendingEpoch, PlanEpoch, PlanError,
};
pub use revision::{FileKind, PlannedFile, PlannedRevision, SelfTest};
