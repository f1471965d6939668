//! The way of a candidate until it is active, phase by phase. Each says whether something moved.

use super::hold;
use super::record::Record;
use super::soak::{self, Judgement};
use super::spread::Spread;
use super::state::{Phase, State};
use super::step::{Step, due};
use crate::{Failure, Reason, Stage, cohort, text};
use icapstan_api::fleet::{Approval, ContentDigest, Overlap};

/// So many candidates in a row give way to newer ones; the next one is waited for, or nothing would ever become
/// active where sources change faster than rollouts end.
pub(super) const MAX_SUPERSEDED: u32 = 3;

// === impl Step ===

impl Step<'_> {
    /// Looks for something to do.
    pub(super) fn rest(&mut self) -> bool {
        if self.seen.plan.active.is_none()
            && let Some(current) = self.state.current
            && hold::find(self.seen, &current).is_some()
        {
            // The plan was lost: what was active is to be so again.
            self.state.flip = Some(current);
            return false;
        }
        self.state.flip = None;
        self.state.assigned.clear();
        let Some(wanted) = self.wanted() else { return false };
        if self.base() == Some(wanted) {
            if self.state.phase == Phase::RolledBack {
                self.state.trouble = None;
                self.enter(Phase::Idle);
                return true;
            }
            return false;
        }
        let spec = &self.seen.spec;
        let may_begin = spec.is_emergency()
            || spec.pin.is_some()
            || self.base().is_none()
            || self.is_past(self.state.begun_at, spec.min_refresh_interval);
        if may_begin {
            self.begin(wanted);
        }
        may_begin
    }

    pub(super) fn begin(&mut self, candidate: ContentDigest) {
        let now = self.now;
        let population = self.population().len();
        let quorum = cohort::quorum(population, self.seen.spec.rollout.min_ready);
        let drain = self.seen.spec.rollout.overlap == Overlap::Drain
            && self.seen.plan.active.is_some()
            && population > quorum
            && population - quorum >= quorum;
        let state = std::mem::take(&mut self.state);
        self.state = State {
            candidate: Some(candidate),
            drain,
            begun_at: Some(now),
            current: self.seen.plan.active.or(state.current),
            previous: state.previous,
            starved: state.starved,
            superseded: state.superseded,
            failed: state.failed,
            history: state.history,
            handled: state.handled,
            conditions: state.conditions,
            scanners: state.scanners,
            ..State::default()
        };
        self.state.history.retain(|record| record.digest != candidate);
        self.state.history.insert(0, Record::begun(candidate, now));
        self.enter(Phase::Staging);
        self.believe_from_now();
        self.normal(Reason::Staging, &format!("Scanners fetch revision {}.", candidate.short()));
    }

    /// Something newer takes the candidate's place, as long as that has cost nobody anything.
    pub(super) fn supersede(&mut self) -> bool {
        let (phase, stage) = (self.state.phase, self.state.stage());
        let is_open = match phase {
            Phase::Paused => true,
            Phase::Activating => self.is_overdue() && !self.is_scheduled(),
            _ => phase.is_before_active(),
        };
        let Some(wanted) = self.wanted().filter(|wanted| Some(*wanted) != self.state.candidate) else {
            return false;
        };
        if !is_open || self.is_scheduled() {
            return false;
        }
        let spec = &self.seen.spec;
        let is_current = self.base() == Some(wanted);
        let is_limited = self.state.superseded >= MAX_SUPERSEDED
            && phase != Phase::Paused
            && spec.pin.is_none()
            && !spec.is_emergency()
            && !is_current;
        if is_limited || is_current && !stage.is_before_active() {
            return false;
        }
        let note = format!("Revision {} is wanted instead.", wanted.short());
        self.normal(Reason::Superseded, &note);
        if is_current {
            self.withdraw(Reason::Superseded, &note);
            return true;
        }
        if let Some(old) = self.state.candidate {
            self.end_record(old, Reason::Superseded, &note);
        }
        self.state.superseded = self.state.superseded.saturating_add(1);
        self.begin(wanted);
        true
    }

    pub(super) fn stage_bytes(&mut self) -> bool {
        let Some(candidate) = self.state.candidate else { return self.lose_candidate() };
        let population = self.population();
        let is_staged = |scanner: &&&crate::Scanner| {
            self.is_believed(scanner) && (scanner.stage(&candidate).is_staged() || scanner.serves(&candidate))
        };
        let staged = population.iter().filter(is_staged).count();
        if staged == population.len() && staged > 0 {
            let now = self.now;
            if let Some(record) = self.record(candidate) {
                record.staged_at = Some(now);
            }
            self.normal(Reason::Staged, &format!("{staged} scanners have revision {}.", candidate.short()));
            let is_first = self.seen.plan.active.is_none();
            self.enter(if is_first { Phase::Rolling } else { Phase::CanaryLoading });
            return true;
        }
        let late = population.iter().filter(|scanner| !is_staged(scanner));
        let late = text::names(late.map(|scanner| scanner.name.as_str()));
        self.note_progress(staged);
        if self.is_overdue() {
            self.fail(Reason::StageTimeout, &format!("These scanners have not its bytes: {late}."));
            return true;
        }
        false
    }

    pub(super) fn load_canary(&mut self) -> bool {
        let Some(candidate) = self.state.candidate else { return self.lose_candidate() };
        if self.fail_if_broken(candidate) {
            return true;
        }
        let spread = self.spread_canary(candidate);
        if self.fail_if_stuck(&spread, Reason::CanaryTimeout) {
            return true;
        }
        if !spread.is_done {
            return false;
        }
        let now = self.now;
        if let Some(record) = self.record(candidate) {
            record.canary_at = Some(now);
        }
        self.enter(Phase::CanarySoak);
        true
    }

    pub(super) fn soak(&mut self) -> bool {
        let Some(candidate) = self.state.candidate else { return self.lose_candidate() };
        if self.fail_if_broken(candidate) {
            return true;
        }
        let canary = &self.seen.spec.rollout.canary;
        if self.seen.spec.is_emergency() || canary.soak.is_zero() {
            self.pass_canary();
            return true;
        }
        let spread = self.spread_canary(candidate);
        let is_mirrored = canary.mirror_percent > 0 && !self.state.drain;
        let believed = self.scanners.iter().filter(|scanner| self.is_believed(scanner));
        let judgement = soak::judge(believed, &candidate, &canary.thresholds);
        if let Judgement::Crossed(reason, message) = judgement {
            self.fail(reason, &message);
            return true;
        }
        if spread.is_exhausted {
            return self.fail_if_stuck(&spread, Reason::CanaryTimeout);
        }
        if !spread.is_done {
            // The clock of the deadline begins where the soak should have ended.
            let begun = due(self.state.since, canary.soak).max(self.state.moved_at);
            if !self.state.starved && self.is_past(begun, self.seen.spec.rollout.progress_deadline) {
                return self.fail_if_stuck(&spread, Reason::CanaryTimeout);
            }
            return false;
        }
        if !self.is_past(self.state.since, canary.soak) {
            return false;
        }
        if is_mirrored && judgement == Judgement::TooFew {
            if !self.is_past(self.state.since, canary.soak.saturating_mul(2)) {
                return false;
            }
            let least = canary.thresholds.min_compared;
            let note = format!("Fewer than {least} scans were compared in twice the soak; it goes on.");
            self.warning(Reason::ProbeInconclusive, &note);
        }
        self.pass_canary();
        true
    }

    pub(super) fn await_approval(&mut self) -> bool {
        let Some(candidate) = self.state.candidate else { return self.lose_candidate() };
        if self.fail_if_broken(candidate) {
            return true;
        }
        let is_needed = self.seen.spec.rollout.approval == Approval::Manual;
        if !is_needed || self.seen.spec.is_emergency() {
            self.approve();
            return true;
        }
        let _ = self.spread_canary(candidate);
        false
    }

    pub(super) fn roll(&mut self) -> bool {
        let Some(candidate) = self.state.candidate else { return self.lose_candidate() };
        if self.fail_if_broken(candidate) {
            return true;
        }
        let rollout = &self.seen.spec.rollout;
        let is_at_once = self.seen.spec.is_emergency() || self.seen.plan.active.is_none();
        let done = usize::try_from(self.state.waves_done).unwrap_or(usize::MAX);
        let last = rollout.waves.len().saturating_sub(1);
        let is_last = is_at_once || done >= last;
        let is_between = self.state.wave_done_at.is_some()
            && !self.is_past(self.state.wave_done_at, rollout.wave_interval);
        if is_between && !is_at_once {
            let _ = self.spread_canary(candidate);
            return false;
        }
        let percent = if is_last { 100 } else { usize::from(rollout.waves[done].min(100)) };
        let spread = self.spread(candidate, |population| (population * percent).div_ceil(100).max(1));
        if self.fail_if_stuck(&spread, Reason::WaveTimeout) {
            return true;
        }
        if !spread.is_done {
            return false;
        }
        let now = self.now;
        self.state.progress = 0;
        self.state.moved_at = Some(now);
        if !is_last {
            self.state.waves_done += 1;
            self.state.wave_done_at = Some(now);
            let note = format!("{percent} of a hundred scanners have loaded revision {}.", candidate.short());
            self.normal(Reason::WaveInProgress, &note);
            return true;
        }
        if let Some(record) = self.record(candidate) {
            record.rolled_out_at = Some(now);
        }
        self.state.flip = Some(candidate);
        self.state.baseline = self.seen.health;
        self.enter(Phase::Activating);
        self.normal(Reason::Activating, &format!("Gateways prepare for revision {}.", candidate.short()));
        true
    }

    /// Gateways are waited for without an end: nothing speaks against the candidate.
    pub(super) fn activate(&mut self) -> bool {
        let Some(candidate) = self.state.candidate else { return self.lose_candidate() };
        if self.is_scheduled() {
            return false;
        }
        if self.fail_if_broken(candidate) {
            return true;
        }
        let spread = self.spread(candidate, |population| population);
        if spread.is_exhausted {
            return self.fail_if_stuck(&spread, Reason::WaveTimeout);
        }
        false
    }

    // --- between phases ---

    fn pass_canary(&mut self) {
        let canary = self.state.candidate.map(|candidate| candidate.short()).unwrap_or_default();
        self.normal(Reason::CanaryPassed, &format!("Revision {canary} did well on the first scanners."));
        let is_manual = self.seen.spec.rollout.approval == Approval::Manual;
        if is_manual && !self.seen.spec.is_emergency() {
            self.enter(Phase::AwaitingApproval);
            self.normal(Reason::AwaitingApproval, "Annotate with icapstan.dev/promote to go on.");
        } else {
            self.approve();
        }
    }

    pub(super) fn approve(&mut self) {
        let now = self.now;
        if let Some(candidate) = self.state.candidate
            && let Some(record) = self.record(candidate)
        {
            record.approved_at = Some(now);
        }
        self.enter(Phase::Rolling);
    }

    pub(super) fn spread_canary(&mut self, candidate: ContentDigest) -> Spread {
        let canary = self.seen.spec.rollout.canary.scanners;
        let least = self.state.assigned.len();
        let is_rolling = self.state.phase == Phase::Rolling;
        self.spread(candidate, |population| {
            let whole = u64::try_from(population).unwrap_or(u64::MAX);
            let canaries = usize::try_from(canary.of(whole)).unwrap_or(usize::MAX).max(1);
            // Between waves those of the last one stay.
            if is_rolling { canaries.max(least) } else { canaries }
        })
    }

    /// What no further try would change ends it at once.
    fn fail_if_broken(&mut self, candidate: ContentDigest) -> bool {
        let broken = self.scanners.iter().find_map(|scanner| {
            let report = scanner.report(&candidate).filter(|_| self.is_believed(scanner))?;
            match report.stage {
                Stage::Failed(failure) if !failure.is_passing() => Some((failure, scanner, report)),
                _ => None,
            }
        });
        let Some((failure, scanner, report)) = broken else { return false };
        let reason = match failure {
            Failure::Missed => Reason::SelfTestMissed,
            Failure::FalsePositive => Reason::SelfTestFalsePositive,
            Failure::Slow => Reason::LatencyExceeded,
            Failure::Digest => Reason::ChecksumMismatch,
            _ => Reason::LoadFailed,
        };
        let note = format!("{}: {}", scanner.name, report.detail);
        self.fail(reason, &note);
        true
    }

    fn fail_if_stuck(&mut self, spread: &Spread, reason: Reason) -> bool {
        let is_waiting = self.state.phase == Phase::CanarySoak;
        if spread.is_exhausted {
            self.fail(Reason::ScannersUnavailable, "Scanners ended again and again while they loaded it.");
        } else if !spread.is_done && (is_waiting || self.is_overdue()) {
            let reason = if spread.is_memory { Reason::MemoryExceeded } else { reason };
            self.fail(reason, &format!("These scanners have not loaded it: {}.", spread.stragglers));
        } else {
            return false;
        }
        true
    }

    /// The state says that something is under way, and not what: it can only have been written by somebody else.
    fn lose_candidate(&mut self) -> bool {
        self.state.flip = None;
        self.state.assigned.clear();
        self.enter(Phase::Idle);
        true
    }
}
