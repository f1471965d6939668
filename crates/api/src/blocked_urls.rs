//! URLs whose download was cut (`blockedUrls`).

use crate::ByteSize;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How URLs are remembered whose download turned out to be blocked when part of it was out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct BlockedUrls {
    /// Whether they are remembered.
    pub enabled: bool,
    /// What all of them may take of this process's memory; beyond it the oldest go.
    pub max_size: ByteSize,
    /// How long each counts, from its detection on.
    #[serde(with = "crate::duration")]
    pub ttl: Duration,
}

// === impl BlockedUrls ===

impl Default for BlockedUrls {
    fn default() -> Self {
        Self { enabled: true, max_size: ByteSize::kib(5000), ttl: Duration::from_mins(30) }
    }
}
