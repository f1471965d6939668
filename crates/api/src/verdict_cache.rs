//! What was found in objects that came before (`verdictCache`).

use crate::ByteSize;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How verdicts are remembered, so that an equal object need not be scanned again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct VerdictCache {
    /// Whether they are remembered, and scans under way shared.
    pub enabled: bool,
    /// What all of them may take of this process's memory; beyond it those go that are asked for least.
    pub max_size: ByteSize,
    /// Larger objects are scanned each time they come.
    pub max_object_size: ByteSize,
    /// How long each counts, from its scan on.
    #[serde(with = "crate::duration")]
    pub ttl: Duration,
    /// Whether they are shared with other processes, through `redis`.
    pub shared: bool,
    /// How long an object waits for an answer of Redis before it is scanned.
    #[serde(with = "crate::duration")]
    pub lookup_timeout: Duration,
}

// === impl VerdictCache ===

impl Default for VerdictCache {
    fn default() -> Self {
        Self {
            enabled: true,
            max_size: ByteSize::mib(64),
            max_object_size: ByteSize::mib(16),
            ttl: Duration::from_hours(1),
            shared: false,
            lookup_timeout: Duration::from_millis(5),
        }
    }
}
