//! Where a process has its fleet's plan from, and what it keeps of it.
//!
//! ```text
//!  PlanSource: a file, or an object of Kubernetes
//!     │ Heard
//!     ▼
//!  Follower ── check, never back ──▶ PlanWatch: who scans, who answers
//!     │  ▲ at start, if the source says nothing for a while
//!     ▼  │
//!  state folder: plan.json
//!
//!  PlanWatch ─▶ Stager: the bytes of revisions, by digest ─▶ state folder: revisions/
//! ```
//!
//! Refuses to do: what a plan asks for; loading; plans that contradict themselves.
//!
//! Invariants
//! 1. The generation of what [`Follower::plans`] gives never falls, also not over a restart with the same state
//!    folder, and equal generations are equal plans.
//! 2. What is given was checked. A plan that cannot be followed leaves the one before in place.
//! 3. A source that is silent, broken or gone takes nothing away. How long it has been so is told.
//! 4. A plan is on the disk, wholly, or the one before is.
//! 5. Plans are bounded in size, and every wait has an end.

mod disk;
mod file;
mod follower;
mod kubernetes;
mod metrics;
mod plan;
mod source;
mod staging;

pub use disk::{DiskError, StateFolder};
pub use file::FileSource;
pub use follower::{FollowOptions, Follower};
pub use kubernetes::{ConnectError, KubernetesSource, PlanName};
pub use metrics::{FollowFailure, FollowMetrics, FollowStage};
pub use plan::{Origin, Plan, PlanWatch, ReadError, read_plan};
pub use source::{Heard, Hearing, PlanSource, SourceError};
pub use staging::{Progress, StageFailure, Staged, Stager, Staging};
