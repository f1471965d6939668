//! One step: what was seen against what is remembered, until nothing follows any more.

use super::effect::Effect;
use super::hold;
use super::observed::{Observed, Offer};
use super::record::{Outcome, Record};
use super::state::{Phase, State};
use crate::{Event, EventType, Reason, Scanner, cohort};
use icapstan_api::fleet::{ContentDigest, PlannedRevision};
use jiff::{SignedDuration, Timestamp};
use std::time::Duration;

/// More moves than one step can make: all waves, and all phases twice.
const MAX_MOVES: usize = 48;

/// What follows from what was seen. The state is to be stored before anything is done about the effects.
///
/// Equal input gives equal output, and with the new state in the place of the old one nothing new: events are told
/// once, and all other effects as long as what was seen does not show that they were done.
pub fn step(state: &State, seen: &Observed, now: Timestamp) -> (State, Vec<Effect>) {
    let mut step = Step::new(state.clone(), seen, now);
    if step.is_frozen() {
        step.tell_conditions();
        return (step.state, step.events.into_iter().map(Effect::EmitEvent).collect());
    }
    if state.history.is_empty() && state.current.is_none() {
        step.pass_over_verbs();
    }
    step.adopt();
    step.handle_verbs();
    for _ in 0..MAX_MOVES {
        step.starve();
        if !step.advance() {
            break;
        }
    }
    step.prune();
    step.tell_conditions();
    step.finish()
}

/// A step under way.
pub(super) struct Step<'a> {
    pub(super) state: State,
    pub(super) seen: &'a Observed,
    pub(super) now: Timestamp,
    /// In the order in which they go first.
    pub(super) scanners: Vec<&'a Scanner>,
    pub(super) events: Vec<Event>,
}

// === impl Step ===

impl<'a> Step<'a> {
    fn new(state: State, seen: &'a Observed, now: Timestamp) -> Self {
        let mut scanners: Vec<_> = seen.scanners.iter().collect();
        scanners.sort_by(|a, b| a.name.cmp(&b.name));
        scanners.dedup_by(|a, b| a.name == b.name);
        scanners.truncate(Observed::MAX_SCANNERS);
        Self { state, seen, now, scanners: cohort::by_rank(scanners), events: Vec::new() }
    }

    /// Whether nothing is to change. What was waited for goes on to be waited for afterwards.
    fn is_frozen(&mut self) -> bool {
        let now = self.now;
        match (self.seen.spec.suspend, self.state.suspended_at) {
            (true, None) => {
                self.state.suspended_at = Some(now);
                self.normal(Reason::Suspended, "Nothing changes until spec.suspend is taken away.");
                true
            }
            (true, Some(_)) => true,
            (false, Some(at)) => {
                self.state.suspended_at = None;
                let pause = now.duration_since(at).max(SignedDuration::ZERO);
                let state = &mut self.state;
                let times =
                    [&mut state.since, &mut state.moved_at, &mut state.wave_done_at, &mut state.hold_until];
                for time in times.into_iter().flatten() {
                    *time = time.saturating_add(pause).unwrap_or(now);
                }
                false
            }
            (false, None) => false,
        }
    }

    /// The plan says what is active, whatever is remembered.
    fn adopt(&mut self) {
        let Some(active) = self.seen.plan.active else { return };
        if self.state.current == Some(active) {
            return;
        }
        let stage = self.state.stage();
        if self.state.candidate == Some(active) {
            if stage.is_before_active() {
                self.activated(active);
            }
            return;
        }
        self.state.previous = self.state.current.replace(active);
        if !stage.is_before_active() {
            self.state.candidate = None;
            self.state.flip = None;
            self.enter(Phase::Idle);
        }
        self.settle_records(active);
    }

    /// Without scanners no time counts: it would tell nothing of a candidate.
    fn starve(&mut self) {
        let is_waiting = !self.state.phase.is_resting() && self.state.phase != Phase::Baking;
        let is_first = self.base().is_none();
        let is_there = |scanner: &&Scanner| {
            let is_alive = scanner.heard && (is_first || !scanner.held.is_empty());
            !scanner.draining && (scanner.ready || is_alive)
        };
        let is_starved = is_waiting && !self.scanners.iter().any(is_there);
        if is_starved && !self.state.starved {
            self.warning(Reason::ScannersUnavailable, "There is no scanner; the rollout waits.");
        } else if !is_starved && self.state.starved {
            self.state.moved_at = Some(self.now);
        }
        self.state.starved = is_starved;
    }

    /// Makes one move, if one can be made.
    fn advance(&mut self) -> bool {
        if self.supersede() {
            return true;
        }
        match self.state.phase {
            Phase::Idle | Phase::RolledBack => self.rest(),
            Phase::Staging => self.stage_bytes(),
            Phase::CanaryLoading => self.load_canary(),
            Phase::CanarySoak => self.soak(),
            Phase::AwaitingApproval => self.await_approval(),
            Phase::Rolling => self.roll(),
            Phase::Activating => self.activate(),
            Phase::Baking => self.bake(),
            Phase::RollingBack => self.go_back(),
            Phase::Paused => false,
        }
    }

    // --- what there is ---

    /// The revision that is to be had now; none while nobody knows, or it may not be tried.
    pub(super) fn wanted(&self) -> Option<ContentDigest> {
        let digest = self.asked_for()?;
        let is_barred = self
            .state
            .failed
            .iter()
            .any(|failed| failed.digest == digest && failed.until.is_none_or(|until| self.now < until));
        (!is_barred || self.base() == Some(digest)).then_some(digest)
    }

    /// The same, whether it may be tried or not.
    pub(super) fn asked_for(&self) -> Option<ContentDigest> {
        if let Some(pin) = self.seen.spec.pin {
            return hold::find(self.seen, &pin).map(|revision| revision.digest);
        }
        match &self.seen.offer {
            Offer::Revision(revision) => Some(revision.digest),
            Offer::Missing(_) => None,
            Offer::NoSources => {
                let built_in = PlannedRevision::built_in().digest;
                // Test signatures never take the place of real ones: that would be a fleet that finds nothing.
                self.base().is_none_or(|base| base == built_in).then_some(built_in)
            }
        }
    }

    /// What the fleet judges by.
    pub(super) fn base(&self) -> Option<ContentDigest> {
        self.seen.plan.active.or(self.state.current)
    }

    pub(super) fn is_present(&self, scanner: &Scanner) -> bool {
        let is_first = self.seen.plan.active.is_none();
        let is_busy = is_first && scanner.heard || self.state.assigned.contains_key(&scanner.name);
        cohort::is_present(scanner, is_busy)
    }

    pub(super) fn population(&self) -> Vec<&'a Scanner> {
        self.scanners.iter().copied().filter(|scanner| self.is_present(scanner)).collect()
    }

    /// Whether what it says is about this rollout, not the last one.
    pub(super) fn is_believed(&self, scanner: &Scanner) -> bool {
        scanner.heard && scanner.plan_generation >= self.state.believed_from
    }

    pub(super) fn is_scheduled(&self) -> bool {
        matches!(self.seen.plan.pending, Some((revision, true)) if Some(revision) == self.state.candidate)
    }

    // --- times ---

    pub(super) fn enter(&mut self, phase: Phase) {
        self.state.phase = phase;
        self.state.since = Some(self.now);
        self.state.moved_at = Some(self.now);
        self.state.progress = 0;
    }

    /// Since the phase began.
    pub(super) fn is_past(&self, since: Option<Timestamp>, after: Duration) -> bool {
        due(since, after).is_none_or(|due| self.now >= due)
    }

    pub(super) fn note_progress(&mut self, progress: usize) {
        let progress = u32::try_from(progress).unwrap_or(u32::MAX);
        if progress > self.state.progress {
            self.state.progress = progress;
            self.state.moved_at = Some(self.now);
        }
    }

    /// Whether nothing moved for too long.
    pub(super) fn is_overdue(&self) -> bool {
        let is_waiting = self.state.starved || self.state.hold_until.is_some();
        !is_waiting && self.is_past(self.state.moved_at, self.seen.spec.rollout.progress_deadline)
    }

    /// From now on scanners are believed that have read the plan which follows from this state.
    pub(super) fn believe_from_now(&mut self) {
        let is_written = hold::part(&self.state, self.seen) == self.seen.plan.part;
        self.state.believed_from = self.seen.plan.generation.saturating_add(u64::from(!is_written));
    }

    // --- what is told ---

    pub(super) fn normal(&mut self, reason: Reason, note: &str) {
        self.events.push(Event::normal(reason, note));
    }

    pub(super) fn warning(&mut self, reason: Reason, note: &str) {
        self.events.push(Event { kind: EventType::Warning, ..Event::normal(reason, note) });
    }

    pub(super) fn record(&mut self, digest: ContentDigest) -> Option<&mut Record> {
        self.state.history.iter_mut().find(|record| record.digest == digest)
    }

    /// That one is active, and no other.
    pub(super) fn settle_records(&mut self, active: ContentDigest) {
        let now = self.now;
        for record in &mut self.state.history {
            if record.digest == active {
                record.outcome = Outcome::Active;
                record.activated_at.get_or_insert(now);
                record.ended_at = None;
                record.reason = None;
                record.message.clear();
            } else if record.outcome == Outcome::Active {
                record.outcome = Outcome::Replaced;
                record.ended_at = Some(now);
            }
        }
    }
}

/// Some time after something, if that has happened.
pub(super) fn due(since: Option<Timestamp>, after: Duration) -> Option<Timestamp> {
    since?.checked_add(after).ok()
}
