//! A place that does not keep up, or fails, is nobody's trouble but the thread's.

use super::*;
use crate::age::Identity;
use crate::id::Id;
use crate::metrics::Loss;
use bytes::Bytes;
use icapstan_model::{Content, Object};
use parking_lot::{Condvar, Mutex};
use prometheus::Registry;

/// Ends a test that would wait for ever.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a place does about each try.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    Takes,
    /// Says that this may pass, or not.
    Fails {
        may_pass: bool,
    },
    /// Says nothing, as a disk that hangs.
    Hangs,
}

#[derive(Default)]
struct Seen {
    tries: u32,
    manner: Option<Manner>,
}

/// A place that a test has in its hand.
#[derive(Clone, Default)]
struct Place(Arc<(Mutex<Seen>, Condvar)>);

struct Setup {
    place: Place,
    queue: Arc<Queue>,
    metrics: QuarantineMetrics,
}

// === impl Place ===

impl Place {
    fn becomes(&self, manner: Manner) {
        self.0.0.lock().manner = Some(manner);
        self.0.1.notify_all();
    }

    /// Waits until there were so many tries.
    fn tried(&self, count: u32) {
        let mut seen = self.0.0.lock();
        let late = self.0.1.wait_while_for(&mut seen, |seen| seen.tries < count, PATIENCE);
        assert!(!late.timed_out(), "{} of {count} tries", seen.tries);
    }
}

impl Store for Place {
    fn put(&mut self, _: &Id, record: &Record<'_>) -> Result<u64, Failed> {
        let mut seen = self.0.0.lock();
        seen.tries += 1;
        self.0.1.notify_all();
        self.0.1.wait_while(&mut seen, |seen| seen.manner == Some(Manner::Hangs));
        match seen.manner {
            Some(Manner::Fails { may_pass }) => {
                Err(Failed { cause: Failure::Unreachable, error: "no".to_owned(), may_pass })
            }
            _ => Ok(record.len),
        }
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }
}

// === impl Setup ===

impl Setup {
    fn start(manner: Manner) -> Self {
        let metrics = QuarantineMetrics::register(&Registry::new()).unwrap();
        let queue = Arc::new(Queue::new(3, 1000, metrics.clone()));
        let place = Place::default();
        place.becomes(manner);
        let keeper = Keeper {
            queue: Arc::clone(&queue),
            recipients: vec![Identity::generate().unwrap().recipient()],
            store: Box::new(place.clone()),
            metrics: metrics.clone(),
            voice: Voice::default(),
        };
        std::thread::spawn(move || keeper.run());
        Self { place, queue, metrics }
    }

    fn offer(&self) -> Result<(), Loss> {
        let content = Content::Memory(Bytes::from_static(b"x"));
        let object = Object { len: 1, content };
        let candidate = Candidate { object, metadata: Metadata::default(), hold: None };
        self.queue.push(Waiting { id: Id::new(SystemTime::now()).unwrap(), candidate })
    }

    fn until(&self, what: &str, wanted: impl Fn(&QuarantineMetrics) -> bool) {
        let begin = Instant::now();
        while !wanted(&self.metrics) {
            assert!(begin.elapsed() < PATIENCE, "{what}");
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

#[test]
fn a_place_that_hangs_holds_what_the_queue_may_and_nobody_else() {
    let setup = Setup::start(Manner::Hangs);
    setup.offer().unwrap();
    setup.place.tried(1);
    let begin = Instant::now();
    for _ in 0..3 {
        setup.offer().unwrap();
    }
    for _ in 0..1000 {
        assert!(matches!(setup.offer(), Err(Loss::QueueFull)));
    }
    assert!(begin.elapsed() < PATIENCE / 2);
    assert_eq!((setup.metrics.waiting.get(), setup.metrics.waiting_bytes.get()), (4, 4));
    setup.place.becomes(Manner::Takes);
    setup.until("all are stored", |metrics| metrics.stored.get() == 4);
    setup.place.becomes(Manner::Hangs);
    setup.offer().unwrap();
    setup.place.tried(5);
    // The end does not wait for it either.
    let by = Instant::now() + Duration::from_millis(20);
    setup.queue.stop(by);
    assert_eq!(setup.queue.join(by + Duration::from_millis(20)), 1);
    setup.place.becomes(Manner::Takes);
}

#[test]
fn what_may_pass_is_tried_again_and_nothing_else() {
    let setup = Setup::start(Manner::Fails { may_pass: false });
    setup.offer().unwrap();
    setup.until("it failed", |metrics| metrics.failed.get(Failure::Unreachable) == 1);
    assert_eq!((setup.place.0.0.lock().tries, setup.metrics.retries.get()), (1, 0));
    setup.place.becomes(Manner::Fails { may_pass: true });
    setup.offer().unwrap();
    setup.place.tried(3);
    setup.place.becomes(Manner::Takes);
    setup.until("it is stored", |metrics| metrics.stored.get() == 1);
    let tries = setup.place.0.0.lock().tries;
    assert_eq!(setup.metrics.retries.get(), u64::from(tries - 2));
    assert_eq!(setup.metrics.failed.get(Failure::Unreachable), 1);
    // No try begins once there is no time for it.
    setup.place.becomes(Manner::Fails { may_pass: true });
    setup.offer().unwrap();
    setup.place.tried(tries + 1);
    let by = Instant::now() + Duration::from_millis(50);
    setup.queue.stop(by);
    assert_eq!(setup.queue.join(by + PATIENCE), 0);
    assert_eq!(setup.metrics.failed.get(Failure::Unreachable), 2);
}
