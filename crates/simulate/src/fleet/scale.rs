//! What is looked at ten times a second, and the autoscaler, which works as the one of Kubernetes does:
//! desired = ceil(sum of the signal / target), not for less than a tenth, down only to the most that was
//! wanted within a window.

use super::{Event, Fleet};
use crate::events::{MILLI, Micros};
use crate::figures::Figures;
use crate::load::{seconds_of, to_f64, to_u64};
use crate::plan::{Scaling, Signal};
use crate::scanner::State;
use std::collections::VecDeque;

const EVERY: Micros = 100 * MILLI;
/// A change by less is none.
const TOLERANCE: f64 = 0.1;

#[derive(Debug)]
pub(super) struct Samples {
    /// Old scanners that have still to be replaced.
    pub(super) to_replace: Vec<usize>,
    spread_sum: f64,
    spreads: u32,
    /// Since when more waits than could be done in a second.
    backlog_since: Option<Micros>,
    longest_backlog: Micros,
    /// Of the signal, since the autoscaler looked last.
    signal_sum: f64,
    signals: u32,
    wanted: VecDeque<(Micros, usize)>,
    last_change: i8,
    turns: u32,
    replicas: Option<(usize, usize)>,
}

// === impl Samples ===

impl Samples {
    pub(super) fn new() -> Self {
        Self {
            to_replace: Vec::new(),
            spread_sum: 0.0,
            spreads: 0,
            backlog_since: None,
            longest_backlog: 0,
            signal_sum: 0.0,
            signals: 0,
            wanted: VecDeque::new(),
            last_change: 0,
            turns: 0,
            replicas: None,
        }
    }

    pub(super) fn finish(&self, figures: &mut Figures) {
        figures.outstanding_spread = self.spread_sum / f64::from(self.spreads.max(1));
        figures.longest_backlog = seconds_of(self.longest_backlog);
        figures.turns = self.turns;
        figures.replicas = self.replicas.unwrap_or_default();
    }

    fn changed(&mut self, direction: i8) {
        if self.last_change != 0 && self.last_change != direction {
            self.turns += 1;
        }
        self.last_change = direction;
    }
}

// === impl Fleet ===

impl Fleet<'_> {
    pub(super) fn sample(&mut self) {
        let now = self.events.now();
        if now > self.end() {
            return;
        }
        self.events.after(EVERY, Event::Sample);
        let up = || self.scanners.iter().filter(|server| server.state == State::Up);
        let count = up().count();
        let plain = self.scanners.iter().zip(&self.nodes).filter(|(_, node)| node.is_plain);
        let inside: Vec<f64> = plain.map(|(server, _)| to_f64(server.inside() as u64)).collect();
        let mean = inside.iter().sum::<f64>() / to_f64(inside.len().max(1) as u64);
        let workers: f64 = up().map(|server| to_f64(server.crew.workers as u64)).sum();
        let waiting: f64 = up().map(|server| to_f64(server.waiting_work()) / 1e6).sum();
        let busy: f64 = up().map(|server| to_f64(server.running() as u64)).sum();
        let work: f64 = up().map(|server| server.report().work.as_secs_f64()).sum();
        let signal = match self.plan.scaling.map(|scaling| scaling.signal) {
            Some(Signal::Work) => work,
            Some(Signal::Demand) | None => busy + waiting / 5.0,
        };
        let samples = &mut self.samples;
        samples.signal_sum += signal;
        samples.signals += 1;
        // With hardly anything to do there is nothing to be balanced.
        if mean > 0.5 {
            samples.spread_sum += inside.iter().copied().fold(0.0, f64::max) / mean;
            samples.spreads += 1;
        }
        if waiting > workers {
            let since = *samples.backlog_since.get_or_insert(now);
            samples.longest_backlog = samples.longest_backlog.max(now - since);
        } else {
            samples.backlog_since = None;
        }
        let (least, most) = samples.replicas.unwrap_or((count, count));
        samples.replicas = Some((least.min(count), most.max(count)));
        for gateway in &self.gateways {
            let view = gateway.balancer.view();
            let ejected = view.ejected + view.probing;
            let share = to_f64(ejected as u64) / to_f64((ejected + view.ready).max(1) as u64);
            self.figures.most_ejected = self.figures.most_ejected.max(share);
            self.figures.least_ready = self.figures.least_ready.min(view.ready);
        }
    }

    pub(super) fn scale(&mut self) {
        let Some(scaling) = self.plan.scaling else { return };
        let now = self.events.now();
        if now > self.end() {
            return;
        }
        self.events.after(scaling.period_ms * MILLI, Event::Scale);
        let of_state =
            |state: State| self.scanners.iter().filter(move |server| server.state == state).count();
        let current = of_state(State::Up) + of_state(State::Starting);
        let wanted = self.wanted(scaling, current);
        if wanted > current {
            self.samples.changed(1);
            for _ in current..wanted {
                let new = self.add(State::Starting);
                self.bear(new);
            }
        } else if wanted < current {
            self.samples.changed(-1);
            // The newest first.
            let newest = (0..self.scanners.len()).rev();
            let up: Vec<_> = newest.filter(|&scanner| self.scanners[scanner].state == State::Up).collect();
            for &scanner in up.iter().take(current - wanted) {
                self.drain(scanner);
            }
        }
    }

    fn wanted(&mut self, scaling: Scaling, current: usize) -> usize {
        let now = self.events.now();
        let samples = &mut self.samples;
        let signal = samples.signal_sum / f64::from(samples.signals.max(1));
        (samples.signal_sum, samples.signals) = (0.0, 0);
        let exact = signal / scaling.target;
        let current_f = to_f64(current.max(1) as u64);
        let desired = if (exact / current_f - 1.0).abs() <= TOLERANCE {
            current
        } else {
            usize::try_from(to_u64(exact.ceil())).unwrap_or(scaling.most)
        };
        // Not more than twice as many at once.
        let desired = desired.min((current * 2).max(current + 4)).clamp(scaling.least, scaling.most);
        samples.wanted.push_back((now, desired));
        let window = scaling.down_window_ms * MILLI;
        while samples.wanted.front().is_some_and(|(at, _)| at + window < now) {
            samples.wanted.pop_front();
        }
        if desired >= current {
            return desired;
        }
        let most = samples.wanted.iter().map(|(_, wanted)| *wanted).max().unwrap_or(desired);
        most.min(current)
    }
}
