//! What each URL is known by, in the order in which it is forgotten.

use super::RedisClock;
use crate::{Entry, Id, Record};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// What a record takes besides its entry, in three maps of which none is full.
const OVERHEAD: usize = 320;

/// Records, bounded by what they take.
pub(super) struct Ledger {
    most: usize,
    pub(super) ttl: Duration,
    known: HashMap<Id, Known>,
    /// First those whose time is over first.
    order: BTreeSet<(Instant, Id)>,
    /// Those that nobody else was told of.
    untold: BTreeSet<Id>,
    bytes: usize,
    entries: usize,
}

/// What was said of one URL.
pub(super) struct Known {
    pub(super) until: Instant,
    pub(super) stamp: Stamp,
    pub(super) ttl: Duration,
    pub(super) entry: Option<Arc<Entry>>,
}

/// When it was said.
#[derive(Clone, Copy)]
pub(super) enum Stamp {
    /// Here, then. Redis was not told.
    Since(Instant),
    /// At this time of Redis.
    At(u64),
}

// === impl Ledger ===

impl Ledger {
    pub(super) fn new(most: usize, ttl: Duration) -> Self {
        Self {
            most,
            ttl,
            known: HashMap::new(),
            order: BTreeSet::new(),
            untold: BTreeSet::new(),
            bytes: 0,
            entries: 0,
        }
    }

    pub(super) fn get(&self, id: &Id) -> Option<&Known> {
        self.known.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&Id, &Known)> {
        self.known.iter()
    }

    pub(super) fn untold(&self) -> impl Iterator<Item = Id> {
        self.untold.iter().copied()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Those that block something.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    pub(super) fn first_end(&self) -> Option<Instant> {
        self.order.first().map(|(end, _)| *end)
    }

    pub(super) fn put(&mut self, id: Id, known: Known) {
        self.remove(&id);
        self.order.insert((known.until, id));
        if matches!(known.stamp, Stamp::Since(_)) {
            self.untold.insert(id);
        }
        self.bytes += known.size();
        self.entries += usize::from(known.entry.is_some());
        self.known.insert(id, known);
    }

    /// Redis was told that it was said at this time.
    pub(super) fn stamp(&mut self, id: &Id, at: u64) {
        if let Some(known) = self.known.get_mut(id) {
            known.stamp = Stamp::At(at);
            self.untold.remove(id);
        }
    }

    /// One that has to go, and whether it is because its time is over.
    pub(super) fn pop(&mut self, now: Instant) -> Option<(Id, Known, bool)> {
        let (end, id) = *self.order.first()?;
        let is_over = end <= now;
        if !is_over && self.bytes <= self.most {
            return None;
        }
        self.remove(&id).map(|known| (id, known, is_over))
    }

    fn remove(&mut self, id: &Id) -> Option<Known> {
        let known = self.known.remove(id)?;
        self.order.remove(&(known.until, *id));
        self.untold.remove(id);
        self.bytes -= known.size();
        self.entries -= usize::from(known.entry.is_some());
        Some(known)
    }
}

// === impl Known ===

impl Known {
    fn size(&self) -> usize {
        OVERHEAD + self.entry.as_ref().map_or(0, |entry| entry.size())
    }

    pub(super) fn record(&self, id: Id, clock: RedisClock) -> Record {
        let at = match self.stamp {
            Stamp::Since(then) => clock.at(then),
            Stamp::At(at) => at,
        };
        Record { id, at, ttl: self.ttl, entry: self.entry.clone() }
    }
}
