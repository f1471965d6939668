//! What is under way, and what may be.

use icapstan_model::{Epoch, GenerationId, Refusal, ScanPort};
use icapstan_proto::scan;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::task::TaskTracker;

use super::plan::FollowedPlan;
use crate::convert;
use crate::metrics::ServerMetrics;

/// So long signatures that others took the place of can still be asked for: gateways ask for them until all
/// scanners have the others.
const GRACE: Duration = Duration::from_secs(15);
/// Names of gateways beyond this many share one account.
const MAX_GATEWAYS: usize = 1024;
/// The unit in which bytes are accounted.
const UNIT: u64 = 1024;

/// Admission, and what it knows.
pub(super) struct Books {
    jobs: AtomicU64,
    bytes: AtomicU64,
    most_jobs: u64,
    memory: Arc<Semaphore>,
    most_memory: u64,
    gateways: Mutex<HashMap<String, u64>>,
    metrics: ServerMetrics,
}

/// The right of one scan to be here.
pub(super) struct Entry {
    books: Arc<Books>,
    gateway: String,
    bytes: u64,
    _memory: OwnedSemaphorePermit,
}

/// How busy a server is, for who tells of it.
#[derive(Clone)]
pub struct Busy {
    books: Arc<Books>,
    port: Arc<dyn ScanPort>,
}

/// The signatures that can be asked for: those in use, and for a while those before.
#[derive(Clone)]
pub(super) struct Epochs {
    now: watch::Receiver<Option<Arc<Epoch>>>,
    before: Arc<Mutex<Option<Before>>>,
    /// What says it instead, if there is one.
    plan: Option<FollowedPlan>,
}

/// What others took the place of, and until when it can be asked for.
type Before = (Arc<Epoch>, Instant);

// === impl Books ===

impl Books {
    pub(super) fn new(jobs: usize, memory: u64, metrics: ServerMetrics) -> Arc<Self> {
        let units = usize::try_from(memory / UNIT).unwrap_or(usize::MAX).min(Semaphore::MAX_PERMITS);
        Arc::new(Self {
            jobs: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            most_jobs: jobs as u64,
            memory: Arc::new(Semaphore::new(units)),
            most_memory: memory,
            gateways: Mutex::default(),
            metrics,
        })
    }

    /// Lets a scan in, if there is room for it. While less than half of the room is taken anybody may have it;
    /// then each gateway no more than an equal part.
    pub(super) fn enter(self: &Arc<Self>, gateway: &str, bytes: u64) -> Result<Entry, Refusal> {
        let units = u32::try_from(bytes.div_ceil(UNIT)).map_err(|_| Refusal::QueueFull)?;
        let memory =
            Arc::clone(&self.memory).try_acquire_many_owned(units).map_err(|_| Refusal::QueueFull)?;
        let gateway = {
            let mut gateways = self.gateways.lock();
            let name =
                if gateways.len() >= MAX_GATEWAYS && !gateways.contains_key(gateway) { "" } else { gateway };
            let own = gateways.get(name).copied().unwrap_or(0);
            let others = gateways.len() as u64 - u64::from(own > 0);
            let all = self.jobs.load(Ordering::Relaxed);
            let is_unfair = all >= self.most_jobs / 2 && own >= self.most_jobs / (others + 1);
            if all >= self.most_jobs || is_unfair {
                return Err(Refusal::QueueFull);
            }
            *gateways.entry(name.to_owned()).or_default() += 1;
            self.jobs.fetch_add(1, Ordering::Relaxed);
            name.to_owned()
        };
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.metrics.jobs.inc();
        self.metrics.bytes.add(i64::try_from(bytes).unwrap_or(i64::MAX));
        Ok(Entry { books: Arc::clone(self), gateway, bytes, _memory: memory })
    }

    /// Whether an object of this size could ever be let in.
    pub(super) fn is_too_large(&self, bytes: u64) -> bool {
        bytes > self.most_memory
    }

    pub(super) fn jobs(&self) -> u64 {
        self.jobs.load(Ordering::Relaxed)
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let books = &self.books;
        books.jobs.fetch_sub(1, Ordering::Relaxed);
        books.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        books.metrics.jobs.dec();
        books.metrics.bytes.sub(i64::try_from(self.bytes).unwrap_or(i64::MAX));
        let mut gateways = books.gateways.lock();
        if let Some(own) = gateways.get_mut(&self.gateway) {
            *own = own.saturating_sub(1);
            if *own == 0 {
                gateways.remove(&self.gateway);
            }
        }
    }
}

// === impl Busy ===

impl Busy {
    pub(super) fn new(books: &Arc<Books>, port: &Arc<dyn ScanPort>) -> Self {
        Self { books: Arc::clone(books), port: Arc::clone(port) }
    }

    /// Scans that wait or are under way.
    pub fn jobs(&self) -> u64 {
        self.books.jobs()
    }

    /// Bytes of their objects.
    pub fn bytes(&self) -> u64 {
        self.books.bytes()
    }

    /// As it is told, and the backlog.
    pub(super) fn message(&self) -> (scan::Load, Duration) {
        let load = self.port.load();
        (convert::load_message(load, self.jobs(), self.bytes()), load.backlog)
    }
}

// === impl Epochs ===

impl Epochs {
    /// Keeps what is replaced for a while.
    pub(super) fn follow(
        now: watch::Receiver<Option<Arc<Epoch>>>,
        plan: Option<FollowedPlan>,
        tasks: &TaskTracker,
        mut draining: watch::Receiver<bool>,
    ) -> Self {
        let before = Arc::new(Mutex::new(None));
        let epochs = Self { now: now.clone(), before: Arc::clone(&before), plan };
        // A plan says itself for how long.
        if epochs.plan.is_some() {
            return epochs;
        }
        tasks.spawn(async move {
            let mut now = now;
            let mut known = now.borrow_and_update().clone();
            loop {
                let until = before.lock().as_ref().map(|(_, until): &Before| *until);
                tokio::select! {
                    changed = now.changed() => {
                        if changed.is_err() {
                            break;
                        }
                        let newer = now.borrow_and_update().clone();
                        if let Some(older) = std::mem::replace(&mut known, newer) {
                            *before.lock() = Some((older, Instant::now() + GRACE));
                        }
                    }
                    () = at(until) => *before.lock() = None,
                    _ = draining.wait_for(|is_draining| *is_draining) => break,
                }
            }
        });
        epochs
    }

    pub(super) fn current(&self) -> Option<Arc<Epoch>> {
        match &self.plan {
            Some(plan) => plan.standing.borrow().held.first().map(|(_, epoch)| Arc::clone(epoch)),
            None => self.now.borrow().clone(),
        }
    }

    /// The signatures that are asked for.
    pub(super) fn find(&self, generation: GenerationId) -> Option<Arc<Epoch>> {
        if let Some(plan) = &self.plan {
            let standing = plan.standing.borrow();
            let found = standing.held.iter().find(|(id, _)| *id == generation);
            return found.map(|(_, epoch)| Arc::clone(epoch));
        }
        let is_wanted = |epoch: &Arc<Epoch>| epoch.signatures.id == generation;
        self.current().filter(is_wanted).or_else(|| {
            let before = self.before.lock();
            before.as_ref().map(|(epoch, _)| epoch).filter(|epoch| is_wanted(epoch)).cloned()
        })
    }

    /// All of them, by what they are asked for by; those in use first.
    pub(super) fn held(&self) -> Vec<(GenerationId, Arc<Epoch>)> {
        if let Some(plan) = &self.plan {
            return plan.standing.borrow().held.clone();
        }
        let before = self.before.lock().as_ref().map(|(epoch, _)| Arc::clone(epoch));
        let Some(current) = self.current() else { return Vec::new() };
        let before = before.filter(|before| before.signatures.id != current.signatures.id);
        std::iter::once(current).chain(before).map(|epoch| (epoch.signatures.id, epoch)).collect()
    }

    /// The plan that is followed; 0 without one.
    pub(super) fn plan_generation(&self) -> u64 {
        self.plan.as_ref().map_or(0, |plan| plan.standing.borrow().plan_generation)
    }

    pub(super) fn plan(&self) -> Option<&FollowedPlan> {
        self.plan.as_ref()
    }

    pub(super) fn changes(&self) -> watch::Receiver<Option<Arc<Epoch>>> {
        self.now.clone()
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time.into()).await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus::Registry;

    fn books(jobs: usize, memory: u64) -> Arc<Books> {
        Books::new(jobs, memory, ServerMetrics::register(&Registry::new()).unwrap())
    }

    #[test]
    fn who_asks_much_takes_no_more_than_a_fair_part_once_half_is_taken() {
        let books = books(20, 1 << 20);
        let mut greedy: Vec<_> = (0..12).map(|_| books.enter("greedy", 1)).collect();
        assert!(greedy.iter().all(Result::is_ok), "nobody else is there");
        let modest = books.enter("modest", 1).unwrap();
        // Two share twenty: ten for each.
        assert_eq!(books.enter("greedy", 1).err(), Some(Refusal::QueueFull));
        let others: Vec<_> = (0..7).map(|_| books.enter("modest", 1)).collect();
        assert!(others.iter().all(Result::is_ok));
        assert_eq!(books.enter("modest", 1).err(), Some(Refusal::QueueFull), "twenty are there");
        assert_eq!((books.jobs(), books.bytes()), (20, 20));
        drop((modest, others));
        greedy.truncate(1);
        assert!(books.enter("greedy", 1).is_ok());
        drop(greedy);
        assert_eq!((books.jobs(), books.bytes(), books.gateways.lock().len()), (0, 0, 0));
    }

    #[test]
    fn no_more_bytes_are_let_in_than_may_be_held() {
        let books = books(20, 8 << 10);
        let first = books.enter("one", 5 << 10).unwrap();
        assert_eq!(books.enter("one", 4 << 10).err(), Some(Refusal::QueueFull));
        assert_eq!(books.jobs(), 1);
        drop(first);
        assert!(books.enter("one", 4 << 10).is_ok());
        assert!(books.is_too_large(9 << 10) && !books.is_too_large(8 << 10));
        assert_eq!(books.enter("one", u64::MAX).err(), Some(Refusal::QueueFull));
    }

    #[test]
    fn names_of_gateways_are_bounded() {
        let books = books(100_000, 1 << 30);
        let entries: Vec<_> = (0..3000).map(|number| books.enter(&number.to_string(), 1).unwrap()).collect();
        assert!(books.gateways.lock().len() <= MAX_GATEWAYS + 1);
        drop(entries);
        assert_eq!(books.gateways.lock().len(), 0);
    }
}
