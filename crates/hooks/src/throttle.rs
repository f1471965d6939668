//! Lines about failures, not more often than somebody can read them.

use crate::metrics::Place;
use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// Between two lines about one hook.
const INTERVAL: Duration = Duration::from_mins(1);

/// When each hook was spoken of, and what was left unsaid since then.
#[derive(Debug)]
pub(crate) struct Throttle([Mutex<Told>; Place::COUNT]);

#[derive(Debug, Default)]
struct Told {
    last: Option<Instant>,
    unsaid: u64,
}

// === impl Throttle ===

impl Throttle {
    pub(crate) fn new() -> Self {
        Self(std::array::from_fn(|_| Mutex::default()))
    }

    /// Whether to say it now, and how many were left unsaid.
    pub(crate) fn say(&self, place: Place, now: Instant) -> Option<u64> {
        let mut told = self.0[place as usize].lock();
        if told.last.is_some_and(|last| now.saturating_duration_since(last) < INTERVAL) {
            told.unsaid += 1;
            return None;
        }
        told.last = Some(now);
        Some(std::mem::take(&mut told.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hook_is_spoken_of_once_a_minute() {
        let (throttle, start) = (Throttle::new(), Instant::now());
        assert_eq!(throttle.say(Place::Exec0, start), Some(0));
        assert_eq!(throttle.say(Place::Exec0, start + INTERVAL / 2), None);
        assert_eq!(throttle.say(Place::Http, start), Some(0), "another hook");
        assert_eq!(throttle.say(Place::Exec0, start + INTERVAL), Some(1));
    }
}
