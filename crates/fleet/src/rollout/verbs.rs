//! What people ask for.

use super::observed::Verbs;
use super::state::Phase;
use super::step::Step;
use crate::{Reason, text};

// === impl Step ===

impl Step<'_> {
    /// Nothing is known of what was asked for before: old words are not to be done again.
    pub(super) fn pass_over_verbs(&mut self) {
        let cut = |asked: &Option<String>| asked.as_deref().map(text::bounded);
        let Verbs { promote, abort, retry, undo } = &self.seen.verbs;
        self.state.handled =
            Verbs { promote: cut(promote), abort: cut(abort), retry: cut(retry), undo: cut(undo) };
    }

    pub(super) fn handle_verbs(&mut self) {
        let asked = &self.seen.verbs;
        let is_new = |asked: &Option<String>, handled: &mut Option<String>| {
            let asked = asked.as_deref().map(text::bounded);
            let is_new = asked.is_some() && asked != *handled;
            if is_new {
                *handled = asked;
            }
            is_new
        };
        let handled = &mut self.state.handled;
        let abort = is_new(&asked.abort, &mut handled.abort);
        let undo = is_new(&asked.undo, &mut handled.undo);
        let retry = is_new(&asked.retry, &mut handled.retry);
        let promote = is_new(&asked.promote, &mut handled.promote);
        self.handle("abort", abort, Self::abort);
        self.handle("undo", undo, Self::undo);
        self.handle("retry", retry, Self::retry);
        self.handle("promote", promote, Self::promote);
    }

    fn handle(&mut self, name: &str, is_asked: bool, act: fn(&mut Self) -> bool) {
        let phase = self.state.phase.as_str();
        if is_asked && !act(self) {
            self.warning(Reason::Ignored, &format!("{name} means nothing in the phase {phase}."));
        }
    }

    fn abort(&mut self) -> bool {
        let note = "Somebody had it stopped.";
        match self.state.stage() {
            stage if stage.is_before_active() => {
                let is_open = !self.is_scheduled();
                if is_open {
                    self.warning(Reason::Aborted, note);
                    self.withdraw(Reason::Aborted, note);
                }
                is_open
            }
            Phase::Baking if self.can_revert() => {
                self.revert(Reason::Aborted, note);
                true
            }
            _ => false,
        }
    }

    fn undo(&mut self) -> bool {
        let is_open = matches!(self.state.stage(), Phase::Idle | Phase::RolledBack | Phase::Baking);
        let can = is_open && self.seen.plan.active.is_some() && self.can_revert();
        if can {
            self.revert(Reason::Undone, "Somebody had it taken back.");
        }
        can
    }

    fn retry(&mut self) -> bool {
        match (self.state.phase, self.state.stage(), self.state.candidate) {
            (Phase::Paused, Phase::Baking, _) => {
                self.state.trouble = None;
                self.enter(Phase::Baking);
            }
            (Phase::Paused, Phase::RollingBack, _) => {
                self.state.crashes = 0;
                self.enter(Phase::RollingBack);
                self.believe_from_now();
            }
            (Phase::Paused, _, Some(candidate)) => self.begin(candidate),
            (phase, ..) if phase.is_resting() && !self.state.failed.is_empty() => self.state.failed.clear(),
            _ => return false,
        }
        true
    }

    fn promote(&mut self) -> bool {
        match (self.state.phase, self.state.stage()) {
            (Phase::CanarySoak | Phase::AwaitingApproval, _) => self.approve(),
            // What was compared spoke against it, and somebody who has looked at it does not.
            (Phase::Paused, Phase::CanarySoak) => {
                self.state.trouble = None;
                self.approve();
            }
            (Phase::Rolling, _) => {
                let last = self.seen.spec.rollout.waves.len().saturating_sub(1);
                self.state.waves_done = u32::try_from(last).unwrap_or(u32::MAX);
                self.state.wave_done_at = None;
            }
            (Phase::Baking, _) | (Phase::Paused, Phase::Baking) => self.succeed(),
            _ => return false,
        }
        true
    }
}
