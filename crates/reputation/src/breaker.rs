//! Leaves a service alone that fails again and again.
//!
//! ```text
//!             MOST_FAILURES in a row            after the back-off: one lookup
//!  closed ──────────────────────────▶ open ─────────────────────────────────▶ probing
//!    ▲                                  ▲            it fails: twice as long      │
//!    │                                  └─────────────────────────────────────────┤
//!    └────────────────────────────────────────────────────────── it succeeds ─────┘
//! ```

use icapstan_metrics::{Gauges, label};
use parking_lot::Mutex;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// So many failures in a row are enough.
const MOST_FAILURES: u32 = 5;
/// How long the service is left alone first.
const FIRST: Duration = Duration::from_secs(1);
/// And at most.
const LONGEST: Duration = Duration::from_secs(30);

label! {
    /// How it stands.
    pub(crate) enum Standing as "state" {
        /// The service is asked.
        Closed = "closed",
        /// It is not.
        Open = "open",
        /// One lookup is to tell.
        Probing = "probing",
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Breaker(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: Mutex<State>,
    standings: Gauges<Standing>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Closed { failures: u32 },
    Open { until: Instant, pause: Duration },
    Probing { pause: Duration },
}

/// The right to one lookup. To be settled; dropped unsettled it counts as neither, but a probe as failed.
#[derive(Debug)]
pub(crate) struct Admission {
    inner: Arc<Inner>,
    is_probe: bool,
    is_settled: bool,
}

// === impl Breaker ===

impl Breaker {
    pub(crate) fn new(standings: Gauges<Standing>) -> Self {
        standings.inc(Standing::Closed);
        Self(Arc::new(Inner { state: Mutex::new(State::Closed { failures: 0 }), standings }))
    }

    /// `None`: the service is not to be asked now.
    pub(crate) fn admit(&self) -> Option<Admission> {
        let mut state = self.0.state.lock();
        let is_probe = match *state {
            State::Closed { .. } => false,
            State::Open { until, pause } if Instant::now() >= until => {
                self.0.enter(&mut state, State::Probing { pause });
                true
            }
            State::Open { .. } | State::Probing { .. } => return None,
        };
        Some(Admission { inner: Arc::clone(&self.0), is_probe, is_settled: false })
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Settings may have been changed, and another one be in its place.
        self.standings.dec(self.state.get_mut().standing());
    }
}

// === impl Inner ===

impl Inner {
    fn enter(&self, state: &mut State, next: State) {
        self.standings.dec(state.standing());
        self.standings.inc(next.standing());
        *state = next;
    }

    fn open(&self, state: &mut State, pause: Duration) {
        // Not all processes shall come back at the same time.
        let chance = u32::try_from(RandomState::new().hash_one(0u8) % 1024).unwrap_or_default();
        let until = Instant::now() + pause / 2 + pause / 2 * chance / 1024;
        self.enter(state, State::Open { until, pause });
    }
}

// === impl State ===

impl State {
    const fn standing(self) -> Standing {
        match self {
            Self::Closed { .. } => Standing::Closed,
            Self::Open { .. } => Standing::Open,
            Self::Probing { .. } => Standing::Probing,
        }
    }
}

// === impl Admission ===

impl Admission {
    /// The service answered in time.
    pub(crate) fn succeeded(mut self) {
        self.is_settled = true;
        let mut state = self.inner.state.lock();
        match *state {
            State::Closed { ref mut failures } => *failures = 0,
            State::Probing { .. } if self.is_probe => {
                self.inner.enter(&mut state, State::Closed { failures: 0 });
            }
            // From before: the probe is to tell.
            _ => {}
        }
    }

    /// It did not.
    pub(crate) fn failed(mut self) {
        self.fail();
    }

    fn fail(&mut self) {
        self.is_settled = true;
        let mut state = self.inner.state.lock();
        match *state {
            State::Closed { failures } if failures + 1 >= MOST_FAILURES => {
                self.inner.open(&mut state, FIRST);
            }
            State::Closed { ref mut failures } => *failures += 1,
            State::Probing { pause } if self.is_probe => {
                self.inner.open(&mut state, (2 * pause).min(LONGEST));
            }
            _ => {}
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if !self.is_settled && self.is_probe {
            self.fail();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use icapstan_metrics::Families;
    use prometheus::Registry;

    fn breaker() -> (Breaker, Gauges<Standing>) {
        let standings: Gauges<Standing> = Families::of(&Registry::new()).gauges("icapstan_x", "X.").unwrap();
        (Breaker::new(standings.clone()), standings)
    }

    fn fail(breaker: &Breaker, times: u32) {
        for _ in 0..times {
            breaker.admit().unwrap().failed();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn failures_in_a_row_open_it_and_one_success_between_them_does_not() {
        let (breaker, standings) = breaker();
        for _ in 0..3 {
            fail(&breaker, MOST_FAILURES - 1);
            breaker.admit().unwrap().succeeded();
        }
        assert_eq!(standings.get(Standing::Closed), 1);
        fail(&breaker, MOST_FAILURES);
        assert!(breaker.admit().is_none());
        assert_eq!((standings.get(Standing::Closed), standings.get(Standing::Open)), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn one_lookup_at_a_time_tries_again_ever_more_seldom() {
        let (breaker, standings) = breaker();
        let late = breaker.admit().unwrap();
        fail(&breaker, MOST_FAILURES);
        let mut pauses = Vec::new();
        for _ in 0..8 {
            let begin = Instant::now();
            let probe = loop {
                if let Some(probe) = breaker.admit() {
                    break probe;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            };
            assert!(breaker.admit().is_none(), "there is one");
            assert_eq!(standings.get(Standing::Probing), 1);
            pauses.push(begin.elapsed());
            // One that is lost counts as well.
            if pauses.len() % 2 == 0 { drop(probe) } else { probe.failed() }
        }
        assert!(pauses[0] >= FIRST / 2 && pauses.iter().all(|pause| *pause <= LONGEST + FIRST), "{pauses:?}");
        assert!(pauses[7] >= LONGEST / 2, "{pauses:?}");
        late.succeeded();
        assert!(breaker.admit().is_none(), "what was asked before tells nothing");
        tokio::time::sleep(LONGEST).await;
        breaker.admit().unwrap().succeeded();
        assert!(breaker.admit().is_some() && breaker.admit().is_some());
        assert_eq!(standings.get(Standing::Closed), 1);
        drop(breaker);
    }
}
