//! Lines about what peers do wrong, not more often than somebody can read them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// When something was said last, and what was left unsaid since then.
#[derive(Debug)]
pub(crate) struct Rarely {
    start: Instant,
    /// Milliseconds after `start` from which on it may be said again.
    next: AtomicU64,
    unsaid: AtomicU64,
}

/// Between two lines of one kind.
const INTERVAL: Duration = Duration::from_secs(1);

// === impl Rarely ===

impl Rarely {
    /// Whether to say it now, and how often it was left unsaid.
    pub(crate) fn say(&self) -> Option<u64> {
        let now = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = self.next.load(Ordering::Relaxed);
        let later = now.saturating_add(INTERVAL.as_secs() * 1000);
        let is_due = now >= next
            && self.next.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if !is_due {
            self.unsaid.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        Some(self.unsaid.swap(0, Ordering::Relaxed))
    }
}

impl Default for Rarely {
    fn default() -> Self {
        Self { start: Instant::now(), next: AtomicU64::new(0), unsaid: AtomicU64::new(0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_said_once_a_second_with_the_number_of_times_that_it_was_not() {
        let rarely = Rarely::default();
        assert_eq!(rarely.say(), Some(0));
        assert_eq!((rarely.say(), rarely.say()), (None, None));
        tokio::time::advance(INTERVAL).await;
        assert_eq!(rarely.say(), Some(2));
        tokio::time::advance(INTERVAL / 2).await;
        assert_eq!(rarely.say(), None);
    }
}
