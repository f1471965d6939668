//! What this process was told of objects that take workers.

use super::record::PoisonRecord;
use icapstan_model::PoisonMark;
use parking_lot::Mutex;
use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::time::Instant;

type Key = [u8; 32];

/// A bounded number of objects, each until its time is over. The oldest go first.
#[derive(Debug)]
pub(super) struct Known {
    most: usize,
    /// What `state` holds, to be asked without its lock.
    count: AtomicUsize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    entries: HashMap<Key, Entry>,
    /// In the order of their end.
    order: BTreeSet<(Instant, Key)>,
    /// How many there are of each length.
    lengths: HashMap<u64, u32>,
}

#[derive(Debug)]
struct Entry {
    at: u64,
    until: Instant,
    len: u64,
    mark: PoisonMark,
}

// === impl Known ===

impl Known {
    pub(super) fn new(most: usize) -> Self {
        Self { most, count: AtomicUsize::new(0), state: Mutex::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    pub(super) fn has_length(&self, len: u64) -> bool {
        self.len() > 0 && self.state.lock().lengths.contains_key(&len)
    }

    pub(super) fn get(&self, key: &Key) -> Option<PoisonMark> {
        let state = self.state.lock();
        let entry = state.entries.get(key).filter(|entry| entry.until > Instant::now())?;
        Some(entry.mark.clone())
    }

    /// Learns what was said. False if something later, or the same, is known. That somebody was suspected for nothing
    /// is kept as well: it is later than what is told anew of the suspicion.
    pub(super) fn learn(&self, key: Key, record: PoisonRecord, left: Duration) -> bool {
        let mut state = self.state.lock();
        if state.entries.get(&key).is_some_and(|entry| entry.at >= record.at) {
            return false;
        }
        state.remove(&key);
        let PoisonRecord { at, len, mark, .. } = record;
        state.insert(key, Entry { at, until: Instant::now() + left, len, mark });
        self.tidy(&mut state);
        true
    }

    /// Forgets what is over.
    pub(super) fn expire(&self) {
        self.tidy(&mut self.state.lock());
    }

    fn tidy(&self, state: &mut State) {
        let now = Instant::now();
        while let Some(&(until, key)) = state.order.first() {
            if until > now && state.entries.len() <= self.most {
                break;
            }
            state.remove(&key);
        }
        self.count.store(state.entries.len(), Ordering::Relaxed);
    }
}

// === impl State ===

impl State {
    fn insert(&mut self, key: Key, entry: Entry) {
        self.order.insert((entry.until, key));
        *self.lengths.entry(entry.len).or_default() += 1;
        self.entries.insert(key, entry);
    }

    fn remove(&mut self, key: &Key) {
        let Some(entry) = self.entries.remove(key) else { return };
        self.order.remove(&(entry.until, *key));
        if let Some(count) = self.lengths.get_mut(&entry.len) {
            *count -= 1;
            if *count == 0 {
                self.lengths.remove(&entry.len);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn said(at: u64, mark: PoisonMark) -> PoisonRecord {
        PoisonRecord { at, ttl: MINUTE, len: 9, mark }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_said_last_counts_until_its_time_is_over() {
        let known = Known::new(10);
        assert!(!known.has_length(9) && known.get(&[1; 32]).is_none());
        assert!(known.learn([1; 32], said(5, PoisonMark::Suspect), MINUTE));
        assert!(!known.learn([1; 32], said(5, PoisonMark::Suspect), MINUTE), "the same gives no more time");
        assert!(known.has_length(9) && !known.has_length(8));
        assert!(known.learn([1; 32], said(7, PoisonMark::Innocent), MINUTE));
        assert!(!known.learn([1; 32], said(6, PoisonMark::Suspect), MINUTE));
        assert_eq!(known.get(&[1; 32]), Some(PoisonMark::Innocent));
        tokio::time::advance(MINUTE).await;
        assert_eq!(known.get(&[1; 32]), None);
        known.expire();
        assert_eq!((known.len(), known.has_length(9)), (0, false));
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_only_so_many_and_the_oldest_go() {
        let known = Known::new(3);
        for number in 0..5_u8 {
            let left = MINUTE + Duration::from_secs(number.into());
            assert!(known.learn([number; 32], said(1, PoisonMark::Suspect), left));
        }
        let found: Vec<_> = (0..5_u8).map(|number| known.get(&[number; 32]).is_some()).collect();
        assert_eq!(found, [false, false, true, true, true]);
        let state = known.state.lock();
        assert_eq!((state.order.len(), state.lengths[&9]), (3, 3));
    }
}
