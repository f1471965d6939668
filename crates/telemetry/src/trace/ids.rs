//! Random ids.

use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};

/// Numbers that nobody outside can foretell: a count behind a keyed hash.
pub(super) struct Ids {
    key: RandomState,
    count: AtomicU64,
}

// === impl Ids ===

impl Ids {
    pub(super) fn new() -> Self {
        Self { key: RandomState::new(), count: AtomicU64::new(0) }
    }

    pub(super) fn next(&self) -> u64 {
        self.key.hash_one(self.count.fetch_add(1, Ordering::Relaxed))
    }

    /// The id of a trace that begins here. Its last bytes are `random`, by which it was chosen, so that others who
    /// choose by them (W3C Trace Context level 2) choose alike.
    pub(super) fn trace(&self, random: u64) -> [u8; 16] {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&self.next().to_be_bytes());
        id[8..].copy_from_slice(&random.to_be_bytes());
        // Zero is none.
        if id == [0; 16] { [1; 16] } else { id }
    }

    pub(super) fn span(&self) -> [u8; 8] {
        self.next().max(1).to_be_bytes()
    }
}
