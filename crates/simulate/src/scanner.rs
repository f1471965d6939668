//! A scanner: its admission and its workers. The arithmetic of admission is the product's own.

use crate::events::Micros;
use crate::load::Object;
use icapstan_balance::ReportedLoad;
use icapstan_balance::admission::{Crew, Lane, LaneLoad, is_hopeless};
use std::collections::VecDeque;
use std::time::Duration;

/// In what state a scanner is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// It loads its signatures.
    Starting,
    /// It serves.
    Up,
    /// It serves what it has and still gets, and then ends.
    Draining,
    /// It takes connections and bytes, and does nothing: a process that was stopped.
    Stopped,
    /// There is none.
    Gone,
}

/// One try of a job, as it is with a scanner.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Task {
    pub(crate) job: usize,
    pub(crate) attempt: u64,
    pub(crate) gateway: usize,
    pub(crate) object: Object,
    pub(crate) deadline: Micros,
}

#[derive(Debug)]
pub(crate) struct Scanner {
    pub(crate) state: State,
    /// It takes jobs and answers pings, and that is all.
    pub(crate) is_hung: bool,
    /// How much longer than usual it takes.
    pub(crate) slowness: f64,
    /// Counts its lives: what was scheduled in an earlier one does not happen.
    pub(crate) life: u32,
    pub(crate) crew: Crew,
    length: usize,
    tickets: usize,
    cheap: LaneState,
    dear: LaneState,
    /// What came while it was stopped.
    pub(crate) inbox: Vec<Task>,
    /// Work done, and since when it could have worked.
    pub(crate) busy: Micros,
    pub(crate) up_since: Micros,
    pub(crate) up: Micros,
}

#[derive(Debug, Default)]
struct LaneState {
    queue: VecDeque<Task>,
    running: usize,
    average_us: u64,
}

// === impl Scanner ===

impl Scanner {
    pub(crate) fn new(workers: usize, length: usize, state: State) -> Self {
        let crew = Crew { workers: workers + 1, dear_workers: workers };
        Self {
            state,
            is_hung: false,
            slowness: 1.0,
            life: 0,
            crew,
            length,
            tickets: 2 * workers + 2,
            cheap: LaneState::default(),
            dear: LaneState::default(),
            inbox: Vec::new(),
            busy: 0,
            up_since: 0,
            up: 0,
        }
    }

    pub(crate) fn serves(&self) -> bool {
        matches!(self.state, State::Up | State::Draining)
    }

    /// Everything that it had is lost.
    pub(crate) fn end(&mut self, now: Micros) {
        if self.state != State::Starting && self.state != State::Gone {
            self.up += now.saturating_sub(self.up_since);
        }
        self.state = State::Gone;
        self.life += 1;
        self.cheap = LaneState::default();
        self.dear = LaneState::default();
        self.inbox.clear();
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.inside() == 0
    }

    pub(crate) fn inside(&self) -> usize {
        self.cheap.load().inside + self.dear.load().inside
    }

    pub(crate) fn running(&self) -> usize {
        self.cheap.running + self.dear.running
    }

    /// What waits, as the scanner estimates it, in microseconds of one worker.
    pub(crate) fn waiting_work(&self) -> u64 {
        let of = |lane: &LaneState| lane.queue.len() as u64 * lane.average_us;
        of(&self.cheap) + of(&self.dear)
    }

    pub(crate) fn report(&self) -> ReportedLoad {
        self.crew.report(self.cheap.load(), self.dear.load())
    }

    /// Takes the task, or refuses it.
    pub(crate) fn enter(&mut self, task: Task, now: Micros) -> bool {
        let left = Duration::from_micros(task.deadline.saturating_sub(now));
        let wait = self.crew.expected_wait(task.object.lane, self.cheap.load(), self.dear.load());
        if self.inside() >= self.tickets + self.length || is_hopeless(wait, left) {
            return false;
        }
        self.lane(task.object.lane).queue.push_back(task);
        true
    }

    /// The next task that a worker is free for, and how long it will take. What nobody waits for any more is
    /// thrown away.
    pub(crate) fn start(&mut self, now: Micros, is_wanted: impl Fn(&Task) -> bool) -> Option<(Task, Micros)> {
        loop {
            let has_any = self.running() < self.crew.workers;
            let has_dear =
                has_any && self.dear.running < self.crew.dear_workers && !self.dear.queue.is_empty();
            let came = |lane: &LaneState| lane.queue.front().map(|task| task.attempt);
            let lane = match (came(&self.cheap).filter(|_| has_any), came(&self.dear).filter(|_| has_dear)) {
                (Some(cheap), Some(dear)) if dear < cheap => Lane::Dear,
                (Some(_), _) => Lane::Cheap,
                (None, Some(_)) => Lane::Dear,
                (None, None) => return None,
            };
            let slowness = self.slowness;
            let lane = self.lane(lane);
            let Some(task) = lane.queue.pop_front() else { continue };
            if task.deadline <= now || !is_wanted(&task) {
                continue;
            }
            lane.running += 1;
            let full = crate::load::to_u64(crate::load::to_f64(task.object.service) * slowness);
            return Some((task, full.min(task.deadline - now)));
        }
    }

    /// A worker is free again.
    pub(crate) fn done(&mut self, lane: Lane, took: Micros) {
        self.busy += took;
        let lane = self.lane(lane);
        lane.running = lane.running.saturating_sub(1);
        lane.average_us = LaneLoad::averaged(lane.average_us, Duration::from_micros(took));
    }

    fn lane(&mut self, lane: Lane) -> &mut LaneState {
        match lane {
            Lane::Cheap => &mut self.cheap,
            Lane::Dear => &mut self.dear,
        }
    }
}

// === impl LaneState ===

impl LaneState {
    fn load(&self) -> LaneLoad {
        LaneLoad { inside: self.queue.len() + self.running, average_us: self.average_us }
    }
}
