//! Waiting for a condition that nothing announces.

use std::time::{Duration, Instant};

/// How long a test waits before it calls a condition failed: long, since a busy machine with two
/// cores is no fault of the product.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How often a condition is looked at that nothing announces.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Looks until `condition` yields something, and panics with `what` when it has not within [`PATIENCE`].
#[track_caller]
pub fn eventually<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(LOOK_EVERY);
    }
}
