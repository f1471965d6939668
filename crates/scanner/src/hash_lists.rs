//! The lists that the digests of objects are looked up in, before an engine sees these.

mod build;
mod metrics;
mod watch;

pub use build::{BuiltHashLists, HashListError, build as build_hash_lists};
pub(crate) use metrics::ByKind;
pub use metrics::HashListMetrics;
pub use watch::{HashListWatcher, LoadedHashLists, WatchedHashLists};

use icapstan_hashes::Lists;
use icapstan_model::{Epoch, GenerationId};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};

use crate::loader::Published;
use crate::pool::Held;

/// The lists that objects are looked up in now. Others take their place while scans go on: each epoch has
/// those that it began with, and other lists are another epoch.
#[derive(Clone, Debug, Default)]
pub struct HashLists(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    lists: Arc<Lists>,
    /// Where epochs are published, once there is a scanner.
    published: Weak<Published>,
}

/// What an epoch decides by.
#[derive(Debug)]
pub(crate) struct Served {
    /// The workers.
    pub(crate) held: Arc<Held>,
    pub(crate) lists: Arc<Lists>,
}

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
            published.publish(&state.epoch(Arc::clone(&served.held)));
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
        let state = self.0.lock();
        published.publish(&state.epoch(Arc::new(held)));
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
    fn epoch(&self, held: Arc<Held>) -> Arc<Epoch> {
        let mut signatures = held.0.signatures.clone();
        signatures.id = together(signatures.id, &self.lists);
        Arc::new(Epoch::new(signatures, Some(Arc::new(Served { held, lists: Arc::clone(&self.lists) }))))
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
