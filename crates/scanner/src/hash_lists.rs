//! The lists that the digests of objects are looked up in, before an engine sees these.

mod build;
mod metrics;
mod watch;

pub use build::{BuiltHashLists, HashListError, build as build_hash_lists};
pub(crate) use metrics::ByKind;
pub use metrics::HashListMetrics;
pub use watch::{HashListWatcher, LoadedHashLists, WatchedHashLists};

use arc_swap::ArcSwap;
use icapstan_hashes::Lists;
use icapstan_model::{Epoch, GenerationId};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

use crate::engine::Held;
use crate::published::Published;

/// The lists that objects are looked up in now. Others take their place while scans go on: each epoch has
/// those that it began with, and other lists are another epoch.
#[derive(Clone, Debug, Default)]
pub struct HashLists(Arc<Mutex<State>>);

/// So many lists that are no longer in use stay in memory for epochs that have them.
const MAX_OLDER: usize = 2;

#[derive(Debug, Default)]
struct State {
    lists: Arc<Lists>,
    lent: Lent,
    /// Where epochs are published, once there is a scanner.
    published: Weak<Published>,
}

/// What an epoch decides by.
#[derive(Debug)]
pub(crate) struct Served {
    /// The workers.
    pub(crate) held: Arc<Held>,
    lists: Arc<ArcSwap<Lists>>,
}

/// The lists of all epochs that anybody holds, in the order in which they were made.
#[derive(Debug, Default)]
struct Lent(Vec<Weak<ArcSwap<Lists>>>);

// === impl HashLists ===

impl HashLists {
    /// Puts `lists` in the place of those that were in use.
    pub fn replace(&self, lists: Lists) {
        let mut state = self.0.lock();
        state.lists = Arc::new(lists);
        // Under the lock, as all that publishes: no epoch is lost to one that was made before it.
        if let Some(published) = state.published.upgrade()
            && let Some(epoch) = published.current.load_full()
            && let Some(served) = epoch.hold::<Served>()
        {
            if published.loads.borrow().epochs.is_empty() {
                published.publish(&state.epoch(Arc::clone(&served.held)));
            } else {
                state.publish_all(&published, &held_of(&published), true);
            }
        }
    }

    /// What is in use.
    pub fn get(&self) -> Arc<Lists> {
        Arc::clone(&self.0.lock().lists)
    }

    /// Has later lists published there.
    pub(crate) fn attach(&self, published: &Arc<Published>) {
        self.0.lock().published = Arc::downgrade(published);
    }

    /// Publishes these signatures together with the lists in use.
    pub(crate) fn publish(&self, published: &Published, held: Held) {
        let mut state = self.0.lock();
        published.publish(&state.epoch(Arc::new(held)));
    }

    /// Publishes all of these revisions, the one first that is scanned with when nobody asks for another.
    pub(crate) fn publish_all(&self, published: &Published, held: &[(GenerationId, Arc<Held>)]) {
        self.0.lock().publish_all(published, held, false);
    }

    /// Lets go of what is published.
    pub(crate) fn clear(&self, published: &Published) {
        let _state = self.0.lock();
        published.clear();
    }
}

// === impl State ===

impl State {
    /// An epoch of these workers and the lists in use. Its generation is told by both.
    fn epoch(&mut self, held: Arc<Held>) -> Arc<Epoch> {
        let mut signatures = held.0.signatures().clone();
        signatures.id = together(signatures.id, &self.lists);
        let lists = self.lent.lend(&self.lists);
        Arc::new(Epoch::new(signatures, Some(Arc::new(Served { held, lists }))))
    }

    /// Those that were published already stay the same epochs, unless the lists are `new`.
    fn publish_all(&mut self, published: &Published, held: &[(GenerationId, Arc<Held>)], new: bool) {
        let before = if new { Vec::new() } else { published.loads.borrow().epochs.clone() };
        let of = |epoch: &Arc<Epoch>, held: &Arc<Held>| {
            epoch.hold::<Served>().is_some_and(|served| Arc::ptr_eq(&served.held, held))
        };
        let epochs: Vec<_> = held
            .iter()
            .map(|(id, held)| {
                let known = before.iter().find(|(_, epoch)| of(epoch, held));
                (*id, known.map_or_else(|| self.epoch(Arc::clone(held)), |(_, epoch)| Arc::clone(epoch)))
            })
            .collect();
        let first = epochs.first().map(|(_, epoch)| Arc::clone(epoch));
        published.tell(|loads| loads.epochs = epochs);
        let current = published.current.load_full();
        match first {
            Some(first) if current.is_none_or(|current| !Arc::ptr_eq(&current, &first)) => {
                published.publish(&first);
            }
            Some(_) => {}
            None => {
                published.current.store(None);
                published.epochs.send_replace(None);
            }
        }
    }
}

fn held_of(published: &Published) -> Vec<(GenerationId, Arc<Held>)> {
    let loads = published.loads.borrow();
    let held = |epoch: &Arc<Epoch>| epoch.hold::<Served>().map(|served| Arc::clone(&served.held));
    loads.epochs.iter().filter_map(|(id, epoch)| Some((*id, held(epoch)?))).collect()
}

// === impl Served ===

impl Served {
    /// What objects are looked up in.
    pub(crate) fn lists(&self) -> Arc<Lists> {
        self.lists.load_full()
    }
}

// === impl Lent ===

impl Lent {
    /// For another epoch. Transactions hold theirs as long as they take, which may be for ever, and lists
    /// may be large: those that began before too many changes are judged by the lists of now.
    fn lend(&mut self, lists: &Arc<Lists>) -> Arc<ArcSwap<Lists>> {
        self.0.retain(|lent| lent.strong_count() > 0);
        let older: Vec<_> = self.0.iter().filter_map(Weak::upgrade).collect();
        let is_older = |lent: &&Arc<ArcSwap<Lists>>| !Arc::ptr_eq(&lent.load(), lists);
        let older: Vec<_> = older.iter().filter(is_older).collect();
        for lent in &older[..older.len().saturating_sub(MAX_OLDER)] {
            lent.store(Arc::clone(lists));
        }
        let lent = Arc::new(ArcSwap::new(Arc::clone(lists)));
        self.0.push(Arc::downgrade(&lent));
        lent
    }
}

/// What tells signatures and lists from others; without lists it is the signatures alone.
fn together(signatures: GenerationId, lists: &Lists) -> GenerationId {
    let Some(identity) = lists.identity() else { return signatures };
    let mut hasher = blake3::Hasher::new_derive_key("icapstan signatures and hash lists v1");
    hasher.update(&signatures.0);
    hasher.update(&identity.0);
    GenerationId(*hasher.finalize().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transactions_that_never_end_keep_no_more_than_a_few_lists_in_memory() {
        let mut lent = Lent::default();
        let mut held = Vec::new();
        let mut made = Vec::new();
        for _ in 0..20 {
            let lists = Arc::new(Lists::NONE);
            held.push(lent.lend(&lists));
            // New signatures with the same lists are another epoch and no older lists.
            held.push(lent.lend(&lists));
            made.push(Arc::downgrade(&lists));
        }
        let alive = made.iter().filter(|lists| lists.strong_count() > 0).count();
        assert!((1..=1 + MAX_OLDER).contains(&alive), "{alive}");
        let current = made.last().and_then(Weak::upgrade).unwrap();
        assert!(Arc::ptr_eq(&held[0].load(), &current), "the oldest has the lists of now");
        assert!(Arc::ptr_eq(&held[39].load(), &current));
        let before = made[18].upgrade().unwrap();
        assert!(Arc::ptr_eq(&held[37].load(), &before), "one change ago it was another");
        held.clear();
        drop(lent.lend(&Arc::default()));
        assert_eq!(lent.0.len(), 1, "what nobody holds is forgotten");
    }
}
