//! Who may be under way, and who is told at once that there is no hope.
//!
//! ```text
//!  enter ──(full? hopeless?)──▶ waiting ──ticket──▶ under way: decode, then scan
//! ```
//!
//! Two lanes: objects that may cost much never hold all tickets nor all workers, so that cheap ones
//! go on while a few dear ones are slow. The arithmetic of that is in `icapstan_balance::admission`.

pub(crate) use icapstan_balance::admission::Lane;
use icapstan_balance::admission::{Crew, LaneLoad, is_hopeless};
use icapstan_model::Refusal;
use prometheus::IntGauge;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The admission to one pool of workers.
#[derive(Debug)]
pub(crate) struct Queue {
    crew: Crew,
    length: usize,
    waiting: AtomicUsize,
    waiting_gauge: IntGauge,
    tickets: Arc<Semaphore>,
    dear_tickets: Arc<Semaphore>,
    cheap: Arc<Load>,
    dear: Arc<Load>,
}

/// The right to be under way. It is shared with whatever works for the object in another thread, since
/// that goes on when the scan is cancelled.
#[derive(Debug)]
pub(crate) struct Ticket {
    _dear: Option<OwnedSemaphorePermit>,
    _any: OwnedSemaphorePermit,
    entered: Entered,
}

/// Of one lane.
#[derive(Debug, Default)]
struct Load {
    /// Objects that have entered and not left.
    inside: AtomicUsize,
    /// Moving average of the time with a worker, in microseconds.
    average_us: AtomicU64,
}

#[derive(Debug)]
struct Entered(Arc<Load>);

struct Waiting<'a>(&'a Queue);

// === impl Queue ===

impl Queue {
    /// Dear objects get `workers` workers and `in_flight` tickets; cheap ones can have `spare` workers
    /// and as many tickets for each more.
    pub(crate) fn new(
        workers: usize,
        spare: usize,
        in_flight: usize,
        length: usize,
        waiting_gauge: IntGauge,
    ) -> Self {
        Self {
            crew: Crew { workers: workers + spare, dear_workers: workers },
            length,
            waiting: AtomicUsize::new(0),
            waiting_gauge,
            tickets: Arc::new(Semaphore::new(in_flight + spare * in_flight.div_ceil(workers.max(1)))),
            dear_tickets: Arc::new(Semaphore::new(in_flight)),
            cheap: Arc::default(),
            dear: Arc::default(),
        }
    }

    /// How many workers dear objects may have at once.
    pub(crate) fn dear_workers(&self) -> usize {
        self.crew.dear_workers
    }

    /// Waits for its turn. First come, first served.
    pub(crate) async fn enter(&self, lane: Lane, deadline: Instant) -> Result<Arc<Ticket>, Refusal> {
        let load = self.load(lane);
        let left = deadline.saturating_duration_since(Instant::now());
        if self.is_hopeless(lane, left) {
            return Err(Refusal::Hopeless);
        }
        let waiting = Waiting::begin(self, lane).ok_or(Refusal::QueueFull)?;
        let entered = Entered::begin(load.clone());
        let turn = async {
            let dear = match lane {
                Lane::Cheap => None,
                Lane::Dear => Some(self.dear_tickets.clone().acquire_owned().await),
            };
            (dear, self.tickets.clone().acquire_owned().await)
        };
        let (dear, any) =
            tokio::time::timeout_at(deadline.into(), turn).await.map_err(|_| Refusal::Hopeless)?;
        drop(waiting);
        Ok(Arc::new(Ticket {
            _dear: dear.transpose().map_err(|_| Refusal::Hopeless)?,
            _any: any.map_err(|_| Refusal::Hopeless)?,
            entered,
        }))
    }

    /// Whether an object that comes now, and has so much `time`, is refused.
    pub(crate) fn refusal(&self, lane: Lane, time: Duration) -> Option<Refusal> {
        if self.waiting.load(Ordering::Relaxed) >= self.places(lane) {
            return Some(Refusal::QueueFull);
        }
        self.is_hopeless(lane, time).then_some(Refusal::Hopeless)
    }

    fn is_hopeless(&self, lane: Lane, left: Duration) -> bool {
        is_hopeless(self.expected_wait(lane), left)
    }

    /// How many may wait. Who gets a free ticket needs no place in the queue.
    fn places(&self, lane: Lane) -> usize {
        let free = self.tickets.available_permits();
        self.length
            + match lane {
                Lane::Cheap => free,
                Lane::Dear => free.min(self.dear_tickets.available_permits()),
            }
    }

    /// How long an object that comes now will wait for a worker, as far as one can tell.
    fn expected_wait(&self, lane: Lane) -> Duration {
        self.crew.expected_wait(lane, self.cheap.now(), self.dear.now())
    }

    /// Waiting time of a cheap object that comes now; time that all that is inside will still take of the workers; and
    /// how much that is.
    pub(crate) fn backlog(&self) -> (Duration, Duration, usize) {
        let lanes = [&self.cheap, &self.dear];
        let inside = lanes.map(|load| load.inside.load(Ordering::Relaxed));
        let averages = lanes.map(|load| load.average_us.load(Ordering::Relaxed));
        let micros =
            inside.iter().zip(averages).map(|(inside, average)| average.saturating_mul(*inside as u64)).sum();
        (self.expected_wait(Lane::Cheap), Duration::from_micros(micros), inside.iter().sum())
    }

    fn load(&self, lane: Lane) -> &Arc<Load> {
        match lane {
            Lane::Cheap => &self.cheap,
            Lane::Dear => &self.dear,
        }
    }
}

// === impl Ticket ===

impl Ticket {
    /// Says how long the object had a worker.
    pub(crate) fn served(&self, took: Duration) {
        // A lost update among concurrent ones only makes the average a little older.
        let load = &self.entered.0;
        let old = load.average_us.load(Ordering::Relaxed);
        load.average_us.store(LaneLoad::averaged(old, took), Ordering::Relaxed);
    }
}

// === impl Load ===

impl Load {
    fn now(&self) -> LaneLoad {
        LaneLoad {
            inside: self.inside.load(Ordering::Relaxed),
            average_us: self.average_us.load(Ordering::Relaxed),
        }
    }
}

// === impl Entered ===

impl Entered {
    fn begin(load: Arc<Load>) -> Self {
        load.inside.fetch_add(1, Ordering::Relaxed);
        Self(load)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.0.inside.fetch_sub(1, Ordering::Relaxed);
    }
}

// === impl Waiting ===

impl<'a> Waiting<'a> {
    /// `None` if there is no place left.
    fn begin(queue: &'a Queue, lane: Lane) -> Option<Self> {
        let limit = queue.places(lane);
        let before = queue.waiting.fetch_add(1, Ordering::Relaxed);
        queue.waiting_gauge.inc();
        let waiting = Self(queue);
        (before < limit).then_some(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
        self.0.waiting_gauge.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn queue(workers: usize, in_flight: usize, length: usize) -> Queue {
        Queue::new(workers, 0, in_flight, length, IntGauge::new("w", "w").unwrap())
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_mins(1)
    }

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[tokio::test]
    async fn one_more_than_the_queue_holds_is_refused_at_once() {
        let queue = queue(1, 1, 2);
        let ticket = queue.enter(Lane::Cheap, soon()).await.unwrap();
        let mut first = pin!(queue.enter(Lane::Cheap, soon()));
        let mut second = pin!(queue.enter(Lane::Cheap, soon()));
        assert!(poll(first.as_mut()).is_pending());
        assert!(poll(second.as_mut()).is_pending());
        assert_eq!(queue.refusal(Lane::Cheap, Duration::from_mins(1)), Some(Refusal::QueueFull));
        assert_eq!(queue.enter(Lane::Cheap, soon()).await.unwrap_err(), Refusal::QueueFull);
        assert_eq!(queue.waiting_gauge.get(), 2);
        drop(ticket);
        let ticket = first.await.unwrap();
        assert!(poll(second.as_mut()).is_pending(), "first come, first served");
        drop(ticket);
        second.await.unwrap();
        assert_eq!(queue.waiting_gauge.get(), 0);
    }

    #[tokio::test]
    async fn with_no_queue_at_all_a_free_ticket_is_still_given() {
        let queue = queue(1, 1, 0);
        assert_eq!(queue.refusal(Lane::Cheap, Duration::from_mins(1)), None);
        let ticket = queue.enter(Lane::Cheap, soon()).await.unwrap();
        assert_eq!(queue.enter(Lane::Cheap, soon()).await.unwrap_err(), Refusal::QueueFull);
        drop(ticket);
        queue.enter(Lane::Cheap, soon()).await.unwrap();
    }

    #[tokio::test]
    async fn who_gives_up_leaves_no_trace() {
        let queue = queue(1, 1, 1);
        let ticket = queue.enter(Lane::Cheap, soon()).await.unwrap();
        for _ in 0..10 {
            let mut waiting = Box::pin(queue.enter(Lane::Cheap, soon()));
            assert!(poll(waiting.as_mut()).is_pending());
        }
        drop(ticket);
        assert_eq!(queue.waiting.load(Ordering::Relaxed), 0);
        assert_eq!(queue.cheap.inside.load(Ordering::Relaxed), 0);
        queue.enter(Lane::Cheap, soon()).await.unwrap();
    }

    #[tokio::test]
    async fn a_wait_that_would_use_up_the_time_left_is_refused_at_once() {
        let queue = queue(1, 1, 100);
        let ticket = queue.enter(Lane::Dear, soon()).await.unwrap();
        for _ in 0..100 {
            ticket.served(Duration::from_secs(2));
        }
        let mut waiting = pin!(queue.enter(Lane::Dear, soon()));
        assert!(poll(waiting.as_mut()).is_pending());
        let begin = Instant::now();
        let refused = queue.enter(Lane::Dear, begin + Duration::from_secs(7)).await;
        assert_eq!(refused.unwrap_err(), Refusal::Hopeless);
        assert!(begin.elapsed() < Duration::from_secs(1), "it did not wait");
        assert_eq!(queue.refusal(Lane::Dear, Duration::from_secs(7)), Some(Refusal::Hopeless));
        assert_eq!(queue.refusal(Lane::Cheap, Duration::from_secs(7)), None);
        assert_eq!(queue.refusal(Lane::Cheap, Duration::ZERO), Some(Refusal::Hopeless));
        assert!(
            queue.expected_wait(Lane::Cheap).is_zero(),
            "what dear objects take says nothing of cheap ones"
        );
        assert_eq!(queue.enter(Lane::Cheap, begin).await.unwrap_err(), Refusal::Hopeless, "no time left");
    }

    #[tokio::test]
    async fn dear_objects_never_hold_every_ticket() {
        let queue = Queue::new(1, 1, 2, 100, IntGauge::new("w", "w").unwrap());
        let _one = queue.enter(Lane::Dear, soon()).await.unwrap();
        let _two = queue.enter(Lane::Dear, soon()).await.unwrap();
        let mut third = pin!(queue.enter(Lane::Dear, soon()));
        assert!(poll(third.as_mut()).is_pending());
        let _further: Vec<_> = (1..100)
            .map(|_| {
                let mut waiting = Box::pin(queue.enter(Lane::Dear, soon()));
                assert!(poll(waiting.as_mut()).is_pending());
                waiting
            })
            .collect();
        let full = Some(Refusal::QueueFull);
        assert_eq!(
            queue.refusal(Lane::Dear, Duration::from_mins(1)),
            full,
            "free tickets of others are no places"
        );
        assert_eq!(queue.enter(Lane::Dear, soon()).await.unwrap_err(), Refusal::QueueFull);
        let _cheap = queue.enter(Lane::Cheap, soon()).await.unwrap();
        let _another = queue.enter(Lane::Cheap, soon()).await.unwrap();
        assert_eq!(queue.dear_workers(), 1);
    }
}
