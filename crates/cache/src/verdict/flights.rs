//! Scans under way: one for each object, however many wait for it.

use super::key::Key;
use icapstan_model::{Refusal, ScanReport};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use tokio::sync::watch;

/// Scans of objects in different shards do not meet.
const SHARDS: usize = 16;

/// What came of a scan.
pub(super) type Outcome = Result<ScanReport, Refusal>;

/// What those who wait have of it. Ends without an outcome when nobody makes the scan any more.
pub(super) type Waiting = watch::Receiver<Option<Arc<Outcome>>>;

type Landing = watch::Sender<Option<Arc<Outcome>>>;

#[derive(Debug)]
pub(super) struct Flights {
    /// In one shard.
    most: usize,
    shards: [Mutex<HashMap<Key, Arc<Landing>>>; SHARDS],
}

/// One scan, which others find until this is dropped.
#[derive(Debug)]
pub(super) struct Flight {
    flights: Arc<Flights>,
    key: Key,
    landing: Arc<Landing>,
}

/// What to do for a verdict.
#[derive(Debug)]
pub(super) enum Boarding {
    /// Nothing: it has become known.
    Known(ScanReport),
    /// Wait: it is being found out.
    Joined(Waiting),
    /// Find out, for others too.
    First(Flight),
    /// Find out alone: there are too many.
    Full,
}

// === impl Flights ===

impl Flights {
    /// About so many at once.
    pub(super) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most: most.div_ceil(SHARDS), shards: Default::default() })
    }

    /// `known` looks into what scans leave before they land: between the two nobody begins a second scan.
    pub(super) fn board(self: &Arc<Self>, key: Key, known: impl FnOnce() -> Option<ScanReport>) -> Boarding {
        let mut shard = self.shards[key.place(SHARDS)].lock();
        let is_full = shard.len() >= self.most;
        match shard.entry(key) {
            Entry::Occupied(landing) => Boarding::Joined(landing.get().subscribe()),
            Entry::Vacant(place) => match known() {
                Some(report) => Boarding::Known(report),
                None if is_full => Boarding::Full,
                None => {
                    let landing = Arc::new(watch::Sender::new(None));
                    place.insert(Arc::clone(&landing));
                    drop(shard);
                    Boarding::First(Flight { flights: Arc::clone(self), key, landing })
                }
            },
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().len()).sum()
    }
}

// === impl Flight ===

impl Flight {
    /// Tells all who wait.
    pub(super) fn land(self, outcome: &Outcome) {
        self.leave();
        // From here on nobody comes, so whoever is to be told is here.
        if self.landing.receiver_count() > 0 {
            self.landing.send_replace(Some(Arc::new(outcome.clone())));
        }
    }

    /// Whether nobody waits. Then nobody will: others begin anew.
    pub(super) fn is_deserted(&self) -> bool {
        let mut shard = self.flights.shards[self.key.place(SHARDS)].lock();
        let is_deserted = self.landing.receiver_count() == 0;
        if is_deserted {
            self.remove(&mut shard);
        }
        is_deserted
    }

    /// Waits until it may be that nobody waits.
    pub(super) async fn desertion(&self) {
        self.landing.closed().await;
    }

    /// Lets nobody else come.
    fn leave(&self) {
        self.remove(&mut self.flights.shards[self.key.place(SHARDS)].lock());
    }

    /// Others may have begun anew under this key.
    fn remove(&self, shard: &mut HashMap<Key, Arc<Landing>>) {
        if shard.get(&self.key).is_some_and(|landing| Arc::ptr_eq(landing, &self.landing)) {
            shard.remove(&self.key);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_model::Findings;

    fn nothing() -> Option<ScanReport> {
        None
    }

    fn first(flights: &Arc<Flights>, key: u64) -> Flight {
        match flights.board(Key::of(key), nothing) {
            Boarding::First(flight) => flight,
            other => panic!("{other:?}"),
        }
    }

    fn joined(flights: &Arc<Flights>, key: u64) -> Waiting {
        match flights.board(Key::of(key), nothing) {
            Boarding::Joined(waiting) => waiting,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn all_who_wait_are_told_and_the_next_one_begins_anew() {
        let flights = Flights::new(100);
        let flight = first(&flights, 1);
        let mut waiting: Vec<_> = (0..3).map(|_| joined(&flights, 1)).collect();
        let other = first(&flights, 2);
        flight.land(&Err(Refusal::QueueFull));
        for waiting in &mut waiting {
            let outcome = waiting.wait_for(Option::is_some).await.unwrap().clone().unwrap();
            assert!(matches!(*outcome, Err(Refusal::QueueFull)));
        }
        drop(first(&flights, 1));
        drop(other);
        assert_eq!(flights.len(), 0);
    }

    #[tokio::test]
    async fn those_who_wait_for_what_nobody_does_learn_it() {
        let flights = Flights::new(100);
        let flight = first(&flights, 1);
        let mut waiting = joined(&flights, 1);
        assert!(!flight.is_deserted());
        drop(flight);
        assert!(waiting.changed().await.is_err());
        let flight = first(&flights, 1);
        drop(joined(&flights, 1));
        flight.desertion().await;
        assert!(flight.is_deserted());
        // Whoever begins anew is not sent away by what was left before.
        let second = first(&flights, 1);
        drop(flight);
        drop(joined(&flights, 1));
        drop(second);
        assert_eq!(flights.len(), 0);
    }

    #[test]
    fn what_has_become_known_is_not_begun_and_there_are_only_so_many() {
        let flights = Flights::new(SHARDS);
        let known = || Some(ScanReport::unscanned(Findings::clean()));
        assert!(matches!(flights.board(Key::of(1), known), Boarding::Known(_)));
        let boarded: Vec<_> = (0..1000).map(|key| flights.board(Key::of(key), nothing)).collect();
        let begun = boarded.iter().filter(|boarding| matches!(boarding, Boarding::First(_))).count();
        assert_eq!((begun, flights.len()), (SHARDS, SHARDS));
        assert!(matches!(boarded[999], Boarding::Full));
        drop(boarded);
        assert_eq!(flights.len(), 0);
    }
}
