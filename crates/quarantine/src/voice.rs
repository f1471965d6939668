//! What the log hears of failures: the first, then one in a minute, and that they are over.

use std::time::{Duration, Instant};
use tracing::{info, warn};

const INTERVAL: Duration = Duration::from_mins(1);

/// One voice for all failures to write.
#[derive(Debug, Default)]
pub(crate) struct Voice {
    said: Option<Instant>,
    unsaid: u64,
    is_failing: bool,
}

// === impl Voice ===

impl Voice {
    pub(crate) fn failed(&mut self, cause: &'static str, error: &str) {
        self.is_failing = true;
        if self.said.is_some_and(|said| said.elapsed() < INTERVAL) {
            self.unsaid += 1;
            return;
        }
        self.said = Some(Instant::now());
        let unsaid = std::mem::take(&mut self.unsaid);
        warn!(cause, error, unsaid, "An infected object cannot be put into the quarantine.");
    }

    pub(crate) fn succeeded(&mut self) {
        if std::mem::take(&mut self.is_failing) {
            self.said = None;
            let unsaid = std::mem::take(&mut self.unsaid);
            info!(unsaid, "Infected objects are put into the quarantine again.");
        }
    }
}
