//! Lookups under way: one for each question, however many want its answer.

use crate::question::Key;
use crate::{Answer, AskError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use tokio::sync::watch;

/// What came of one.
pub(crate) type Result = std::result::Result<Arc<Answer>, AskError>;

/// What those who wait have of it.
pub(crate) type Waiting = watch::Receiver<Option<Result>>;

#[derive(Debug)]
pub(crate) struct Flights {
    most: usize,
    under_way: Mutex<HashMap<Key, Waiting>>,
}

/// One lookup. When it is dropped without an answer, those who wait learn that there is none.
#[derive(Debug)]
pub(crate) struct Flight {
    flights: Arc<Flights>,
    key: Key,
    landed: watch::Sender<Option<Result>>,
}

/// What to do for an answer.
pub(crate) enum Boarding {
    /// Wait: somebody asks already.
    Joined(Waiting),
    /// Ask, and wait.
    First(Flight, Waiting),
    /// Nothing: there are too many.
    Full,
}

// === impl Flights ===

impl Flights {
    /// At most so many at once.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self { most, under_way: Mutex::default() })
    }

    pub(crate) fn board(self: &Arc<Self>, key: Key) -> Boarding {
        let mut under_way = self.under_way.lock();
        let is_full = under_way.len() >= self.most;
        match under_way.entry(key) {
            Entry::Occupied(known) => Boarding::Joined(known.get().clone()),
            Entry::Vacant(_) if is_full => Boarding::Full,
            Entry::Vacant(place) => {
                let (landed, waiting) = watch::channel(None);
                place.insert(waiting.clone());
                Boarding::First(Flight { flights: Arc::clone(self), key, landed }, waiting)
            }
        }
    }
}

// === impl Flight ===

impl Flight {
    /// Tells all who wait.
    pub(crate) fn land(self, result: Result) {
        self.landed.send_replace(Some(result));
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.flights.under_way.lock().remove(&self.key);
    }
}
