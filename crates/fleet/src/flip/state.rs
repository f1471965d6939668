//! What flips go by, and what is remembered of them.

use crate::{Condition, Event, Scanner};
use icapstan_api::fleet::{Amount, Artifact, ContentDigest, FleetPlanSpec, PendingEpoch, PlanEpoch, Rollout};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What is remembered of flips besides the plan (`FleetPlan.status`). All of it can be lost: numbers are found again
/// in the plan and in what gateways say, times begin anew.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct FlipState {
    /// Of the newest epoch that was ever announced.
    pub last_number: u64,
    /// When the pending epoch was announced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announced_at: Option<Timestamp>,
    /// The generation of the plan that announced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub announced_in: Option<u64>,
    /// It was told that gateways do not prepare for it.
    #[serde(skip_serializing_if = "is_false")]
    pub unacked: bool,
    /// Settings that gateways could not prepare for, and that gave way to signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub yielded: Option<ContentDigest>,
    /// Revisions that transactions may still ask for which began before the last flips.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub retiring: Vec<Retiring>,
    /// When the active epoch began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activated_at: Option<Timestamp>,
    /// How things are, for people and tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
}

/// A revision that transactions may still ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retiring {
    /// Which.
    pub revision: ContentDigest,
    /// Until then.
    pub until: Timestamp,
}

/// What of a plan is the flip's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlipPart {
    /// What transactions that begin now are judged by.
    pub active: Option<PlanEpoch>,
    /// What takes its place next.
    pub pending: Option<PendingEpoch>,
    /// What the active tags say of the program.
    pub verdict_version: u32,
}

/// All that a flip goes by, besides its state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlipObserved {
    /// Of the plan.
    pub generation: u64,
    /// What the plan says now.
    pub part: FlipPart,
    /// What the fleet is to judge by.
    pub wish: Wish,
    /// Settings that can be named: those that are wished, and those of the plan.
    pub settings: BTreeMap<ContentDigest, SettingsInfo>,
    /// All gateways that there are.
    pub gateways: Vec<Gateway>,
    /// All scanners that there are.
    pub scanners: Vec<Scanner>,
    /// How long things may take.
    pub timing: Timing,
}

/// What the fleet is to judge by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    /// The signatures, if they are to change ([`crate::rollout::Effect::RequestFlip`]).
    pub revision: Option<ContentDigest>,
    /// The settings, changed or not.
    pub settings: Option<ContentDigest>,
    /// The least verdict version of all programs that serve.
    pub verdict_version: u32,
}

/// Settings that gateways can be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsInfo {
    /// Their bytes.
    pub artifact: Artifact,
    /// What of them decides about verdicts, by the paths of services without slashes around them.
    pub bases: BTreeMap<String, [u8; 32]>,
}

/// A gateway, by what its endpoint says and what it says itself (`icapstan.fleet.v1.State` of a gateway).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gateway {
    /// Its name.
    pub name: String,
    /// Its endpoint is ready: clients reach it.
    pub ready: bool,
    /// It has told its state lately. Without it all that follows is nothing, or old, and does not count.
    pub heard: bool,
    /// It knows that it is behind, and serves nobody.
    pub fenced: bool,
    /// Of the plan that it follows.
    pub plan_generation: u64,
    /// Of the epoch that transactions begin with.
    pub active_epoch: u64,
    /// Of the pending epoch, if it is prepared for it.
    pub prepared_epoch: u64,
    /// Why it cannot be prepared.
    pub unprepared: String,
}

/// How long things may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long gateways may take to prepare before that is told.
    pub ack_timeout: Duration,
    /// How long nearly all gateways take from a change of the plan until they have it ([`super::Latencies::p99`]).
    pub ack_p99: Duration,
    /// From the announcement of an instant to it, at least.
    pub least_lead: Duration,
    /// How long a transaction may take.
    pub max_transaction: Duration,
    /// How many scanners have the signatures in use loaded, at least.
    pub min_ready: Amount,
}

/// What a step comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flipped {
    /// To be stored first.
    pub state: FlipState,
    /// What the plan is to say.
    pub part: FlipPart,
    /// What is to be told.
    pub events: Vec<Event>,
    /// Something is due by then, though nothing happens.
    pub requeue: Option<Duration>,
}

// === impl FlipState ===

impl FlipState {
    /// The most revisions that retire at a time. The oldest gives way.
    pub const MAX_RETIRING: usize = 4;

    /// What transactions may still ask for besides what the plan names.
    pub fn retiring(&self) -> Vec<ContentDigest> {
        self.retiring.iter().map(|retiring| retiring.revision).collect()
    }
}

// === impl FlipPart ===

impl FlipPart {
    /// Of a plan.
    pub fn of(plan: &FleetPlanSpec) -> Self {
        Self {
            active: plan.active.clone(),
            pending: plan.pending.clone(),
            verdict_version: plan.verdict_version,
        }
    }
}

// === impl Gateway ===

impl Gateway {
    /// Whether clients may have answers from it.
    pub(crate) const fn counts(&self) -> bool {
        self.ready && !(self.heard && self.fenced)
    }

    pub(crate) const fn is_prepared(&self, number: u64) -> bool {
        self.heard && (self.prepared_epoch == number || self.active_epoch >= number)
    }

    pub(crate) const fn is_at(&self, number: u64) -> bool {
        self.heard && self.active_epoch >= number
    }
}

// === impl Timing ===

impl Timing {
    /// The longest lead: who takes longer has not the plan at all.
    pub const MAX_LEAD: Duration = Duration::from_mins(1);

    /// What rollouts are measured by holds for flips too.
    pub fn of(rollout: &Rollout) -> Self {
        Self { ack_timeout: rollout.ack_timeout, min_ready: rollout.min_ready, ..Self::default() }
    }

    /// From the announcement of an instant to it.
    pub fn lead(&self) -> Duration {
        self.ack_p99.saturating_mul(4).max(self.least_lead).min(Self::MAX_LEAD)
    }
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            ack_timeout: Duration::from_secs(30),
            ack_p99: Duration::from_millis(500),
            least_lead: Duration::from_secs(2),
            max_transaction: Duration::from_mins(5),
            min_ready: Amount::Percent(50),
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}
