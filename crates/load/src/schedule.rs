//! When requests are meant to be sent at a fixed rate, whatever the server does.

use crate::Moment;
use std::time::Duration;

/// The intended times of an open loop.
///
/// Latency counts from these times and not from when a connection was free: a server that stands
/// still for a second makes every request late that should have been sent in that second.
#[derive(Clone, Debug)]
pub(crate) struct Schedule {
    start: Moment,
    period_nanos: f64,
    taken: u64,
}

// === impl Schedule ===

impl Schedule {
    /// `rate` requests a second, the first at `start`.
    pub(crate) fn new(start: Moment, rate: f64) -> Self {
        Self { start, period_nanos: 1e9 / rate, taken: 0 }
    }

    /// When the next request is meant to be sent.
    pub(crate) fn next(&self) -> Moment {
        self.intended(self.taken)
    }

    /// The intended time of the next request, if that has come.
    pub(crate) fn take(&mut self, now: Moment) -> Option<Moment> {
        let next = self.next();
        (next <= now).then(|| {
            self.taken += 1;
            next
        })
    }

    /// Counted from the start each time, so that nothing adds up.
    #[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 requests")]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a positive time in nanoseconds"
    )]
    fn intended(&self, number: u64) -> Moment {
        self.start + Duration::from_nanos((number as f64 * self.period_nanos) as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_rate_has_its_requests_in_each_second() {
        let start = Moment::from_nanos(5_000_000_000);
        let mut schedule = Schedule::new(start, 3.0);
        let mut counts = [0; 4];
        while let Some(intended) = schedule.take(start + Duration::from_nanos(3_999_999_999)) {
            counts[usize::try_from((intended - start).as_secs()).unwrap()] += 1;
        }
        assert_eq!(counts, [3, 3, 3, 3]);
    }

    #[test]
    fn requests_that_waited_keep_their_intended_times() {
        let start = Moment::from_nanos(1);
        let mut schedule = Schedule::new(start, 1000.0);
        assert_eq!(schedule.take(start), Some(start));
        assert_eq!(schedule.take(start), None, "the next one is a millisecond away");
        // Nobody asked for a second: the missed ones come one by one, each with its own time.
        let late = start + SECOND;
        let latencies: Vec<_> =
            std::iter::from_fn(|| schedule.take(late)).map(|intended| late - intended).collect();
        assert_eq!(latencies.len(), 1000);
        assert_eq!(latencies.first(), Some(&Duration::from_millis(999)));
        assert_eq!(latencies.last(), Some(&Duration::ZERO));
    }
}
