//! How something is, in the words of Kubernetes.

use crate::{Reason, text};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// One aspect of how something is: `metav1.Condition` without the generation, which who writes it adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which aspect.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it is so.
    pub status: Status,
    /// Why.
    pub reason: Reason,
    /// The same for people.
    #[serde(default)]
    pub message: String,
    /// Since when `status` is what it is.
    pub last_transition_time: Timestamp,
}

/// Aspects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConditionType {
    /// There is something to judge by, and it is what is wanted.
    Ready,
    /// Something is under way.
    Progressing,
    /// Something is wrong; only there while it is.
    Degraded,
    /// All scanners have the bytes of the candidate.
    Staged,
    /// The first scanners do well with the candidate.
    CanaryHealthy,
    /// All scanners judge by the same signatures.
    ActiveEverywhere,
    /// All gateways that are ready name their answers after the same epoch, or will at the same instant.
    ISTagSynced,
}

/// Whether something is so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Status {
    /// It is.
    True,
    /// It is not.
    False,
    /// Nobody knows.
    Unknown,
}

// === impl ConditionType ===

impl ConditionType {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Progressing => "Progressing",
            Self::Degraded => "Degraded",
            Self::Staged => "Staged",
            Self::CanaryHealthy => "CanaryHealthy",
            Self::ActiveEverywhere => "ActiveEverywhere",
            Self::ISTagSynced => "ISTagSynced",
        }
    }
}

// === impl Status ===

impl Status {
    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }

    pub(crate) const fn of(is: bool) -> Self {
        if is { Self::True } else { Self::False }
    }
}

/// What is said of the aspect, or that nothing is said of it.
pub(crate) type Said = Option<(Status, Reason, String)>;

/// Says it; the time moves only when the status does, so that equal input gives an equal list.
pub(crate) fn set(conditions: &mut Vec<Condition>, kind: ConditionType, said: Said, now: Timestamp) {
    let place = conditions.iter().position(|condition| condition.kind == kind);
    match (said, place) {
        (None, None) => {}
        (None, Some(place)) => drop(conditions.remove(place)),
        (Some((status, reason, message)), Some(place)) => {
            let condition = &mut conditions[place];
            if condition.status != status {
                condition.last_transition_time = now;
            }
            condition.status = status;
            condition.reason = reason;
            condition.message = text::bounded(&message);
        }
        (Some((status, reason, message)), None) => {
            let message = text::bounded(&message);
            conditions.push(Condition { kind, status, reason, message, last_transition_time: now });
            conditions.sort_by_key(|condition| condition.kind);
        }
    }
}
