//! What waits between those who send events and the thread that writes them.

use crate::event::Event;
use crate::metrics::Cause;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The most memory of events that wait, in bytes. An event takes about one KiB, and a hostile one
/// fifteen.
const MAX_WEIGHT: usize = 16 << 20;

/// A bounded queue. Whoever sends holds its lock while one event is added, the writer while one is
/// taken, and nobody while anything is written.
#[derive(Debug)]
pub(crate) struct Queue {
    most: usize,
    waiting: Mutex<Waiting>,
    /// The writer has something to do.
    filled: Condvar,
    /// The writer has nothing left to do.
    emptied: Condvar,
}

/// What the writer is to do.
#[derive(Debug)]
pub(crate) enum Next {
    /// Write this.
    Event(Arc<Event>),
    /// Nothing came.
    Nothing,
    /// End.
    End,
}

#[derive(Debug, Default)]
struct Waiting {
    events: VecDeque<Arc<Event>>,
    weight: usize,
    /// The writer has taken one that is neither written nor lost.
    is_in_hand: bool,
    is_down: bool,
    /// Since when sends are refused, and until when the writer may go on.
    stop_by: Option<Instant>,
    /// The writer has not waited since then.
    is_hurried: bool,
    /// The writer is not waited for any more.
    is_over: bool,
    /// How many it did not write.
    left: usize,
}

// === impl Queue ===

impl Queue {
    /// An empty queue with room for `most` events.
    pub(crate) fn new(most: usize) -> Self {
        Self { most, waiting: Mutex::default(), filled: Condvar::new(), emptied: Condvar::new() }
    }

    /// Adds `event`, or says why it is lost. Never waits for the writer.
    pub(crate) fn push(&self, event: &Arc<Event>) -> Result<(), Cause> {
        let weight = event.weight();
        let mut waiting = self.waiting.lock();
        if waiting.stop_by.is_some() {
            return Err(Cause::Stopped);
        }
        if waiting.events.len() >= self.most || waiting.weight + weight > MAX_WEIGHT {
            return Err(if waiting.is_down { Cause::Down } else { Cause::QueueFull });
        }
        waiting.weight += weight;
        waiting.events.push_back(Arc::clone(event));
        let wakes = waiting.events.len() == 1;
        drop(waiting);
        if wakes {
            self.filled.notify_one();
        }
        Ok(())
    }

    /// Declares what was taken before to be written or lost, and takes the next event, for which it waits
    /// no longer than `patience`.
    pub(crate) fn next(&self, patience: Duration) -> Next {
        let until = Instant::now() + patience;
        let mut waiting = self.waiting.lock();
        waiting.is_in_hand = false;
        loop {
            if waiting.is_expired() {
                return Next::End;
            }
            if let Some(event) = waiting.events.pop_front() {
                waiting.weight -= event.weight();
                waiting.is_in_hand = true;
                return Next::Event(event);
            }
            self.emptied.notify_all();
            if waiting.stop_by.is_some() {
                return Next::End;
            }
            if self.filled.wait_until(&mut waiting, until).timed_out() && waiting.events.is_empty() {
                return if waiting.stop_by.is_some() { Next::End } else { Next::Nothing };
            }
        }
    }

    /// Waits for `delay` while the sink is down. When the end has begun, there is one more try without
    /// waiting. False if there is no use in trying again.
    pub(crate) fn pause(&self, delay: Duration) -> bool {
        let until = Instant::now() + delay;
        let mut waiting = self.waiting.lock();
        waiting.is_down = true;
        loop {
            if waiting.stop_by.is_some() && (waiting.is_expired() || waiting.is_empty()) {
                return false;
            }
            if mem::take(&mut waiting.is_hurried) || Instant::now() >= until {
                return true;
            }
            let until = waiting.stop_by.map_or(until, |stop| until.min(stop));
            self.filled.wait_until(&mut waiting, until);
        }
    }

    /// The sink takes events.
    pub(crate) fn is_up(&self) {
        self.waiting.lock().is_down = false;
    }

    /// Waits until everything is written or lost. False if that takes longer than `timeout`.
    pub(crate) fn flush(&self, timeout: Duration) -> bool {
        let mut waiting = self.waiting.lock();
        !self.emptied.wait_while_for(&mut waiting, |waiting| !waiting.is_empty(), timeout).timed_out()
    }

    /// Refuses further events, and lets the writer go on with those that wait until `by`.
    pub(crate) fn stop(&self, by: Instant) {
        let mut waiting = self.waiting.lock();
        waiting.is_hurried |= waiting.stop_by.is_none();
        waiting.stop_by.get_or_insert(by);
        drop(waiting);
        self.filled.notify_all();
    }

    /// Waits until the writer is done, no longer than until `by`. Returns how many events it did not
    /// write; that in its hand is one of them, though a writer that is stuck may still get rid of it.
    pub(crate) fn join(&self, by: Instant) -> usize {
        let mut waiting = self.waiting.lock();
        self.emptied.wait_while_until(&mut waiting, |waiting| !waiting.is_over, by);
        waiting.abandon();
        waiting.left
    }

    /// The writer ends.
    pub(crate) fn end(&self) {
        self.waiting.lock().abandon();
        self.emptied.notify_all();
    }
}

// === impl Waiting ===

impl Waiting {
    fn is_empty(&self) -> bool {
        self.events.is_empty() && !self.is_in_hand
    }

    fn is_expired(&self) -> bool {
        self.stop_by.is_some_and(|by| Instant::now() >= by)
    }

    /// Forgets everything.
    fn abandon(&mut self) {
        self.is_over = true;
        self.left += self.events.len() + usize::from(self.is_in_hand);
        self.events.clear();
        self.weight = 0;
        self.is_in_hand = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::tests::{filled, usual};
    use crate::kind::EventKind;

    const LONG: Duration = Duration::from_mins(1);

    fn taken(queue: &Queue) -> usize {
        std::iter::from_fn(|| matches!(queue.next(Duration::ZERO), Next::Event(_)).then_some(())).count()
    }

    #[test]
    fn events_beyond_the_limit_are_refused_with_the_cause() {
        let (queue, event) = (Queue::new(3), Arc::new(usual()));
        assert!((0..3).all(|_| queue.push(&event).is_ok()));
        assert_eq!(queue.push(&event), Err(Cause::QueueFull));
        assert!(queue.pause(Duration::ZERO));
        assert_eq!(queue.push(&event), Err(Cause::Down));
        queue.is_up();
        assert_eq!(queue.push(&event), Err(Cause::QueueFull));
        assert_eq!(taken(&queue), 3);
        queue.stop(Instant::now() + LONG);
        assert_eq!(queue.push(&event), Err(Cause::Stopped));
    }

    #[test]
    fn large_events_are_bounded_by_their_bytes() {
        let (queue, event) = (Queue::new(usize::MAX), Arc::new(filled(EventKind::Detection, &[0xff; 5000])));
        let fitting = MAX_WEIGHT / event.weight();
        let pushed = std::iter::from_fn(|| queue.push(&event).ok()).count();
        assert_eq!(pushed, fitting);
        assert_eq!(taken(&queue), fitting);
        assert!(queue.push(&event).is_ok(), "what was taken makes room");
    }

    #[test]
    fn all_is_flushed_only_when_what_is_in_hand_is_done() {
        let (queue, event) = (Queue::new(3), Arc::new(usual()));
        assert!(queue.flush(Duration::ZERO));
        queue.push(&event).unwrap();
        assert!(!queue.flush(Duration::ZERO));
        assert!(matches!(queue.next(LONG), Next::Event(_)));
        assert!(!queue.flush(Duration::ZERO));
        std::thread::scope(|scope| {
            let flushed = scope.spawn(|| queue.flush(LONG));
            assert!(matches!(queue.next(Duration::ZERO), Next::Nothing));
            assert!(flushed.join().unwrap());
        });
    }

    #[test]
    fn what_waits_is_still_taken_when_the_end_has_begun_but_not_when_it_is_over() {
        let (queue, event) = (Queue::new(9), Arc::new(usual()));
        (0..3).for_each(|_| queue.push(&event).unwrap());
        queue.stop(Instant::now() + LONG);
        assert!((0..3).all(|_| matches!(queue.next(LONG), Next::Event(_))));
        assert!(matches!(queue.next(LONG), Next::End));
        queue.end();
        assert_eq!(queue.join(Instant::now()), 0);

        let queue = Queue::new(9);
        (0..3).for_each(|_| queue.push(&event).unwrap());
        assert!(matches!(queue.next(LONG), Next::Event(_)));
        queue.stop(Instant::now());
        assert!(!queue.pause(LONG));
        assert_eq!(queue.join(Instant::now()), 3, "two that wait, and the one in hand");
        assert!(matches!(queue.next(LONG), Next::End));
        queue.end();
        assert_eq!(queue.join(Instant::now()), 3, "nothing is counted twice");
    }

    #[test]
    fn a_pause_ends_when_the_end_begins() {
        let (queue, event) = (Queue::new(9), Arc::new(usual()));
        queue.push(&event).unwrap();
        std::thread::scope(|scope| {
            let paused = scope.spawn(|| queue.pause(10 * LONG));
            queue.stop(Instant::now() + LONG);
            assert!(paused.join().unwrap());
        });
    }

    #[test]
    fn without_anything_to_write_there_is_no_use_in_another_try_at_the_end() {
        let queue = Queue::new(9);
        queue.stop(Instant::now() + LONG);
        assert!(!queue.pause(LONG));
    }
}
