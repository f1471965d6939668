//! How long a change of the plan takes to reach gateways.

use std::collections::VecDeque;
use std::time::Duration;

/// The last times that changes of the plan took to reach gateways. A gateway counts from the write of a plan until
/// it says that it follows it.
#[derive(Clone, Debug, Default)]
pub struct Latencies {
    newest_last: VecDeque<Duration>,
}

// === impl Latencies ===

impl Latencies {
    /// The most that are remembered.
    pub const MAX: usize = 512;

    /// What is believed before anything was measured.
    pub const UNKNOWN: Duration = Duration::from_millis(500);

    /// Remembers one.
    pub fn push(&mut self, latency: Duration) {
        if self.newest_last.len() == Self::MAX {
            self.newest_last.pop_front();
        }
        self.newest_last.push_back(latency);
    }

    /// What 99 of a hundred are not longer than.
    pub fn p99(&self) -> Duration {
        let mut sorted: Vec<_> = self.newest_last.iter().copied().collect();
        sorted.sort_unstable();
        let rank = (sorted.len() * 99).div_ceil(100);
        rank.checked_sub(1).and_then(|index| sorted.get(index)).copied().unwrap_or(Self::UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_a_hundred_may_be_late() {
        let mut latencies = Latencies::default();
        assert_eq!(latencies.p99(), Latencies::UNKNOWN);
        (1..=100).for_each(|millis| latencies.push(Duration::from_millis(millis)));
        assert_eq!(latencies.p99(), Duration::from_millis(99));
        (0..1000).for_each(|_| latencies.push(Duration::from_millis(7)));
        assert_eq!(latencies.p99(), Duration::from_millis(7), "old ones are forgotten");
    }
}
