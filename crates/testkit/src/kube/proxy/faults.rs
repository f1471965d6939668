//! Which faults there are at the moment.

use super::requests::{Seen, Which};
use crate::wait::PATIENCE;
use http::StatusCode;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::watch;

/// What tests change and connections follow.
#[derive(Debug, Default)]
pub(super) struct Faults {
    line: watch::Sender<Line>,
    silence: Mutex<Silence>,
    rules: Mutex<Vec<Rule>>,
    seen: Mutex<Vec<Seen>>,
    /// Whether there is a listener.
    listens: Mutex<bool>,
    listens_or_not: Condvar,
}

/// What holds for all connections.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    pub(super) refuses: bool,
    pub(super) delay: Duration,
    /// Raised to end the connections there are.
    pub(super) cuts: u64,
    /// Raised to end the watches there are.
    pub(super) watch_cuts: u64,
}

/// What becomes of a request.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Answer(StatusCode),
    DropAnswer,
    Hold(Arc<Hold>),
}

/// Where requests wait.
#[derive(Debug)]
pub(super) struct Hold {
    arrived: watch::Sender<usize>,
    fate: watch::Sender<Option<Fate>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Release,
    Lose,
}

/// Requests that are kept back. They go on when this is dropped.
#[derive(Debug)]
pub struct Held {
    faults: Arc<Faults>,
    hold: Arc<Hold>,
}

#[derive(Debug, Default)]
struct Silence {
    is_on: bool,
    waiting: Vec<Waker>,
}

#[derive(Debug)]
struct Rule {
    which: Which,
    fault: Fault,
    left: usize,
}

/// Requests kept of a test; one that sends more counts something else.
const MAX_SEEN: usize = 1_000_000;

// === impl Faults ===

impl Faults {
    pub(super) fn set(&self, change: impl FnOnce(&mut Line)) {
        self.line.send_modify(change);
    }

    pub(super) fn line(&self) -> watch::Receiver<Line> {
        self.line.subscribe()
    }

    /// Says that connections are taken from now on, or refused.
    pub(super) fn listens(&self, listens: bool) {
        *self.listens.lock() = listens;
        self.listens_or_not.notify_all();
    }

    /// Waits until that is so.
    pub(super) fn wait_until(&self, wanted: bool) {
        let mut listens = self.listens.lock();
        let left = self.listens_or_not.wait_while_for(&mut listens, |listens| *listens != wanted, PATIENCE);
        assert!(!left.timed_out(), "the proxy does not do what it is told");
    }

    pub(super) fn silence(&self, is_on: bool) {
        let mut silence = self.silence.lock();
        silence.is_on = is_on;
        if !is_on {
            silence.waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Ready unless nothing is to be said or heard.
    pub(super) fn poll_heard(&self, context: &Context<'_>) -> Poll<()> {
        let mut silence = self.silence.lock();
        if !silence.is_on {
            return Poll::Ready(());
        }
        if !silence.waiting.iter().any(|waker| waker.will_wake(context.waker())) {
            silence.waiting.push(context.waker().clone());
        }
        Poll::Pending
    }

    pub(super) fn add(&self, which: Which, fault: Fault, times: usize) {
        self.rules.lock().push(Rule { which, fault, left: times });
    }

    /// Forgets all rules but those of what is held.
    pub(super) fn clear(&self) {
        self.rules.lock().retain(|rule| matches!(rule.fault, Fault::Hold(_)));
    }

    /// Writes down a request: its number, and the fault that it has.
    pub(super) fn note(&self, request: Seen) -> (usize, Option<Fault>) {
        let mut rules = self.rules.lock();
        let found = rules.iter_mut().find(|rule| rule.left > 0 && rule.which.has(&request));
        let fault = found.map(|rule| {
            rule.left -= 1;
            rule.fault.clone()
        });
        rules.retain(|rule| rule.left > 0);
        // Under the same lock, so that who switches a fault on knows what came before by what was seen.
        let mut seen = self.seen.lock();
        if seen.len() < MAX_SEEN {
            seen.push(request);
        }
        (seen.len() - 1, fault)
    }

    pub(super) fn answered(&self, number: usize, status: StatusCode) {
        if let Some(seen) = self.seen.lock().get_mut(number) {
            seen.answer = Some(status.as_u16());
        }
    }

    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    pub(super) fn count(&self, which: &Which) -> usize {
        self.seen.lock().iter().filter(|seen| which.has(seen)).count()
    }
}

// === impl Hold ===

impl Hold {
    /// Waits; whether the request is to go on.
    pub(super) async fn pass(&self) -> bool {
        let mut fate = self.fate.subscribe();
        self.arrived.send_modify(|count| *count += 1);
        let decided = fate.wait_for(Option::is_some).await;
        decided.is_ok_and(|fate| *fate == Some(Fate::Release))
    }
}

// === impl Held ===

impl Held {
    pub(super) fn new(faults: &Arc<Faults>, which: Which) -> Self {
        let hold = Arc::new(Hold { arrived: watch::Sender::new(0), fate: watch::Sender::new(None) });
        faults.add(which, Fault::Hold(Arc::clone(&hold)), usize::MAX);
        Self { faults: Arc::clone(faults), hold }
    }

    /// How many requests have come.
    pub fn count(&self) -> usize {
        *self.hold.arrived.borrow()
    }

    /// Waits for the first one; panics when none comes within [`PATIENCE`].
    pub async fn arrived(&self) {
        let mut arrived = self.hold.arrived.subscribe();
        let waited = tokio::time::timeout(PATIENCE, arrived.wait_for(|count| *count > 0)).await;
        assert!(waited.is_ok(), "nothing came that was to be held");
    }

    /// Lets them go on, those too that who sent them does not wait for any more.
    pub fn release(self) {
        self.decide(Fate::Release);
    }

    /// Closes their connections; they never reach the server.
    pub fn lose(self) {
        self.decide(Fate::Lose);
    }

    fn decide(&self, fate: Fate) {
        let is_this = |rule: &Rule| matches!(&rule.fault, Fault::Hold(hold) if Arc::ptr_eq(hold, &self.hold));
        self.faults.rules.lock().retain(|rule| !is_this(rule));
        self.hold.fate.send_if_modified(|decided| {
            let is_first = decided.is_none();
            decided.get_or_insert(fate);
            is_first
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.decide(Fate::Release);
    }
}
