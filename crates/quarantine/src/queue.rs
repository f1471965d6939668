//! What waits between those who find objects and the thread that writes them.

use crate::candidate::Candidate;
use crate::id::Id;
use crate::metrics::{Loss, QuarantineMetrics};
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A bounded queue. Its lock is held while one object is put in or taken out, and never while anything is written.
#[derive(Debug)]
pub(crate) struct Queue {
    most: usize,
    most_bytes: u64,
    state: Mutex<State>,
    filled: Condvar,
    ended: Condvar,
    metrics: QuarantineMetrics,
}

/// An object that was taken, and what it is called.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) id: Id,
    pub(crate) candidate: Candidate,
}

/// What the thread is to do.
#[derive(Debug)]
pub(crate) enum Next {
    /// Write this.
    Object(Box<Waiting>),
    /// Nothing came.
    Nothing,
    /// End.
    End,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Waiting>,
    /// Of all that wait and of the one that is being written, which takes up memory as they do.
    bytes: u64,
    in_hand: Option<u64>,
    stop_by: Option<Instant>,
    is_over: bool,
}

// === impl Queue ===

impl Queue {
    pub(crate) fn new(most: usize, most_bytes: u64, metrics: QuarantineMetrics) -> Self {
        Self {
            most,
            most_bytes,
            state: Mutex::default(),
            filled: Condvar::new(),
            ended: Condvar::new(),
            metrics,
        }
    }

    /// Adds an object, or says why it is not taken. Never waits for the thread.
    pub(crate) fn push(&self, waiting: Waiting) -> Result<(), Loss> {
        let len = waiting.candidate.object.len;
        let mut state = self.state.lock();
        if state.stop_by.is_some() || state.is_over {
            return Err(Loss::Stopped);
        }
        if state.waiting.len() >= self.most {
            return Err(Loss::QueueFull);
        }
        if state.bytes.saturating_add(len) > self.most_bytes {
            return Err(Loss::QueueSize);
        }
        state.bytes += len;
        state.waiting.push_back(waiting);
        self.show(&state);
        drop(state);
        self.filled.notify_one();
        Ok(())
    }

    /// Declares what was taken before to be written or lost, and takes the next object, for which it waits no longer
    /// than `patience`.
    pub(crate) fn next(&self, patience: Duration) -> Next {
        let until = Instant::now() + patience;
        let mut state = self.state.lock();
        state.bytes -= state.in_hand.take().unwrap_or_default();
        loop {
            self.show(&state);
            let is_expired = state.stop_by.is_some_and(|by| Instant::now() >= by);
            if !is_expired && let Some(waiting) = state.waiting.pop_front() {
                state.in_hand = Some(waiting.candidate.object.len);
                self.show(&state);
                return Next::Object(Box::new(waiting));
            }
            if state.stop_by.is_some() {
                return Next::End;
            }
            if self.filled.wait_until(&mut state, until).timed_out() && state.waiting.is_empty() {
                return if state.stop_by.is_some() { Next::End } else { Next::Nothing };
            }
        }
    }

    /// Waits between two tries. False: there is no time for another one.
    pub(crate) fn pause(&self, length: Duration) -> bool {
        let until = Instant::now() + length;
        let mut state = self.state.lock();
        loop {
            let by = state.stop_by.map_or(until, |by| by.min(until));
            if Instant::now() >= by {
                return state.stop_by.is_none_or(|by| Instant::now() < by);
            }
            self.filled.wait_until(&mut state, by);
        }
    }

    /// Refuses further objects, and lets the thread go on with those that wait until `by`.
    pub(crate) fn stop(&self, by: Instant) {
        self.state.lock().stop_by.get_or_insert(by);
        self.filled.notify_all();
    }

    /// The thread ends.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.is_over = true;
        self.show(&state);
        drop(state);
        self.ended.notify_all();
    }

    /// Waits until the thread is done, no longer than until `by`. Returns how many objects were not written.
    pub(crate) fn join(&self, by: Instant) -> usize {
        let mut state = self.state.lock();
        self.ended.wait_while_until(&mut state, |state| !state.is_over, by);
        let left = state.waiting.len() + usize::from(state.in_hand.is_some());
        // Nobody writes them any more.
        state.is_over = true;
        let lost = std::mem::take(&mut state.waiting);
        state.bytes = 0;
        state.in_hand = None;
        self.show(&state);
        drop(state);
        drop(lost);
        left
    }

    fn show(&self, state: &State) {
        let count = state.waiting.len() + usize::from(state.in_hand.is_some());
        self.metrics.waiting.set(i64::try_from(count).unwrap_or(i64::MAX));
        self.metrics.waiting_bytes.set(i64::try_from(state.bytes).unwrap_or(i64::MAX));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Metadata;
    use bytes::Bytes;
    use icapstan_model::{Content, Object};
    use prometheus::Registry;
    use std::time::SystemTime;

    fn waiting(len: usize) -> Waiting {
        let object = Object { len: len as u64, content: Content::Memory(Bytes::from(vec![0; len])) };
        let candidate = Candidate { object, metadata: Metadata::default(), hold: None };
        Waiting { id: Id::new(SystemTime::now()).unwrap(), candidate }
    }

    #[test]
    fn what_waits_and_what_is_written_has_bounds() {
        let metrics = QuarantineMetrics::register(&Registry::new()).unwrap();
        let queue = Queue::new(2, 100, metrics.clone());
        queue.push(waiting(60)).unwrap();
        assert!(matches!(queue.push(waiting(41)), Err(Loss::QueueSize)));
        assert!(matches!(queue.next(Duration::ZERO), Next::Object(_)));
        // What is being written has its bytes still.
        assert!(matches!(queue.push(waiting(41)), Err(Loss::QueueSize)));
        queue.push(waiting(1)).unwrap();
        queue.push(waiting(1)).unwrap();
        assert!(matches!(queue.push(waiting(1)), Err(Loss::QueueFull)));
        assert_eq!((metrics.waiting.get(), metrics.waiting_bytes.get()), (3, 62));
        let _ = (queue.next(Duration::ZERO), queue.next(Duration::ZERO));
        assert!(matches!(queue.next(Duration::ZERO), Next::Nothing));
        assert_eq!((metrics.waiting.get(), metrics.waiting_bytes.get()), (0, 0));
        queue.push(waiting(100)).unwrap();
        queue.stop(Instant::now());
        assert!(matches!(queue.push(waiting(0)), Err(Loss::Stopped)));
        assert!(matches!(queue.next(Duration::ZERO), Next::End));
        queue.end();
        assert_eq!(queue.join(Instant::now()), 1);
        assert_eq!(metrics.waiting_bytes.get(), 0);
    }
}
