//! Transactions that wait to be written.

use super::AccessRecord;
use crate::queue::Buffer;

/// How many wait at most. The writer takes them ten times a second.
const MAX_RECORDS: usize = 4096;

/// From here on the writer does not wait for more.
const URGENT_RECORDS: usize = MAX_RECORDS / 4;

/// Room for all of them from the start, so that adding one is moving it.
pub(super) struct Records(Vec<AccessRecord>);

// === impl Records ===

impl Records {
    pub(super) fn iter(&self) -> impl Iterator<Item = &AccessRecord> {
        self.0.iter()
    }
}

impl Default for Records {
    fn default() -> Self {
        Self(Vec::with_capacity(MAX_RECORDS))
    }
}

impl Buffer for Records {
    type Item<'a> = AccessRecord;

    fn push(&mut self, record: AccessRecord) -> bool {
        let fits = self.0.len() < MAX_RECORDS;
        if fits {
            self.0.push(record);
        }
        fits
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn is_urgent(&self) -> bool {
        self.0.len() >= URGENT_RECORDS
    }

    fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::format::tests::record;
    use crate::queue::Queue;
    use prometheus::IntCounter;
    use std::time::{Duration, Instant};

    fn queue(linger: Duration) -> (Queue<Records>, IntCounter) {
        let dropped = IntCounter::new("dropped", "For the test.").unwrap();
        (Queue::new(linger, dropped.clone()), dropped)
    }

    #[test]
    fn records_beyond_the_limit_are_dropped_and_counted() {
        let (queue, dropped) = queue(Duration::ZERO);
        for _ in 0..MAX_RECORDS + 5 {
            queue.push(record());
        }
        assert_eq!(dropped.get(), 5);
        let mut batch = Records::default();
        assert_eq!(queue.take(&mut batch), 5);
        assert_eq!(batch.iter().count(), MAX_RECORDS);
    }

    #[test]
    fn what_is_urgent_or_flushed_is_taken_before_the_time_for_more_is_over() {
        let (queue, _) = queue(Duration::from_mins(10));
        let started = Instant::now();
        let mut batch = Records::default();
        queue.push(record());
        std::thread::scope(|scope| {
            let flushed = scope.spawn(|| queue.flush(Duration::from_mins(5)));
            queue.take(&mut batch);
            assert_eq!(batch.iter().count(), 1);
            for _ in 0..URGENT_RECORDS {
                queue.push(record());
            }
            queue.take(&mut batch);
            assert_eq!(batch.iter().count(), URGENT_RECORDS);
            assert!(flushed.join().unwrap());
        });
        assert!(started.elapsed() < Duration::from_mins(1));
    }

    #[test]
    fn the_writer_waits_for_more_once_there_is_something() {
        let (queue, _) = queue(Duration::from_millis(100));
        let started = Instant::now();
        let mut batch = Records::default();
        queue.push(record());
        queue.take(&mut batch);
        assert!(started.elapsed() >= Duration::from_millis(100));
    }
}
