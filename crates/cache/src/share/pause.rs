//! How long to wait before the next try.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The first pause.
const LEAST: Duration = Duration::from_millis(100);
/// No pause is longer: what was cut meanwhile is to be shared soon after Redis is back.
const MOST: Duration = Duration::from_secs(1);
/// Whoever held out for so long has earned a short pause.
const LONG: Duration = Duration::from_secs(10);

/// Grows with each failure. No two processes wait for the same time.
#[derive(Debug, Default)]
pub(crate) struct Pause {
    failures: u32,
    chance: RandomState,
}

// === impl Pause ===

impl Pause {
    /// After a session that lasted for so long.
    pub(crate) async fn after(&mut self, lasted: Duration) {
        tokio::time::sleep(self.next(lasted)).await;
    }

    fn next(&mut self, lasted: Duration) -> Duration {
        self.failures = if lasted >= LONG { 1 } else { self.failures.saturating_add(1) };
        let whole = LEAST.saturating_mul(1 << self.failures.min(8)).min(MOST);
        let part = u32::try_from(self.chance.hash_one(self.failures) % 512).unwrap_or(0);
        // Between a half and all of it.
        whole / 2 + whole / 1024 * part
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_second_and_begin_anew() {
        let mut pause = Pause::default();
        let pauses: Vec<_> = (0..50).map(|_| pause.next(Duration::ZERO)).collect();
        assert!(pauses[0] <= LEAST * 2 && pauses.iter().all(|pause| (LEAST..=MOST).contains(pause)));
        assert!(pauses[10..].iter().all(|pause| *pause >= MOST / 2));
        assert!(pause.next(LONG) <= LEAST * 2);
    }
}
