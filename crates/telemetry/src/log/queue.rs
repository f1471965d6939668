//! The lines between those who log and the thread that writes.

use parking_lot::{Condvar, Mutex};
use prometheus::IntCounter;
use std::borrow::Cow;
use std::time::Duration;
use std::{io, mem};

/// How many lines wait at most.
const MAX_LINES: usize = 8192;

/// How many bytes wait at most.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// How much memory is kept for the next lines once a rush is over.
const KEPT_BYTES: usize = 64 * 1024;

/// A bounded queue of lines. Whoever logs holds its lock while a line is copied, the writer while two
/// buffers are exchanged, and nobody while anything is written.
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    /// There is something to take.
    filled: Condvar,
    /// What was taken is written or lost.
    done: Condvar,
    dropped: IntCounter,
}

#[derive(Default)]
struct Waiting {
    /// Whole lines, each with its line feed.
    bytes: Vec<u8>,
    lines: usize,
    /// How many lines found no room beside these.
    dropped: u64,
    /// How often everything was taken.
    batches_taken: u64,
    /// How much of that is written or lost.
    batches_done: u64,
}

// === impl Queue ===

impl Queue {
    /// An empty queue that adds to `dropped` what it cannot take.
    pub(super) fn new(dropped: IntCounter) -> Self {
        Self { waiting: Mutex::default(), filled: Condvar::new(), done: Condvar::new(), dropped }
    }

    /// Adds an event as one line, or drops it. Never waits for the writer.
    pub(super) fn push(&self, event: &[u8]) {
        let line = one_line(event.strip_suffix(b"\n").unwrap_or(event));
        let mut waiting = self.waiting.lock();
        let fits = waiting.lines < MAX_LINES && waiting.bytes.len() + line.len() < MAX_BYTES;
        if fits {
            waiting.bytes.extend_from_slice(&line);
            waiting.bytes.push(b'\n');
            waiting.lines += 1;
        } else {
            waiting.dropped += 1;
        }
        drop(waiting);
        self.filled.notify_one();
        if !fits {
            self.count_dropped(1);
        }
    }

    /// Declares what was taken before to be done, waits until there is something, and exchanges it for
    /// `batch`, whose content is discarded. Returns how many lines are missing at its end.
    pub(super) fn take(&self, batch: &mut Vec<u8>) -> u64 {
        batch.clear();
        batch.shrink_to(KEPT_BYTES);
        let mut waiting = self.waiting.lock();
        waiting.batches_done = waiting.batches_taken;
        self.done.notify_all();
        self.filled.wait_while(&mut waiting, |waiting| waiting.bytes.is_empty() && waiting.dropped == 0);
        waiting.batches_taken += 1;
        waiting.lines = 0;
        mem::swap(&mut waiting.bytes, batch);
        mem::take(&mut waiting.dropped)
    }

    /// Counts lines that are lost.
    pub(super) fn count_dropped(&self, lines: u64) {
        self.dropped.inc_by(lines);
    }

    /// Waits until everything pushed before is done. False if that takes longer than `timeout`.
    pub(super) fn flush(&self, timeout: Duration) -> bool {
        let mut waiting = self.waiting.lock();
        let is_empty = waiting.bytes.is_empty() && waiting.dropped == 0;
        let last = waiting.batches_taken + u64::from(!is_empty);
        !self.done.wait_while_for(&mut waiting, |waiting| waiting.batches_done < last, timeout).timed_out()
    }
}

/// The formatter hands over each event by one call.
impl io::Write for &Queue {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        self.push(event);
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The text format passes on line feeds in values: with them, one event would look like several.
fn one_line(event: &[u8]) -> Cow<'_, [u8]> {
    if !event.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Cow::Borrowed(event);
    }
    let mut line = Vec::with_capacity(event.len() + 16);
    for &byte in event {
        match byte {
            b'\n' => line.extend_from_slice(b"\\n"),
            b'\r' => line.extend_from_slice(b"\\r"),
            _ => line.push(byte),
        }
    }
    Cow::Owned(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue() -> Queue {
        Queue::new(IntCounter::new("dropped", "For the test.").unwrap())
    }

    #[test]
    fn what_is_taken_is_what_was_pushed_in_order() {
        let queue = queue();
        queue.push(b"one\n");
        queue.push(b"two");
        let mut batch = b"old".to_vec();
        assert_eq!(queue.take(&mut batch), 0);
        assert_eq!(batch, b"one\ntwo\n");
        queue.push(b"three\n");
        assert_eq!(queue.take(&mut batch), 0);
        assert_eq!(batch, b"three\n");
    }

    #[test]
    fn an_event_is_one_line_whatever_is_in_it() {
        let queue = queue();
        queue.push(b"a\r\nb\n\n");
        let mut batch = Vec::new();
        queue.take(&mut batch);
        assert_eq!(batch, b"a\\r\\nb\\n\n");
    }

    #[test]
    fn lines_beyond_the_limit_are_dropped_counted_and_told_once() {
        let queue = queue();
        for _ in 0..MAX_LINES + 3 {
            queue.push(b"line\n");
        }
        assert_eq!(queue.dropped.get(), 3);
        let mut batch = Vec::new();
        assert_eq!(queue.take(&mut batch), 3);
        assert_eq!(batch.len(), MAX_LINES * 5);
        queue.push(b"line\n");
        assert_eq!(queue.take(&mut batch), 0);
        assert_eq!(batch, b"line\n");
    }

    #[test]
    fn bytes_beyond_the_limit_are_dropped_and_what_fits_exactly_is_not() {
        let queue = queue();
        queue.push(&vec![b'a'; MAX_BYTES]);
        assert_eq!(queue.dropped.get(), 1);
        let mut batch = Vec::new();
        assert_eq!(queue.take(&mut batch), 1, "a loss is told even if there is nothing else to tell");
        assert!(batch.is_empty());

        queue.push(&vec![b'a'; MAX_BYTES - 3]);
        queue.push(b"bc");
        assert_eq!(queue.dropped.get(), 2, "there is room for two bytes, and the line feed is the third");
        queue.push(b"b");
        assert_eq!(queue.dropped.get(), 2);
        queue.push(b"");
        assert_eq!(queue.dropped.get(), 3);
        assert_eq!(queue.take(&mut batch), 2);
        assert_eq!(batch.len(), MAX_BYTES);
    }

    #[test]
    fn a_flush_waits_for_what_is_queued_and_for_what_is_being_written() {
        let queue = queue();
        let short = Duration::from_millis(1);
        assert!(queue.flush(short), "nothing is to be done");
        queue.push(b"line");
        assert!(!queue.flush(short), "it is queued");
        let mut batch = Vec::new();
        queue.take(&mut batch);
        assert!(!queue.flush(short), "it is being written");
        std::thread::scope(|scope| {
            let flushed = scope.spawn(|| queue.flush(Duration::MAX));
            while !flushed.is_finished() {
                queue.push(b"line");
                queue.take(&mut batch);
                std::thread::yield_now();
            }
            assert!(flushed.join().unwrap());
        });
    }
}
