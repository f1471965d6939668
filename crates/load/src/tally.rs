//! What is counted.

use crate::Moment;
use crate::judge::{Fault, Outcome};
use crate::latency::Latencies;
use std::collections::BTreeMap;

/// Counts of answers and failures, and latencies.
#[derive(Debug)]
pub(crate) struct Tally {
    window: Window,
    /// Right answers to what counts.
    pub(crate) requests: u64,
    /// Right answers that came in the window.
    pub(crate) in_window: u64,
    pub(crate) wrong: u64,
    pub(crate) reconnects: u64,
    pub(crate) latencies: Latencies,
    pub(crate) refused: u64,
    /// Of refusals.
    pub(crate) refusals: Latencies,
    pub(crate) bytes: Bytes,
    faults: [u64; Fault::COUNT],
    statuses: Vec<u64>,
}

/// Bytes on the wire, of all connections that ask.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bytes {
    pub(crate) sent: u64,
    pub(crate) received: u64,
}

/// What counts: in a closed loop what happens in the window, in an open loop what was meant to be sent
/// in it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) start: Moment,
    pub(crate) end: Moment,
    pub(crate) by_intention: bool,
}

// === impl Window ===

impl Window {
    /// A window that has not come.
    pub(crate) fn ahead(by_intention: bool) -> Self {
        Self { start: Moment::NEVER, end: Moment::NEVER, by_intention }
    }

    pub(crate) fn contains(&self, moment: Moment) -> bool {
        (self.start..self.end).contains(&moment)
    }

    pub(crate) fn counts(&self, intended: Moment, now: Moment) -> bool {
        self.contains(if self.by_intention { intended } else { now })
    }
}

// === impl Bytes ===

impl std::ops::Sub for Bytes {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        Self { sent: self.sent - earlier.sent, received: self.received - earlier.received }
    }
}

// === impl Tally ===

impl Tally {
    pub(crate) fn new(by_intention: bool) -> Self {
        Self {
            window: Window::ahead(by_intention),
            requests: 0,
            in_window: 0,
            wrong: 0,
            reconnects: 0,
            latencies: Latencies::default(),
            refused: 0,
            refusals: Latencies::default(),
            bytes: Bytes::default(),
            faults: [0; Fault::COUNT],
            statuses: vec![0; 600],
        }
    }

    pub(crate) fn open_window(&mut self, start: Moment, end: Moment) {
        self.window = Window { start, end, by_intention: self.window.by_intention };
    }

    pub(crate) fn window(&self) -> &Window {
        &self.window
    }

    /// A complete final answer.
    pub(crate) fn answer(&mut self, outcome: Outcome, status: u16, intended: Moment, now: Moment) {
        if outcome == Outcome::Right && self.window.contains(now) {
            self.in_window += 1;
        }
        if !self.window.counts(intended, now) {
            return;
        }
        self.statuses[usize::from(status)] += 1;
        match outcome {
            Outcome::Right => {
                self.requests += 1;
                self.latencies.record(now.nanos_since(intended));
            }
            Outcome::Refused => {
                self.refused += 1;
                self.refusals.record(now.nanos_since(intended));
            }
            Outcome::Wrong => self.wrong += 1,
            Outcome::Fault(fault) => self.faults[fault as usize] += 1,
        }
    }

    /// A request that gets no answer.
    pub(crate) fn failure(&mut self, fault: Fault, intended: Moment, now: Moment) {
        if self.window.counts(intended, now) {
            self.faults[fault as usize] += 1;
        }
    }

    pub(crate) fn reconnect(&mut self, now: Moment) {
        self.reconnects += u64::from(self.window.contains(now));
    }

    /// Those that happened.
    pub(crate) fn faults(&self) -> BTreeMap<Fault, u64> {
        Fault::ALL.into_iter().zip(self.faults).filter(|&(_, count)| count > 0).collect()
    }

    /// Those that came.
    pub(crate) fn statuses(&self) -> BTreeMap<String, u64> {
        let counts = self.statuses.iter().enumerate().filter(|&(_, &count)| count > 0);
        counts.map(|(status, &count)| (status.to_string(), count)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    const START: Moment = Moment::from_nanos(1_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    fn tally(by_intention: bool) -> Tally {
        let mut tally = Tally::new(by_intention);
        tally.open_window(START, START + SECOND);
        tally
    }

    #[test]
    fn an_open_loop_counts_from_the_intended_time_and_by_it() {
        let mut tally = tally(true);
        // Meant for the window's last millisecond, answered two seconds later.
        let intended = START + Duration::from_millis(999);
        tally.answer(Outcome::Right, 204, intended, intended + SECOND * 2);
        // Meant for the warm-up, answered in the window.
        tally.answer(Outcome::Right, 204, Moment::from_nanos(999_999_999), START + SECOND / 2);
        assert_eq!((tally.requests, tally.in_window), (1, 1));
        let seen = tally.latencies.percentiles().unwrap();
        assert!((seen.max / 2e6 - 1.0).abs() < 0.001, "{seen:?}");
    }

    #[test]
    fn a_closed_loop_counts_what_comes_in_the_window() {
        let mut tally = tally(false);
        tally.answer(Outcome::Right, 204, START, START + SECOND);
        tally.answer(Outcome::Right, 204, Moment::from_nanos(0), START);
        tally.failure(Fault::Closed, START, START + SECOND);
        assert_eq!((tally.requests, tally.in_window), (1, 1));
        assert!(tally.faults().is_empty());
    }

    #[test]
    fn only_right_answers_are_requests_and_have_a_latency() {
        let mut tally = tally(false);
        tally.answer(Outcome::Wrong, 200, START, START);
        tally.answer(Outcome::Fault(Fault::Status), 503, START, START);
        tally.answer(Outcome::Refused, 503, START, START);
        tally.failure(Fault::Reset, START, START);
        assert_eq!((tally.requests, tally.wrong, tally.latencies.count()), (0, 1, 0));
        assert_eq!((tally.refused, tally.refusals.count()), (1, 1));
        assert_eq!(tally.faults(), [(Fault::Reset, 1), (Fault::Status, 1)].into());
        assert_eq!(tally.statuses(), [("200".to_owned(), 1), ("503".to_owned(), 2)].into());
    }
}
