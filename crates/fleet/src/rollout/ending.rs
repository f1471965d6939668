//! Becoming active, staying so, and the ways back.

use super::bake;
use super::hold;
use super::record::Outcome;
use super::state::{Failed, Phase, State, Trouble};
use super::step::Step;
use crate::{Reason, Stage, text};
use icapstan_api::fleet::{ContentDigest, OnFailure};
use jiff::{SignedDuration, Timestamp};

// === impl Step ===

impl Step<'_> {
    /// Gateways judge by the candidate.
    pub(super) fn activated(&mut self, active: ContentDigest) {
        self.state.previous = self.state.current.replace(active).filter(|previous| *previous != active);
        self.state.candidate = None;
        self.state.flip = None;
        self.state.assigned.clear();
        self.state.trouble = None;
        self.state.superseded = 0;
        self.settle_records(active);
        self.normal(Reason::Activated, &format!("Revision {} is active.", active.short()));
        let spec = &self.seen.spec;
        if self.state.previous.is_none() || spec.is_emergency() || spec.rollout.bake_time.is_zero() {
            self.succeed();
        } else {
            self.enter(Phase::Baking);
        }
    }

    /// The rollout is over, and good.
    pub(super) fn succeed(&mut self) {
        self.state.failed.clear();
        self.state.baseline = None;
        self.state.trouble = None;
        self.enter(Phase::Idle);
    }

    pub(super) fn bake(&mut self) -> bool {
        let spec = &self.seen.spec;
        if let (Some(before), Some(after)) = (self.state.baseline, self.seen.health)
            // The window has to be one after the activation, as a whole.
            && self.is_past(self.state.since, std::time::Duration::from_secs(after.window_secs.into()))
            && let Some(message) = bake::worse(&before, &after, &spec.bake)
        {
            self.warning(Reason::BakeFailed, &message);
            if spec.rollout.on_failure == OnFailure::Pause || !self.can_revert() {
                self.pause(Reason::BakeFailed, &message);
            } else {
                self.revert(Reason::BakeFailed, &message);
            }
            return true;
        }
        let is_over = spec.is_emergency() || self.is_past(self.state.since, spec.rollout.bake_time);
        if is_over {
            self.succeed();
        }
        is_over
    }

    /// Something speaks against the candidate, which is not active.
    pub(super) fn fail(&mut self, reason: Reason, message: &str) {
        self.warning(reason, message);
        match self.seen.spec.rollout.on_failure {
            OnFailure::Pause => self.pause(reason, message),
            OnFailure::Rollback => self.withdraw(reason, message),
        }
    }

    pub(super) fn pause(&mut self, reason: Reason, message: &str) {
        self.state.trouble =
            Some(Trouble { phase: self.state.phase, reason, message: text::bounded(message) });
        self.state.flip = None;
        self.enter(Phase::Paused);
        self.warning(Reason::Paused, "Annotate with icapstan.dev/retry or icapstan.dev/abort.");
    }

    /// Back from a candidate that is not active.
    pub(super) fn withdraw(&mut self, reason: Reason, message: &str) {
        self.state.trouble =
            Some(Trouble { phase: self.state.stage(), reason, message: text::bounded(message) });
        self.state.current = self.base();
        self.state.flip = None;
        if let Some(candidate) = self.state.candidate {
            self.end_record(candidate, reason, message);
            match reason {
                Reason::Superseded => {}
                Reason::Aborted => self.bar(candidate, reason, false),
                _ => self.bar(candidate, reason, true),
            }
        }
        self.enter(Phase::RollingBack);
    }

    /// Whether there is something to go back to from what is active.
    pub(super) fn can_revert(&self) -> bool {
        let previous = self.state.previous.filter(|previous| self.base() != Some(*previous));
        previous.is_some_and(|previous| hold::find(self.seen, &previous).is_some())
    }

    /// Back from what is active to what was so before.
    pub(super) fn revert(&mut self, reason: Reason, message: &str) {
        let (Some(bad), Some(previous)) = (self.base(), self.state.previous) else { return };
        self.state.trouble =
            Some(Trouble { phase: self.state.stage(), reason, message: text::bounded(message) });
        self.state.candidate = Some(bad);
        self.state.current = Some(previous);
        self.state.previous = None;
        self.state.flip = None;
        self.state.baseline = None;
        self.state.assigned.clear();
        self.state.crashes = 0;
        self.state.hold_until = None;
        // What was active may not come back by itself: each time would cost clients all that they remember.
        self.bar(bad, reason, false);
        self.end_record(bad, reason, message);
        self.enter(Phase::RollingBack);
        self.believe_from_now();
        self.normal(Reason::RollingBack, &format!("Revision {} is to be active again.", previous.short()));
    }

    pub(super) fn go_back(&mut self) -> bool {
        let (active, target) = (self.seen.plan.active, self.state.current);
        if let (Some(active), Some(target)) = (active, target)
            && active != target
        {
            return self.flip_back(target);
        }
        self.state.flip = None;
        if self.seen.plan.pending.is_some_and(|(revision, _)| Some(revision) == self.state.candidate) {
            // Not cancelled yet, or too late for that: then it becomes active, and is taken back.
            return false;
        }
        self.state.assigned.clear();
        self.state.hold_until = None;
        let is_left = |candidate: &ContentDigest| {
            self.scanners
                .iter()
                .filter(|scanner| scanner.heard && !scanner.draining)
                .any(|scanner| scanner.held.contains(candidate) || scanner.stage(candidate) == Stage::Loading)
        };
        let is_retiring = |candidate: &ContentDigest| self.seen.plan.retiring.contains(candidate);
        let is_held = self.state.candidate.is_some_and(|it| is_left(&it) && !is_retiring(&it));
        if is_held && !self.is_overdue() {
            return false;
        }
        self.went_back();
        true
    }

    /// What is to be given back is active: the other one is loaded, and activated.
    fn flip_back(&mut self, target: ContentDigest) -> bool {
        if self.state.flip == Some(target) {
            return false;
        }
        let spread = self.spread(target, |population| population);
        if spread.is_done {
            self.state.flip = Some(target);
            self.normal(Reason::Activating, &format!("Gateways prepare for revision {}.", target.short()));
            return true;
        }
        if spread.is_exhausted || self.is_overdue() {
            let message =
                format!("These scanners have not loaded what was active before: {}.", spread.stragglers);
            self.warning(Reason::WaveTimeout, &message);
            self.pause(Reason::WaveTimeout, &message);
            return true;
        }
        false
    }

    fn went_back(&mut self) {
        let reason = self.state.trouble.as_ref().map(|trouble| trouble.reason);
        self.state.superseded = 0;
        let candidate = self.state.candidate.take().map(|it| it.short()).unwrap_or_default();
        if let Some(active) = self.seen.plan.active {
            self.settle_records(active);
        }
        if reason == Some(Reason::Superseded) {
            self.state.trouble = None;
            self.enter(Phase::Idle);
        } else {
            self.enter(Phase::RolledBack);
            let note = match self.state.current {
                Some(current) => format!("From revision {candidate} back to {}.", current.short()),
                None => format!("From revision {candidate}; there is none before it."),
            };
            self.warning(Reason::RolledBack, &note);
        }
    }

    /// It is not tried again for a while, or not until somebody says so.
    fn bar(&mut self, digest: ContentDigest, reason: Reason, is_for_a_while: bool) {
        let failed = &mut self.state.failed;
        let before = failed.iter().find(|failed| failed.digest == digest).map_or(0, |failed| failed.times);
        let times = before.saturating_add(1);
        failed.retain(|failed| failed.digest != digest);
        let until = is_for_a_while.then(|| barred_until(self.now, times));
        failed.insert(0, Failed { digest, reason, times, until });
        failed.truncate(State::MAX_FAILED);
    }

    pub(super) fn end_record(&mut self, digest: ContentDigest, reason: Reason, message: &str) {
        let now = self.now;
        if let Some(record) = self.record(digest) {
            record.outcome = match reason {
                Reason::Superseded => Outcome::Superseded,
                _ => Outcome::RolledBack,
            };
            record.ended_at = Some(now);
            record.reason = Some(reason);
            record.message = text::bounded(message);
        }
    }
}

/// One hour after the first time, twice as long after each next one, a day at most.
fn barred_until(now: Timestamp, times: u32) -> Timestamp {
    let hours = 1_i64 << times.saturating_sub(1).min(5);
    now.saturating_add(SignedDuration::from_hours(hours.min(24))).unwrap_or(Timestamp::MAX)
}
