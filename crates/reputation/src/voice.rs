//! What the log says of a service, at a bounded rate.

use crate::AskError;
use parking_lot::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// No more often than this.
const PAUSE: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
pub(crate) struct Voice {
    /// The log says that something is wrong.
    is_told: AtomicBool,
    failures: Mutex<Failures>,
}

#[derive(Debug, Default)]
struct Failures {
    told: Option<Instant>,
    untold: u64,
}

// === impl Voice ===

impl Voice {
    pub(crate) fn failed(&self, error: &AskError) {
        let mut failures = self.failures.lock();
        failures.untold += 1;
        if failures.told.is_some_and(|told| told.elapsed() < PAUSE) {
            return;
        }
        failures.told = Some(Instant::now());
        let count = std::mem::take(&mut failures.untold);
        drop(failures);
        self.is_told.store(true, Ordering::Relaxed);
        warn!(cause = error.as_str(), %error, count, "The reputation service does not answer.");
    }

    pub(crate) fn succeeded(&self) {
        if self.is_told.load(Ordering::Relaxed) && self.is_told.swap(false, Ordering::Relaxed) {
            info!("The reputation service answers.");
        }
    }
}
