//! Whether the machine lets anybody run: a thread that wants to wake up at short intervals, and notes when it does not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// A thread that looks.
#[derive(Debug)]
pub(super) struct Pulse {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Pauses>,
}

/// How often it was held up, and for how long at most.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pauses {
    count: u64,
    longest: Duration,
}

/// From one look to the next.
const INTERVAL: Duration = Duration::from_millis(10);
/// What is later than this is noted.
const LATE: Duration = Duration::from_millis(100);

// === impl Pulse ===

impl Pulse {
    pub(super) fn start() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let mut pauses = Pauses::default();
            while !over.load(Ordering::Relaxed) {
                let asleep = Instant::now();
                std::thread::sleep(INTERVAL);
                pauses.add(asleep.elapsed().saturating_sub(INTERVAL));
            }
            pauses
        });
        Self { is_over, thread }
    }

    /// For a note.
    pub(super) fn stop(self) -> String {
        self.is_over.store(true, Ordering::Relaxed);
        let Pauses { count, longest } = self.thread.join().unwrap_or_default();
        format!(
            "other work: a thread that only sleeps was late by more than {LATE:?} {count} times, at most {longest:.1?}"
        )
    }
}

// === impl Pauses ===

impl Pauses {
    fn add(&mut self, late: Duration) {
        self.count += u64::from(late > LATE);
        self.longest = self.longest.max(late);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_long_pauses_count() {
        let mut pauses = Pauses::default();
        for late in [0, 100, 101, 3000, 20] {
            pauses.add(Duration::from_millis(late));
        }
        assert_eq!((pauses.count, pauses.longest), (2, Duration::from_secs(3)));
        assert!(Pulse::start().stop().contains("times"));
    }
}
