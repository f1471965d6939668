//! What happens when: a heap of events, in the order of their times and, at one time, of their making.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Virtual time, in microseconds.
pub(crate) type Micros = u64;

pub(crate) const MILLI: Micros = 1_000;
pub(crate) const SECOND: Micros = 1_000_000;

#[derive(Debug)]
pub(crate) struct Events<T> {
    heap: BinaryHeap<Reverse<Entry<T>>>,
    made: u64,
    now: Micros,
}

#[derive(Debug)]
struct Entry<T> {
    at: Micros,
    order: u64,
    what: T,
}

// === impl Events ===

impl<T> Events<T> {
    pub(crate) fn new() -> Self {
        Self { heap: BinaryHeap::new(), made: 0, now: 0 }
    }

    pub(crate) fn now(&self) -> Micros {
        self.now
    }

    /// What is late already happens now.
    pub(crate) fn at(&mut self, at: Micros, what: T) {
        self.made += 1;
        self.heap.push(Reverse(Entry { at: at.max(self.now), order: self.made, what }));
    }

    pub(crate) fn after(&mut self, delay: Micros, what: T) {
        self.at(self.now.saturating_add(delay), what);
    }

    /// The next one, whose time it is then.
    pub(crate) fn next(&mut self) -> Option<T> {
        let Reverse(entry) = self.heap.pop()?;
        self.now = entry.at;
        Some(entry.what)
    }
}

// === impl Entry ===

impl<T> PartialEq for Entry<T> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<T> Eq for Entry<T> {}

impl<T> PartialOrd for Entry<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Entry<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}
