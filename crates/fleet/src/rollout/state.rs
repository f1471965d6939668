//! What is remembered of rollouts.

use super::observed::{Health, Verbs};
use super::record::Record;
use crate::{Condition, Reason};
use icapstan_api::fleet::ContentDigest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far a rollout is, and what became of those before (`SignatureSet.status`). Bounded in all parts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct State {
    /// How far.
    pub phase: Phase,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// What the fleet judges by, or goes back to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<ContentDigest>,
    /// What is to take its place, or has to give it back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<ContentDigest>,
    /// What was there before the current one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<ContentDigest>,
    /// What the fleet is to judge by as soon as gateways are prepared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flip: Option<ContentDigest>,
    /// Scanners have one revision loaded at a time.
    #[serde(skip_serializing_if = "is_false")]
    pub drain: bool,
    /// Scanners that are to load what comes, by name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub assigned: BTreeMap<String, Assigned>,
    /// How many waves are over.
    #[serde(skip_serializing_if = "is_zero")]
    pub waves_done: u32,
    /// When the last one was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wave_done_at: Option<Timestamp>,
    /// How many scanners ended while they loaded the candidate.
    #[serde(skip_serializing_if = "is_zero")]
    pub crashes: u32,
    /// No further scanner loads it before then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold_until: Option<Timestamp>,
    /// How far scanners were in this phase, when something moved last; and when that was.
    #[serde(skip_serializing_if = "is_zero")]
    pub progress: u32,
    /// See `progress`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moved_at: Option<Timestamp>,
    /// There was no scanner: times do not count.
    #[serde(skip_serializing_if = "is_false")]
    pub starved: bool,
    /// Since what generation of the plan scanners are believed.
    #[serde(skip_serializing_if = "is_zero_u64")]
    pub believed_from: u64,
    /// How many candidates in a row gave way to newer ones.
    #[serde(skip_serializing_if = "is_zero")]
    pub superseded: u32,
    /// When the last rollout began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun_at: Option<Timestamp>,
    /// How the fleet did before the activation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub baseline: Option<Health>,
    /// What went wrong, while it matters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trouble: Option<Trouble>,
    /// Since when nothing is to change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_at: Option<Timestamp>,
    /// What came to nothing, and is not to be tried again yet. The newest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<Failed>,
    /// Stories of revisions, the newest first: that of the candidate, the current one, and those before.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Record>,
    /// What of the things that people asked for was done.
    pub handled: Verbs,
    /// How things are, for people and tools.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// How many scanners are how far.
    pub scanners: Counts,
}

/// How far a rollout is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Phase {
    /// There is nothing to do.
    #[default]
    Idle,
    /// Scanners fetch bytes.
    Staging,
    /// The first scanners load it.
    CanaryLoading,
    /// The first scanners scan with it, beside what is in use.
    CanarySoak,
    /// Somebody has to say that it may go on.
    AwaitingApproval,
    /// More and more scanners load it.
    Rolling,
    /// Gateways prepare for it.
    Activating,
    /// It is active, and watched.
    Baking,
    /// Scanners go back.
    RollingBack,
    /// It is as it was before.
    RolledBack,
    /// It failed, and somebody has to say what follows.
    Paused,
}

/// A scanner that is to load what comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assigned {
    /// Which of its starts it was when it was seen last. A text, since numbers in Kubernetes have 63 bits.
    #[serde(with = "as_text")]
    pub incarnation: u64,
    /// It had it loaded then.
    #[serde(default, skip_serializing_if = "is_false")]
    pub served: bool,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// In what phase.
    pub phase: Phase,
    /// What.
    pub reason: Reason,
    /// The same for people.
    #[serde(default)]
    pub message: String,
}

/// A revision that came to nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failed {
    /// Which.
    pub digest: ContentDigest,
    /// Why.
    pub reason: Reason,
    /// How often.
    pub times: u32,
    /// When it may be tried again; without it only when somebody says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// How many scanners are how far with the candidate, or else with the current revision.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Counts {
    /// That should be.
    pub desired: u32,
    /// That have the bytes.
    pub staged: u32,
    /// That have it loaded.
    pub loaded: u32,
    /// That are ready, whatever they have.
    pub ready: u32,
}

// === impl Phase ===

impl Phase {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Idle,
        Self::Staging,
        Self::CanaryLoading,
        Self::CanarySoak,
        Self::AwaitingApproval,
        Self::Rolling,
        Self::Activating,
        Self::Baking,
        Self::RollingBack,
        Self::RolledBack,
        Self::Paused,
    ];

    /// Nothing is under way.
    pub const fn is_resting(self) -> bool {
        matches!(self, Self::Idle | Self::RolledBack)
    }

    /// The candidate is on its way, and not active.
    pub const fn is_before_active(self) -> bool {
        matches!(
            self,
            Self::Staging
                | Self::CanaryLoading
                | Self::CanarySoak
                | Self::AwaitingApproval
                | Self::Rolling
                | Self::Activating
        )
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Staging => "Staging",
            Self::CanaryLoading => "CanaryLoading",
            Self::CanarySoak => "CanarySoak",
            Self::AwaitingApproval => "AwaitingApproval",
            Self::Rolling => "Rolling",
            Self::Activating => "Activating",
            Self::Baking => "Baking",
            Self::RollingBack => "RollingBack",
            Self::RolledBack => "RolledBack",
            Self::Paused => "Paused",
        }
    }
}

// === impl State ===

impl State {
    /// The most that came to nothing and are remembered.
    pub const MAX_FAILED: usize = 16;

    /// The most revisions that are remembered, whatever is wished.
    pub const MAX_HISTORY: usize = 32;

    /// The phase for people: that nothing is to change hides all others.
    pub fn shown(&self) -> &'static str {
        if self.suspended_at.is_some() { "Suspended" } else { self.phase.as_str() }
    }

    /// The phase that it is in, or stopped in.
    pub(crate) fn stage(&self) -> Phase {
        match &self.trouble {
            Some(trouble) if self.phase == Phase::Paused => trouble.phase,
            _ => self.phase,
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_false(value: &bool) -> bool {
    !value
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(value: &u32) -> bool {
    *value == 0
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero_u64(value: &u64) -> bool {
    *value == 0
}

/// Numbers of 64 bits.
mod as_text {
    use serde::{Deserialize, Deserializer, Serializer, de};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    pub(super) fn serialize<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}
