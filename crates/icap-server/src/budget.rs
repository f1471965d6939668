//! How many bytes all connections together may hold.

use prometheus::IntGauge;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A bound on bytes, shared by all connections and their transactions.
#[derive(Debug)]
pub struct Budget {
    limit: u64,
    taken: AtomicU64,
    gauge: IntGauge,
}

/// A part of a budget; given back when dropped.
#[derive(Debug)]
pub struct Share {
    budget: Arc<Budget>,
    bytes: u64,
}

// === impl Budget ===

impl Budget {
    /// At most `limit` bytes; `gauge` shows how many are taken.
    pub fn new(limit: u64, gauge: IntGauge) -> Arc<Self> {
        Arc::new(Self { limit, taken: AtomicU64::new(0), gauge })
    }

    /// One without a gauge of its own in any registry.
    pub fn unwatched(limit: u64) -> Arc<Self> {
        Self::new(limit, IntGauge::new("bytes", "Bytes.").expect("a valid name"))
    }

    /// Bytes that may be taken.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Bytes that are taken now.
    pub fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64, limit: u64) -> bool {
        let grow = |taken: u64| taken.checked_add(bytes).filter(|&sum| sum <= limit);
        let fits = self.taken.fetch_update(Ordering::AcqRel, Ordering::Relaxed, grow).is_ok();
        if fits {
            self.gauge.add(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
        fits
    }
}

// === impl Share ===

impl Share {
    /// A share of nothing.
    pub fn new(budget: &Arc<Budget>) -> Self {
        Self { budget: Arc::clone(budget), bytes: 0 }
    }

    /// Grows to at least `bytes`; `false`: the budget is spent.
    #[must_use]
    pub fn grow_to(&mut self, bytes: u64) -> bool {
        self.grow_within(bytes, self.budget.limit)
    }

    /// The same for what is only convenient: `false` also if less than half of the budget would be left
    /// for what is needed.
    #[must_use]
    pub fn grow_for_comfort(&mut self, bytes: u64) -> bool {
        self.grow_within(bytes, self.budget.limit / 2)
    }

    fn grow_within(&mut self, bytes: u64, limit: u64) -> bool {
        if bytes <= self.bytes {
            return true;
        }
        let fits = self.budget.take(bytes - self.bytes, limit);
        if fits {
            self.bytes = bytes;
        }
        fits
    }

    /// Grows or shrinks to `bytes`; `false`: the budget is spent, and nothing has changed.
    #[must_use]
    pub fn resize(&mut self, bytes: u64) -> bool {
        if bytes >= self.bytes {
            return self.grow_to(bytes);
        }
        self.give(self.bytes - bytes);
        true
    }

    /// Gives everything back.
    pub fn release(&mut self) {
        if self.bytes > 0 {
            self.give(self.bytes);
        }
    }

    fn give(&mut self, bytes: u64) {
        self.budget.taken.fetch_sub(bytes, Ordering::AcqRel);
        self.budget.gauge.sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        self.bytes -= bytes;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_budget_is_never_overdrawn_and_comes_back_whole() {
        let budget = Budget::unwatched(100);
        let mut one = Share::new(&budget);
        let mut two = Share::new(&budget);
        assert!(one.grow_to(60) && one.grow_to(10) && two.grow_to(40));
        assert!(!one.grow_to(61) && !two.grow_to(u64::MAX));
        assert_eq!(budget.taken(), 100);
        drop(one);
        assert_eq!(budget.taken(), 40);
        assert!(two.resize(100) && !two.resize(101) && two.resize(30));
        assert_eq!(budget.taken(), 30);
        two.release();
        assert_eq!(budget.taken(), 0);
        assert!(two.grow_for_comfort(50) && !two.grow_for_comfort(51) && two.grow_to(51));
    }
}
