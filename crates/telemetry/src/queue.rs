//! What waits between those who tell and the thread that writes.

use parking_lot::{Condvar, Mutex};
use prometheus::IntCounter;
use std::mem;
use std::time::Duration;

/// What waits: bounded, empty at first.
pub(crate) trait Buffer: Default {
    /// One of what waits.
    type Item<'a>;

    /// Adds one, if there is room.
    fn push(&mut self, item: Self::Item<'_>) -> bool;

    /// Whether nothing waits.
    fn is_empty(&self) -> bool;

    /// Whether to write before the time for more to come is over.
    fn is_urgent(&self) -> bool;

    /// Discards what is in it. Keeps memory only as far as it is likely to be needed.
    fn clear(&mut self);
}

/// A bounded queue. Whoever tells holds its lock while one item is added, the writer while two buffers
/// are exchanged, and nobody while anything is written.
pub(crate) struct Queue<B> {
    waiting: Mutex<Waiting<B>>,
    /// There is something to take, or no reason to wait for more.
    filled: Condvar,
    /// What was taken is written or lost.
    done: Condvar,
    /// How long the writer waits for more once there is something.
    linger: Duration,
    dropped: IntCounter,
}

#[derive(Default)]
struct Waiting<B> {
    buffer: B,
    /// How many found no room beside these.
    dropped: u64,
    /// Somebody waits until all is done.
    is_flushed: bool,
    /// How often everything was taken.
    batches_taken: u64,
    /// How much of that is written or lost.
    batches_done: u64,
}

// === impl Queue ===

impl<B: Buffer> Queue<B> {
    /// An empty queue that adds to `dropped` what it cannot take. What waits is taken `linger` after
    /// the first of it came.
    pub(crate) fn new(linger: Duration, dropped: IntCounter) -> Self {
        Self { waiting: Mutex::default(), filled: Condvar::new(), done: Condvar::new(), linger, dropped }
    }

    /// Adds `item`, or drops it. Never waits for the writer.
    pub(crate) fn push(&self, item: B::Item<'_>) {
        let mut waiting = self.waiting.lock();
        let was_empty = waiting.is_empty();
        let fits = waiting.buffer.push(item);
        if !fits {
            waiting.dropped += 1;
        }
        // Waking a thread costs more than all else here.
        let wakes = was_empty || waiting.buffer.is_urgent();
        drop(waiting);
        if wakes {
            self.filled.notify_one();
        }
        if !fits {
            self.count_dropped(1);
        }
    }

    /// Declares what was taken before to be done, waits until there is something, and exchanges it for
    /// `batch`, whose content is discarded. Returns how many are missing at its end.
    pub(crate) fn take(&self, batch: &mut B) -> u64 {
        batch.clear();
        let mut waiting = self.waiting.lock();
        waiting.batches_done = waiting.batches_taken;
        self.done.notify_all();
        self.filled.wait_while(&mut waiting, |waiting| waiting.is_empty());
        let is_waited_for = |waiting: &mut Waiting<B>| !waiting.is_flushed && !waiting.buffer.is_urgent();
        self.filled.wait_while_for(&mut waiting, is_waited_for, self.linger);
        waiting.is_flushed = false;
        waiting.batches_taken += 1;
        mem::swap(&mut waiting.buffer, batch);
        mem::take(&mut waiting.dropped)
    }

    /// Counts what is lost.
    pub(crate) fn count_dropped(&self, count: u64) {
        self.dropped.inc_by(count);
    }

    /// Waits until everything pushed before is done. False if that takes longer than `timeout`.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let mut waiting = self.waiting.lock();
        let mut last = waiting.batches_taken;
        if !waiting.is_empty() {
            waiting.is_flushed = true;
            last += 1;
            self.filled.notify_one();
        }
        !self.done.wait_while_for(&mut waiting, |waiting| waiting.batches_done < last, timeout).timed_out()
    }
}

// === impl Waiting ===

impl<B: Buffer> Waiting<B> {
    fn is_empty(&self) -> bool {
        self.buffer.is_empty() && self.dropped == 0
    }
}
