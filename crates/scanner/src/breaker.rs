//! What keeps objects that kill their workers from taking all of these.
//!
//! ```text
//!           more than so many crashes within the window
//!  closed ────────────────────────────────────────────▶ open: suspects one after the other
//!     ▲                                                   │  after a crash a pause,
//!     └──── no crash for as long as the window ───────────┘  and no second try
//! ```
//!
//! Suspects are objects of a class (type by their first bytes, and size) of which one has crashed within the
//! window. All others go on as if nothing were. Places of workers are filled again at once, since objects
//! that do no harm need them: it is the suspects who wait.

use icapstan_metrics::{Counter, Gauge};
use icapstan_model::{Object, Refusal};
use icapstan_sniff as sniff;
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::sealed::Source;

/// What is counted together.
const WINDOW: Duration = Duration::from_secs(10);

/// So many crashes within the window are borne for each worker.
const CRASHES_PER_WORKER: usize = 5;

/// After a crash no suspect begins for this long. To fork and prove a worker takes up to 35 ms, so that
/// crashes take a seventh of one processor.
const PAUSE: Duration = Duration::from_millis(250);

/// So many suspects wait. One more is refused.
const MOST_WAITING: usize = 256;

/// The largest object of each class of sizes but the last.
const SIZES: [u64; 3] = [4 << 10, 64 << 10, 1 << 20];

/// Opens when workers crash too often.
#[derive(Debug)]
pub(crate) struct Breaker {
    most: usize,
    turns: Arc<Semaphore>,
    waiting: AtomicUsize,
    is_open: AtomicBool,
    state: Mutex<State>,
    open: Gauge,
    held_back: Counter,
}

/// Of each object: what it looks like. There are few.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Class {
    /// The type by its first bytes.
    pub(crate) kind: &'static str,
    size: u8,
}

/// A suspect's turn: no other one is under way as long as any clone of this lives.
#[derive(Clone, Debug)]
pub(crate) struct Turn(
    #[expect(dead_code, reason = "given back when it is dropped")] Arc<OwnedSemaphorePermit>,
);

#[derive(Debug, Default)]
struct State {
    /// The latest, one more than are borne.
    crashes: VecDeque<Instant>,
    /// When an object of each class crashed last.
    classes: HashMap<Class, Instant>,
}

struct Waiting<'a>(&'a AtomicUsize);

// === impl Breaker ===

impl Breaker {
    pub(crate) fn new(workers: usize, open: Gauge, held_back: Counter) -> Self {
        Self {
            most: workers * CRASHES_PER_WORKER,
            turns: Arc::new(Semaphore::new(1)),
            waiting: AtomicUsize::new(0),
            is_open: AtomicBool::new(false),
            state: Mutex::default(),
            open,
            held_back,
        }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.is_open.load(Ordering::Relaxed)
    }

    /// Waits for the turn of a suspect. `None` for all others, and while the breaker is closed.
    ///
    /// Waits for half of the time left at most: the other half is for the scan.
    pub(crate) async fn admit(&self, object: &Object, deadline: Instant) -> Result<Option<Turn>, Refusal> {
        if !self.is_open() {
            return Ok(None);
        }
        let now = Instant::now();
        let class = Class::of(object);
        if !class.is_some_and(|class| self.is_suspect(class, now)) {
            return Ok(None);
        }
        self.held_back.inc();
        let _waiting = Waiting::begin(&self.waiting).ok_or(Refusal::QueueFull)?;
        let latest = now + deadline.saturating_duration_since(now) / 2;
        let permit = timeout_at(latest.into(), self.turns.clone().acquire_owned());
        let permit = permit.await.map_err(|_| Refusal::Hopeless)?.map_err(|_| Refusal::Hopeless)?;
        Ok(Some(Turn(Arc::new(permit))))
    }

    /// Takes note that a worker died of an object of this class, which had this turn.
    pub(crate) fn crashed(&self, class: Option<Class>, turn: Option<&Turn>, runtime: &Handle) {
        self.note(class, Instant::now());
        if let Some(turn) = turn.cloned() {
            runtime.spawn(async move {
                tokio::time::sleep(PAUSE).await;
                drop(turn);
            });
        }
    }

    /// Closes if there was no crash for long enough.
    pub(crate) fn look(&self, now: Instant) {
        let mut state = self.state.lock();
        state.forget(now);
        if self.is_open() && state.crashes.is_empty() {
            self.set(false);
            tracing::info!("Workers have stopped crashing; all objects are scanned as they come.");
        }
    }

    /// For `/readyz`, while it is open.
    pub(crate) fn text(&self) -> Option<String> {
        self.is_open().then(|| {
            let mut classes: Vec<_> = self.state.lock().classes.keys().map(|class| class.kind).collect();
            classes.sort_unstable();
            classes.dedup();
            format!(
                "Workers crash too often; objects like those that they crash of are scanned one after the other: {}",
                if classes.is_empty() { "of no known type".to_owned() } else { classes.join(", ") }
            )
        })
    }

    fn is_suspect(&self, class: Class, now: Instant) -> bool {
        let state = self.state.lock();
        state.classes.get(&class).is_some_and(|last| now.duration_since(*last) < WINDOW)
    }

    fn note(&self, class: Option<Class>, now: Instant) {
        let mut state = self.state.lock();
        state.forget(now);
        if state.crashes.len() > self.most {
            state.crashes.pop_front();
        }
        state.crashes.push_back(now);
        if let Some(class) = class {
            state.classes.insert(class, now);
        }
        if !self.is_open() && state.crashes.len() > self.most {
            self.set(true);
            tracing::error!(
                crashes = state.crashes.len(),
                within = ?WINDOW,
                "Workers crash too often. Objects like those that they crash of are scanned one after the other."
            );
        }
    }

    fn set(&self, is_open: bool) {
        self.is_open.store(is_open, Ordering::Relaxed);
        self.open.set(i64::from(is_open));
    }
}

// === impl Class ===

impl Class {
    /// `None` if the object cannot be read.
    pub(crate) fn of(object: &Object) -> Option<Self> {
        let head = Source::new(&object.content, object.len).head(sniff::PREFIX).ok()?;
        let size = SIZES.iter().filter(|most| object.len > **most).count();
        Some(Self { kind: sniff::media_type(&head), size: u8::try_from(size).unwrap_or(u8::MAX) })
    }
}

// === impl State ===

impl State {
    fn forget(&mut self, now: Instant) {
        while self.crashes.front().is_some_and(|crash| now.duration_since(*crash) >= WINDOW) {
            self.crashes.pop_front();
        }
        self.classes.retain(|_, last| now.duration_since(*last) < WINDOW);
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Option<Self> {
        let before = count.fetch_add(1, Ordering::Relaxed);
        let waiting = Self(count);
        (before < MOST_WAITING).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_metrics::Families;
    use icapstan_model::Content;
    use prometheus::Registry;

    fn breaker(workers: usize) -> Breaker {
        let registry = Registry::new();
        let make = Families::of(&registry);
        Breaker::new(workers, make.gauge("o", "o").unwrap(), make.counter("h", "h").unwrap())
    }

    fn object(bytes: &'static [u8]) -> Object {
        Object { content: Content::Memory(bytes.into()), len: bytes.len() as u64 }
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    /// So many crashes of what looks like `object`, at once.
    fn crash(breaker: &Breaker, object: &Object, count: usize, now: Instant) {
        for _ in 0..count {
            breaker.note(Class::of(object), now);
        }
    }

    #[tokio::test]
    async fn it_opens_beyond_its_bound_and_holds_suspects_alone() {
        let (breaker, bad, other) = (breaker(1), object(b"%PDF-1.7 a"), object(b"plain text"));
        crash(&breaker, &bad, 5, Instant::now());
        assert!(!breaker.is_open() && breaker.text().is_none());
        assert!(breaker.admit(&bad, soon()).await.unwrap().is_none());
        crash(&breaker, &bad, 1, Instant::now());
        assert!(breaker.is_open());
        assert!(breaker.text().unwrap().contains("application/pdf"), "{:?}", breaker.text());
        assert_eq!(breaker.open.get(), 1);
        assert!(breaker.admit(&other, soon()).await.unwrap().is_none());
        let turn = breaker.admit(&bad, soon()).await.unwrap().unwrap();
        assert!(breaker.admit(&other, soon()).await.unwrap().is_none());
        let begun = Instant::now();
        let refused = breaker.admit(&bad, begun + Duration::from_millis(100)).await;
        assert_eq!(refused.unwrap_err(), Refusal::Hopeless);
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(turn);
        assert!(breaker.admit(&bad, soon()).await.unwrap().is_some());
        assert_eq!(breaker.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_crash_the_next_suspect_waits_for_a_pause() {
        let (breaker, bad) = (breaker(1), object(b"%PDF-1.7 a"));
        crash(&breaker, &bad, 6, Instant::now());
        let turn = breaker.admit(&bad, soon()).await.unwrap();
        breaker.crashed(Class::of(&bad), turn.as_ref(), &Handle::current());
        drop(turn);
        let begun = tokio::time::Instant::now();
        assert!(breaker.admit(&bad, soon()).await.unwrap().is_some());
        assert!(begun.elapsed() >= PAUSE);
    }

    #[tokio::test]
    async fn more_suspects_than_may_wait_are_refused_at_once() {
        let (breaker, bad) = (breaker(1), object(b"%PDF-1.7 a"));
        crash(&breaker, &bad, 6, Instant::now());
        let _turn = breaker.admit(&bad, soon()).await.unwrap();
        let mut waiting: Vec<_> = (0..MOST_WAITING).map(|_| Box::pin(breaker.admit(&bad, soon()))).collect();
        for suspect in &mut waiting {
            assert!(tokio::time::timeout(Duration::ZERO, suspect).await.is_err());
        }
        assert_eq!(breaker.admit(&bad, soon()).await.unwrap_err(), Refusal::QueueFull);
        drop(waiting);
        assert_eq!(breaker.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn it_closes_by_itself_and_forgets_its_suspects() {
        let (breaker, bad) = (breaker(1), object(b"%PDF-1.7 a"));
        let begun = Instant::now();
        crash(&breaker, &bad, 1000, begun);
        assert_eq!(breaker.state.lock().crashes.len(), 6, "no more are kept than are counted");
        breaker.look(begun + WINDOW / 2);
        assert!(breaker.is_open());
        breaker.look(begun + WINDOW);
        assert!(!breaker.is_open() && breaker.text().is_none());
        assert_eq!(breaker.open.get(), 0);
        assert!(breaker.state.lock().classes.is_empty());
    }

    #[test]
    fn objects_of_other_sizes_and_types_are_other_classes() {
        let zeros = |len: usize| {
            Class::of(&Object { content: Content::Memory(vec![0; len].into()), len: len as u64 })
        };
        assert_eq!(zeros(10), zeros(4096));
        assert_ne!(zeros(10), zeros(4097));
        assert_eq!(zeros(1 << 21), zeros(3 << 21));
        assert_ne!(zeros(10), Class::of(&object(b"plain text")));
    }
}
