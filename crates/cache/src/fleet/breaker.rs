//! Whether it is worth while to ask.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// What a late answer counts, beside the one of an answer in time.
const LATE: u32 = 2;
/// Eight late ones in a row; or, for long enough, more than one in three.
const MOST: u32 = 8 * LATE;

/// Closed while there is a connection and answers come in time.
#[derive(Debug, Default)]
pub(super) struct Breaker {
    is_up: AtomicBool,
    is_slow: AtomicBool,
    score: AtomicU32,
}

// === impl Breaker ===

impl Breaker {
    /// Whether to ask.
    pub(super) fn is_closed(&self) -> bool {
        self.is_up.load(Ordering::Relaxed) && !self.is_slow()
    }

    /// Whether answers come too late, if they come.
    pub(super) fn is_slow(&self) -> bool {
        self.is_slow.load(Ordering::Relaxed)
    }

    /// An answer came in time.
    pub(super) fn in_time(&self) {
        // Most often there is nothing to write.
        if self.score.load(Ordering::Relaxed) > 0 {
            let _ = self
                .score
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |score| Some(score.saturating_sub(1)));
        }
    }

    /// No answer came in time. True if this was one too many.
    pub(super) fn late(&self) -> bool {
        let score = self.score.fetch_add(LATE, Ordering::Relaxed).saturating_add(LATE);
        score >= MOST && !self.is_slow.swap(true, Ordering::Relaxed)
    }

    /// Somebody whom nobody waits for had an answer in time.
    pub(super) fn has_recovered(&self) {
        self.score.store(0, Ordering::Relaxed);
        self.is_slow.store(false, Ordering::Relaxed);
    }

    /// There is a connection, or none.
    pub(super) fn set_up(&self, is_up: bool) {
        self.is_up.store(is_up, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_opens_when_too_many_are_late_and_closes_when_a_probe_is_in_time() {
        let breaker = Breaker::default();
        assert!(!breaker.is_closed(), "without a connection");
        breaker.set_up(true);
        assert!(breaker.is_closed());
        let opened: Vec<bool> = (0..10).map(|_| breaker.late()).collect();
        assert_eq!(opened.iter().position(|opened| *opened), Some(7));
        assert_eq!(opened.iter().filter(|opened| **opened).count(), 1);
        assert!(!breaker.is_closed() && breaker.is_slow());
        breaker.in_time();
        assert!(!breaker.is_closed(), "a late answer that was in time after all");
        breaker.has_recovered();
        assert!(breaker.is_closed());
        // One in four late is worth the others.
        for _ in 0..100 {
            assert!(!breaker.late());
            (0..3).for_each(|_| breaker.in_time());
        }
        assert!(breaker.is_closed());
        assert!((0..100).any(|_| {
            breaker.in_time();
            breaker.late()
        }));
    }
}
