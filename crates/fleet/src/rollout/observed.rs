//! What a rollout goes by.

use super::record::Record;
use crate::Scanner;
use icapstan_api::fleet::{Amount, ContentDigest, FleetPlanSpec, Holdings, Mirror, PlannedRevision, Rollout};
use std::collections::BTreeMap;
use std::time::Duration;

/// All that a rollout goes by, besides its state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// What is wanted.
    pub spec: Spec,
    /// What sources give.
    pub offer: Offer,
    /// What else there is to roll out, go back to, or pin: the bytes of these can be given.
    pub known: BTreeMap<ContentDigest, PlannedRevision>,
    /// All scanners that there are. The first [`Observed::MAX_SCANNERS`] by name count.
    pub scanners: Vec<Scanner>,
    /// How the fleet does; absent if nobody knows.
    pub health: Option<Health>,
    /// What people asked for.
    pub verbs: Verbs,
    /// What the plan says now.
    pub plan: PlanView,
    /// What was recorded of revisions.
    pub records: BTreeMap<ContentDigest, Record>,
}

/// What is wanted of rollouts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Stages, and what they are measured by.
    pub rollout: Rollout,
    /// The revision to have instead of the newest one.
    pub pin: Option<ContentDigest>,
    /// Nothing is to change.
    pub suspend: bool,
    /// What is under way cannot wait: no soak, no waves, no bake time.
    pub emergency: bool,
    /// From the beginning of a rollout to that of the next one.
    pub min_refresh_interval: Duration,
    /// How many revisions that are not in use are remembered.
    pub history_limit: u32,
    /// What may become worse after an activation.
    pub bake: BakeLimits,
}

/// What may become worse after an activation, before it is taken back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BakeLimits {
    /// With fewer objects in the window nothing follows.
    pub min_objects: u64,
    /// Blocked objects, in percent of the share before, 400 being four times as many; and at least so many points more.
    pub blocked: (u32, Amount),
    /// Scans that failed, in the same way.
    pub errors: (u32, Amount),
    /// So many reports of false positives more than before.
    pub false_positives: u64,
}

/// What sources give.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Offer {
    /// There is no source at all: the built-in test signatures are what is left.
    #[default]
    NoSources,
    /// These have to give something, and have not yet.
    Missing(Vec<String>),
    /// The newest that was verified.
    Revision(PlannedRevision),
}

/// How the fleet did in the last few minutes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Health {
    /// How long the window was, in seconds.
    pub window_secs: u32,
    /// Objects that were judged.
    pub objects: u64,
    /// Those of them that were blocked.
    pub blocked: u64,
    /// Those of them that could not be scanned.
    pub errors: u64,
    /// Reports of false positives.
    pub false_positives: u64,
}

/// What people asked for by annotations: each value counts once, whatever it is.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Verbs {
    /// It may go on: behind the canary, over the waits between waves, out of the bake.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promote: Option<String>,
    /// It is not to become active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abort: Option<String>,
    /// It is to be tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<String>,
    /// What is active is to be what was active before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<String>,
}

/// What the plan says now, as far as rollouts go by it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PlanView {
    /// Its generation; 0 if there is none.
    pub generation: u64,
    /// What transactions are judged by.
    pub active: Option<ContentDigest>,
    /// What they will be judged by next, and whether it has its instant: then nothing stops it.
    pub pending: Option<(ContentDigest, bool)>,
    /// What transactions may still be judged by that began before the last flip.
    pub retiring: Vec<ContentDigest>,
    /// What is the rollout's own in it.
    pub part: RolloutPart,
}

/// What of a plan is the rollout's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolloutPart {
    /// What scanners have on disk.
    pub revisions: Vec<PlannedRevision>,
    /// What they have loaded.
    pub hold: Holdings,
    /// What is scanned with a second time.
    pub mirror: Option<Mirror>,
}

// === impl Observed ===

impl Observed {
    /// The most scanners that count.
    pub const MAX_SCANNERS: usize = 2000;
}

// === impl Spec ===

impl Default for Spec {
    fn default() -> Self {
        Self {
            rollout: Rollout::default(),
            pin: None,
            suspend: false,
            emergency: false,
            min_refresh_interval: Duration::ZERO,
            history_limit: 3,
            bake: BakeLimits::default(),
        }
    }
}

impl Spec {
    /// Whether what is under way cannot wait.
    pub fn is_emergency(&self) -> bool {
        self.emergency || self.rollout.emergency
    }
}

// === impl BakeLimits ===

impl Default for BakeLimits {
    fn default() -> Self {
        Self {
            min_objects: 200,
            blocked: (400, Amount::Percent(2)),
            errors: (300, Amount::Percent(2)),
            false_positives: 5,
        }
    }
}

// === impl PlanView ===

impl PlanView {
    /// Of a plan, and what may still be asked for besides what it names.
    pub fn of(plan: &FleetPlanSpec, retiring: Vec<ContentDigest>) -> Self {
        let pending = plan.pending.as_ref();
        Self {
            generation: plan.generation,
            active: plan.active.as_ref().map(|epoch| epoch.revision),
            pending: pending.map(|pending| (pending.epoch.revision, pending.activate_at.is_some())),
            retiring,
            part: RolloutPart {
                revisions: plan.revisions.clone(),
                hold: plan.hold.clone(),
                mirror: plan.mirror.clone(),
            },
        }
    }
}
