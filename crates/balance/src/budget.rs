//! How many jobs may be sent a second time.
//!
//! Without a bound a fleet that refuses gets more to refuse: each job comes several times, and what it
//! could do is spent on saying no. So retries are a share of the jobs.

use crate::member::micros;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// One retry, as the budget counts.
const ONE: u64 = 1_000_000;

/// What a budget goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetrySettings {
    /// So many retries for each hundred jobs.
    pub percent: u32,
    /// And so many each second, whatever the number of jobs is.
    pub each_second: u32,
    /// No more than this many are saved up.
    pub most_saved: u32,
    /// No job is sent more often than this, the first time counted.
    pub most_tries: u32,
}

/// Why a job would be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// The connection was lost. The first time that costs no budget: it happens to so many jobs only as
    /// there are with one endpoint, and none of them was at fault.
    Lost,
    /// The scanner had no room.
    Refused,
    /// No answer came in time.
    Late,
}

/// A token bucket that all jobs of a process fill, and retries empty. No lock.
#[derive(Debug)]
pub struct RetryBudget {
    settings: RetrySettings,
    origin: Instant,
    /// In millionths of a retry.
    saved: AtomicU64,
    /// Till when the share of each second was put in, in microseconds.
    filled: AtomicU64,
}

// === impl RetrySettings ===

impl Default for RetrySettings {
    fn default() -> Self {
        Self { percent: 10, each_second: 3, most_saved: 100, most_tries: 3 }
    }
}

// === impl RetryBudget ===

impl RetryBudget {
    /// It begins with what three seconds give.
    pub fn new(settings: RetrySettings, now: Instant) -> Self {
        let saved = u64::from(settings.each_second.saturating_mul(3).min(settings.most_saved)) * ONE;
        Self { settings, origin: now, saved: AtomicU64::new(saved), filled: AtomicU64::new(0) }
    }

    /// A job was sent for the first time.
    pub fn sent(&self) {
        self.put(u64::from(self.settings.percent) * (ONE / 100));
    }

    /// Whether a job that was sent `tries` times may be sent once more. If so, it is taken from the budget.
    pub fn take(&self, why: Retry, tries: u32, now: Instant) -> bool {
        if tries >= self.settings.most_tries {
            return false;
        }
        if why == Retry::Lost && tries <= 1 {
            return true;
        }
        self.fill(now);
        self.saved.try_update(Relaxed, Relaxed, |saved| saved.checked_sub(ONE)).is_ok()
    }

    /// How many retries there are now, whole ones.
    pub fn left(&self, now: Instant) -> u64 {
        self.fill(now);
        self.saved.load(Relaxed) / ONE
    }

    fn fill(&self, now: Instant) {
        let now = micros(now.saturating_duration_since(self.origin));
        let before = self.filled.fetch_max(now, Relaxed);
        let since = now.saturating_sub(before).min(micros(Duration::from_hours(1)));
        self.put(since * u64::from(self.settings.each_second));
    }

    fn put(&self, amount: u64) {
        let most = u64::from(self.settings.most_saved) * ONE;
        if amount > 0 && self.saved.load(Relaxed) < most {
            // Threads that put at once may go beyond by one share each; `take` brings it down again.
            self.saved.fetch_add(amount.min(most), Relaxed);
            self.saved.fetch_min(most, Relaxed);
        }
    }
}
