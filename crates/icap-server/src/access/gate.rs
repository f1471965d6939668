//! Bounds on the work for passwords that may be wrong.

use crate::network::subscriber;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Who may have a password checked, and when.
#[derive(Debug)]
pub(crate) struct Gate {
    workers: Arc<Semaphore>,
    waiting: AtomicUsize,
    failures: Arc<Mutex<HashMap<IpAddr, Failures>>>,
}

/// Whether a password is checked.
pub(super) enum Entry {
    Open(Pass),
    TooManyFailures,
    Busy,
}

/// The right to have one password checked.
pub(super) struct Pass {
    _worker: OwnedSemaphorePermit,
    failures: Arc<Mutex<HashMap<IpAddr, Failures>>>,
    address: IpAddr,
}

/// What an address still may get wrong.
#[derive(Clone, Copy, Debug)]
struct Failures {
    left: u32,
    since: Instant,
}

/// So many requests wait for the check of their password.
const MAX_WAITING: usize = 64;
/// So many failures in a row may an address have.
const BURST: u32 = 10;
/// After this time it may have one more.
const REFILL: Duration = Duration::from_secs(2);
/// So many addresses are remembered. Those beyond are only bounded by the number of checks at once.
const MAX_ADDRESSES: usize = 4096;

// === impl Gate ===

impl Gate {
    /// Waits for its turn. Counts as a failure until [`Pass::give_back`].
    pub(super) async fn enter(&self, address: IpAddr) -> Entry {
        let address = subscriber(address);
        if !self.take(address) {
            return Entry::TooManyFailures;
        }
        let Some(_waiting) = Waiting::new(&self.waiting) else {
            put_back(&self.failures, address);
            return Entry::Busy;
        };
        match Arc::clone(&self.workers).acquire_owned().await {
            Ok(worker) => {
                Entry::Open(Pass { _worker: worker, failures: Arc::clone(&self.failures), address })
            }
            // It is never closed.
            Err(_) => Entry::Busy,
        }
    }

    fn take(&self, address: IpAddr) -> bool {
        let now = Instant::now();
        let mut failures = self.failures.lock();
        if failures.len() >= MAX_ADDRESSES && !failures.contains_key(&address) {
            failures.retain(|_, failures| failures.refilled(now).left < BURST);
            if failures.len() >= MAX_ADDRESSES {
                return true;
            }
        }
        let entry = failures.entry(address).or_insert(Failures { left: BURST, since: now });
        *entry = entry.refilled(now);
        if entry.left == 0 {
            return false;
        }
        entry.left -= 1;
        true
    }
}

impl Default for Gate {
    fn default() -> Self {
        // Half of the processors, at least one: the rest goes on with requests.
        let workers = std::thread::available_parallelism().map_or(1, usize::from) / 2;
        Self {
            workers: Arc::new(Semaphore::new(workers.max(1))),
            waiting: AtomicUsize::new(0),
            failures: Arc::default(),
        }
    }
}

fn put_back(failures: &Mutex<HashMap<IpAddr, Failures>>, address: IpAddr) {
    if let Some(entry) = failures.lock().get_mut(&address) {
        entry.left = (entry.left + 1).min(BURST);
    }
}

// === impl Pass ===

impl Pass {
    /// The password was right.
    pub(super) fn give_back(self) {
        put_back(&self.failures, self.address);
    }
}

// === impl Failures ===

impl Failures {
    fn refilled(self, now: Instant) -> Self {
        let steps = now.saturating_duration_since(self.since).as_millis() / REFILL.as_millis();
        let steps = u32::try_from(steps).unwrap_or(u32::MAX);
        match self.left.saturating_add(steps) {
            left if left >= BURST => Self { left: BURST, since: now },
            left => Self { left, since: self.since + REFILL * steps },
        }
    }
}

/// One of those that wait.
struct Waiting<'g>(&'g AtomicUsize);

// === impl Waiting ===

impl<'g> Waiting<'g> {
    fn new(waiting: &'g AtomicUsize) -> Option<Self> {
        let one = Self(waiting);
        (waiting.fetch_add(1, Ordering::AcqRel) < MAX_WAITING).then_some(one)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

    async fn fails(gate: &Gate, address: IpAddr) -> bool {
        matches!(gate.enter(address).await, Entry::Open(_))
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_may_fail_now_and_then_and_others_are_not_touched() {
        let gate = Gate::default();
        for _ in 0..BURST {
            assert!(fails(&gate, PEER).await);
        }
        assert!(!fails(&gate, PEER).await && !fails(&gate, "::ffff:192.0.2.7".parse().unwrap()).await);
        assert!(fails(&gate, IpAddr::from([192, 0, 2, 8])).await);
        tokio::time::advance(REFILL).await;
        assert!(fails(&gate, PEER).await && !fails(&gate, PEER).await);
        tokio::time::advance(REFILL * 100).await;
        for _ in 0..BURST {
            assert!(fails(&gate, PEER).await);
        }
        assert!(!fails(&gate, PEER).await);
    }

    #[tokio::test]
    async fn who_is_right_may_be_right_for_ever() {
        let gate = Gate::default();
        for _ in 0..10 * BURST {
            let Entry::Open(pass) = gate.enter(PEER).await else { panic!("it was right each time") };
            pass.give_back();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn few_are_checked_at_once_and_not_many_wait() {
        let gate = Arc::new(Gate::default());
        let workers = gate.workers.available_permits();
        let mut held = Vec::new();
        for last in 1..=workers {
            held.push(gate.enter(IpAddr::from([10, 0, 1, u8::try_from(last).unwrap()])).await);
        }
        let waiting: Vec<_> = (0..MAX_WAITING)
            .map(|last| {
                let gate = Arc::clone(&gate);
                let address = IpAddr::from([10, 0, 0, u8::try_from(last).unwrap()]);
                tokio::spawn(async move { fails(&gate, address).await })
            })
            .collect();
        while gate.waiting.load(Ordering::Relaxed) < MAX_WAITING {
            tokio::task::yield_now().await;
        }
        assert!(matches!(gate.enter(PEER).await, Entry::Busy));
        drop(held);
        for waited in waiting {
            assert!(waited.await.unwrap());
        }
        assert!(fails(&gate, PEER).await);
    }

    #[test]
    fn no_more_addresses_are_remembered_than_may_be() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let gate = Gate::default();
            for number in 0..2 * u32::try_from(MAX_ADDRESSES).unwrap() {
                assert!(gate.take(IpAddr::V4(number.into())));
            }
            assert!(gate.failures.lock().len() <= MAX_ADDRESSES);
        });
    }
}
