//! Which transactions are told.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A share of random numbers.
pub(super) struct Ratio {
    /// Of 2^56: so many random bits a trace id has for certain (W3C Trace Context level 2).
    from: u64,
}

/// So many a second, and as many at once.
pub(super) struct Rate {
    /// How long one takes. `None`: none are taken.
    each: Option<Duration>,
    begin: Instant,
    /// Nanoseconds after `begin` at which all that were taken are paid for.
    paid: AtomicU64,
}

const RANDOM_BITS: u32 = 56;

// === impl Ratio ===

impl Ratio {
    pub(super) fn new(ratio: f64) -> Self {
        let all = 1u64 << RANDOM_BITS;
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a share of a power of two, within 0 and that"
        )]
        let taken = (ratio.clamp(0.0, 1.0) * all as f64) as u64;
        Self { from: all - taken.min(all) }
    }

    /// Large ones are taken, as others do who choose by the same bits.
    pub(super) fn takes(&self, random: u64) -> bool {
        random & ((1 << RANDOM_BITS) - 1) >= self.from
    }
}

// === impl Rate ===

impl Rate {
    pub(super) fn new(per_second: u32, now: Instant) -> Self {
        let each = (per_second > 0).then(|| Duration::from_secs(1) / per_second);
        Self { each, begin: now, paid: AtomicU64::new(0) }
    }

    pub(super) fn takes(&self, now: Instant) -> bool {
        let Some(each) = self.each else { return false };
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (now, each, second) =
            (nanos(now.saturating_duration_since(self.begin)), nanos(each), nanos(Duration::from_secs(1)));
        let next = |paid: u64| {
            let then = paid.max(now).saturating_add(each);
            (then <= now.saturating_add(second)).then_some(then)
        };
        self.paid.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_that_share_and_its_ends_are_none_and_all() {
        let ids = super::super::Ids::new();
        for (ratio, least, most) in
            [(0.0, 0, 0), (0.01, 700, 1300), (0.5, 49_000, 51_000), (1.0, 100_000, 100_000)]
        {
            let share = Ratio::new(ratio);
            let taken = (0..100_000).filter(|_| share.takes(ids.next())).count();
            assert!((least..=most).contains(&taken), "{ratio}: {taken}");
        }
        assert!(Ratio::new(1.0).takes(0) && !Ratio::new(0.0).takes(u64::MAX));
        assert!(!Ratio::new(f64::NAN).takes(0));
    }

    #[test]
    fn no_more_are_taken_than_a_second_allows() {
        let begin = Instant::now();
        let rate = Rate::new(10, begin);
        assert_eq!((0..1000).filter(|_| rate.takes(begin)).count(), 10);
        let later = begin + Duration::from_millis(500);
        assert_eq!((0..1000).filter(|_| rate.takes(later)).count(), 5);
        let much_later = begin + Duration::from_hours(1);
        assert_eq!((0..1000).filter(|_| rate.takes(much_later)).count(), 10);
        assert!(!Rate::new(0, begin).takes(much_later));
    }
}
