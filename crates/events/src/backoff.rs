//! How long to wait before another try.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Before the second try.
const FIRST: Duration = Duration::from_millis(200);

/// Before any try.
const LONGEST: Duration = Duration::from_secs(30);

/// Twice as long each time, up to a limit, of which a part is left to chance: not all that lost the same
/// server shall come back to it at the same time.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
}

// === impl Backoff ===

impl Backoff {
    pub(crate) const fn new() -> Self {
        Self { next: FIRST }
    }

    /// How long to wait: between half of the present time and all of it.
    pub(crate) fn next(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(LONGEST);
        // Each state has keys of its own, which began as random ones.
        let chance = RandomState::new().hash_one(0u8) % 1024;
        let part = u32::try_from(chance).expect("less than 1024");
        whole / 2 + whole / 2 * part / 1024
    }

    /// Begins anew.
    pub(crate) const fn reset(&mut self) {
        self.next = FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn waits_double_up_to_a_limit_and_begin_anew() {
        let mut backoff = Backoff::new();
        let mut whole = FIRST;
        for _ in 0..12 {
            let wait = backoff.next();
            assert!(wait >= whole / 2 && wait <= whole, "{wait:?} of {whole:?}");
            whole = (whole * 2).min(LONGEST);
        }
        assert_eq!(whole, LONGEST);
        backoff.reset();
        assert!(backoff.next() <= FIRST);
    }

    #[test]
    fn waits_differ() {
        let waits: HashSet<_> = (0..32).map(|_| Backoff::new().next()).collect();
        assert!(waits.len() > 8, "{waits:?}");
    }
}
