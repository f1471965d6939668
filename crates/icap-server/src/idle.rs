//! Idle connections, which give way to new ones before anybody is refused.
//!
//! ```text
//!  no request for a while ──▶ Resting: what the connection holds lies in the set
//!                              │ a byte comes, or its time is over: taken out again
//!  no session, no seat left ───┴▶ the longest idle one's is taken: it closes, with FIN
//! ```
//!
//! Who takes an entry out of the set owns what was in it, so that nothing is given twice. A
//! connection whose next request is already being read is not in the set or, if it lost the
//! race, asks for room like a new one: it gets its answer, never half of one.
//!
//! The cost: connections enter the set only after [`BUSY`] without a request, once for each such
//! pause; requests that follow each other sooner touch neither the set nor its lock. When more
//! than three quarters of the sessions are taken, it is [`BUSY_WHEN_NEARLY_FULL`].

use crate::server::Slot;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// So long the next request of a busy connection is waited for by the shortest way: with no look at
/// whether the server stops or somebody wants the place, and with buffers that are kept. Longer than
/// [`Timeouts::stop_idle`](crate::Timeouts::stop_idle).
pub(crate) const BUSY: Duration = Duration::from_secs(1);

/// The same where places are short. Long enough for a client that is about to go on.
pub(crate) const BUSY_WHEN_NEARLY_FULL: Duration = Duration::from_millis(100);

/// What a connection takes of the server's room.
#[derive(Debug, Default)]
pub(crate) struct Room {
    /// The right to be listened to.
    pub(crate) seat: Option<Slot>,
    /// The right to be served. Without it only OPTIONS is.
    pub(crate) slot: Option<Slot>,
}

/// All connections that are idle.
#[derive(Debug, Default)]
pub(crate) struct IdleSet(Mutex<Entries>);

/// An idle connection.
#[derive(Debug)]
pub(crate) struct Resting<'s> {
    set: &'s IdleSet,
    key: Key,
    served: bool,
    told: oneshot::Receiver<()>,
}

/// Since when, and a number that makes it unique.
type Key = (Instant, u64);

#[derive(Debug, Default)]
struct Entries {
    count: u64,
    /// The longest idle first.
    served: BTreeMap<Key, Entry>,
    /// Those without a session.
    waiting: BTreeMap<Key, Entry>,
}

#[derive(Debug)]
struct Entry {
    room: Room,
    /// Dropped when the place was taken.
    _tell: oneshot::Sender<()>,
}

// === impl IdleSet ===

impl IdleSet {
    /// Offers `room` to others, of a connection that was idle since then.
    pub(crate) fn rest(&self, room: &mut Room, since: Instant) -> Resting<'_> {
        let (tell, told) = oneshot::channel();
        let mut entries = self.0.lock();
        entries.count += 1;
        let key = (since, entries.count);
        let room = std::mem::take(room);
        let served = room.slot.is_some();
        entries.side(served).insert(key, Entry { room, _tell: tell });
        Resting { set: self, key, served, told }
    }

    /// The session of the connection that was idle for the longest time.
    pub(crate) fn take_slot(&self) -> Option<Slot> {
        let (_, entry) = self.0.lock().served.pop_first()?;
        entry.room.slot
    }

    /// The seat of the connection that was idle for the longest time, of those without a session if
    /// there are any.
    pub(crate) fn take_seat(&self) -> Option<Slot> {
        let mut entries = self.0.lock();
        loop {
            let (_, entry) = entries.waiting.pop_first().or_else(|| entries.served.pop_first())?;
            if entry.room.seat.is_some() {
                return entry.room.seat;
            }
        }
    }
}

// === impl Entries ===

impl Entries {
    fn side(&mut self, served: bool) -> &mut BTreeMap<Key, Entry> {
        if served { &mut self.served } else { &mut self.waiting }
    }
}

// === impl Resting ===

impl Resting<'_> {
    /// Ends when the place was taken.
    pub(crate) async fn replaced(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.told).await;
    }

    /// What the connection had; nothing if that was taken.
    pub(crate) fn end(mut self) -> Room {
        self.leave().unwrap_or_default()
    }

    fn leave(&mut self) -> Option<Room> {
        let mut entries = self.set.0.lock();
        entries.side(self.served).remove(&self.key).map(|entry| entry.room)
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    struct Counts {
        seats: Arc<AtomicUsize>,
        slots: Arc<AtomicUsize>,
    }

    impl Counts {
        fn new() -> Self {
            Self { seats: Arc::default(), slots: Arc::default() }
        }

        fn room(&self, served: bool) -> Room {
            let slot = if served { Slot::take(&self.slots, 99) } else { None };
            Room { seat: Slot::take(&self.seats, 99), slot }
        }

        fn taken(&self) -> (usize, usize) {
            (self.seats.load(Ordering::Relaxed), self.slots.load(Ordering::Relaxed))
        }
    }

    #[tokio::test]
    async fn the_longest_idle_one_gives_way_and_learns_of_it() {
        let (set, counts) = (IdleSet::default(), Counts::new());
        let now = Instant::now();
        let [mut late, mut early] = [5, 9].map(|seconds| {
            set.rest(&mut counts.room(true), now.checked_sub(Duration::from_secs(seconds)).unwrap_or(now))
        });
        assert_eq!(counts.taken(), (2, 2));
        let slot = set.take_slot();
        assert!(slot.is_some());
        early.replaced().await;
        assert_eq!(counts.taken(), (1, 2), "the session has a new owner, the seat is free");
        let lost = early.end();
        assert!(lost.seat.is_none() && lost.slot.is_none());
        assert!(tokio::time::timeout(Duration::from_millis(20), late.replaced()).await.is_err());
        let kept = late.end();
        assert!(kept.seat.is_some() && kept.slot.is_some());
        drop((slot, kept));
        assert_eq!(counts.taken(), (0, 0));
        assert!(set.take_slot().is_none() && set.take_seat().is_none());
    }

    #[tokio::test]
    async fn who_has_no_session_gives_its_seat_first() {
        let (set, counts) = (IdleSet::default(), Counts::new());
        let now = Instant::now();
        let mut served = set.rest(&mut counts.room(true), now);
        let mut waiting = set.rest(&mut counts.room(false), now + Duration::from_secs(1));
        assert!(set.take_seat().is_some());
        waiting.replaced().await;
        assert!(set.take_seat().is_some());
        served.replaced().await;
        assert_eq!(counts.taken(), (0, 0), "a session goes with its seat");
    }

    #[tokio::test]
    async fn who_is_gone_leaves_nothing_in_the_set() {
        let (set, counts) = (IdleSet::default(), Counts::new());
        drop(set.rest(&mut counts.room(true), Instant::now()));
        assert!(set.take_slot().is_none());
        assert_eq!(counts.taken(), (0, 0));
    }
}
