//! What is told when something happens.

use crate::{Reason, text};

/// What is told when something happens (`events.k8s.io/v1`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Whether somebody should look.
    pub kind: EventType,
    /// What happened.
    pub reason: Reason,
    /// The same for people.
    pub note: String,
}

/// Whether somebody should look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EventType {
    /// As it should be.
    Normal,
    /// Something is wrong.
    Warning,
}

// === impl Event ===

impl Event {
    pub(crate) fn normal(reason: Reason, note: &str) -> Self {
        Self { kind: EventType::Normal, reason, note: text::bounded(note) }
    }

    pub(crate) fn warning(reason: Reason, note: &str) -> Self {
        Self { kind: EventType::Warning, reason, note: text::bounded(note) }
    }
}
