//! What is said of a rollout, and what is to be done about it.

use super::effect::Effect;
use super::hold;
use super::observed::Offer;
use super::state::{Counts, Phase, State};
use super::step::{Step, due};
use crate::condition::{self, ConditionType, Said, Status};
use crate::{Reason, text};
use icapstan_api::fleet::ContentDigest;
use jiff::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// Between two looks while something is under way, at most.
const MAX_QUIET: Duration = Duration::from_mins(5);

// === impl Step ===

impl Step<'_> {
    /// Keeps what there is to know of revisions bounded.
    pub(super) fn prune(&mut self) {
        let limit =
            usize::try_from(self.seen.spec.history_limit).unwrap_or(usize::MAX).min(State::MAX_HISTORY);
        let in_use = [self.state.current, self.state.candidate, self.state.previous, self.seen.plan.active];
        let is_in_use = |digest: &ContentDigest| in_use.contains(&Some(*digest));
        let mut others = 0;
        self.state.history.retain(|record| {
            others += usize::from(!is_in_use(&record.digest));
            is_in_use(&record.digest) || others <= limit
        });
    }

    pub(super) fn tell_conditions(&mut self) {
        let now = self.now;
        let said = [
            (ConditionType::Ready, Some(self.ready())),
            (ConditionType::Progressing, Some(self.progressing())),
            (ConditionType::Degraded, self.degraded()),
            (ConditionType::Staged, self.staged()),
            (ConditionType::CanaryHealthy, self.canary()),
            (ConditionType::ActiveEverywhere, self.everywhere()),
        ];
        for (kind, said) in said {
            condition::set(&mut self.state.conditions, kind, said, now);
        }
        self.count();
    }

    fn count(&mut self) {
        let population = self.population();
        let digest = self.state.candidate.or_else(|| self.base());
        let number = |is: &dyn Fn(&crate::Scanner) -> bool| {
            u32::try_from(population.iter().filter(|scanner| is(scanner)).count()).unwrap_or(u32::MAX)
        };
        self.state.scanners = Counts {
            desired: number(&|_| true),
            staged: number(&|s| digest.is_some_and(|it| s.stage(&it).is_staged() || s.serves(&it))),
            loaded: number(&|s| digest.is_some_and(|it| s.serves(&it))),
            ready: number(&|s| s.ready),
        };
    }

    fn ready(&self) -> (Status, Reason, String) {
        let Some(active) = self.seen.plan.active else {
            let (reason, message) = match &self.seen.offer {
                Offer::Missing(names) => (
                    Reason::SourceNotReady,
                    format!("Nothing came from {}.", text::names(names.iter().map(String::as_str))),
                ),
                _ => (self.reason(), "Nothing is active yet.".to_owned()),
            };
            return (Status::False, reason, message);
        };
        let wanted = self.asked_for();
        let message = format!("Revision {} is active.", active.short());
        let failed = self.state.failed.iter().find(|failed| Some(failed.digest) == wanted);
        if wanted.is_none() && self.seen.spec.pin.is_some() {
            return (Status::False, Reason::PinUnknown, format!("{message} The pinned one is not known."));
        }
        match (failed, &self.seen.offer) {
            (Some(failed), _) if wanted != Some(active) && self.state.phase.is_resting() => (
                Status::False,
                Reason::InFailedList,
                format!("{message} {} is not tried again yet.", failed.digest.short()),
            ),
            (_, Offer::Missing(names)) if self.seen.spec.pin.is_none() => (
                Status::True,
                Reason::SourceNotReady,
                format!("{message} Nothing came from {}.", text::names(names.iter().map(String::as_str))),
            ),
            (_, Offer::NoSources) if wanted.is_none() => (
                Status::True,
                Reason::SourceNotReady,
                format!("{message} There is no source any more; it stays."),
            ),
            _ => (Status::True, Reason::Activated, message),
        }
    }

    fn progressing(&self) -> (Status, Reason, String) {
        let is_moving = !self.state.phase.is_resting() && self.state.phase != Phase::Paused;
        if self.state.suspended_at.is_some() {
            return (Status::False, Reason::Suspended, "spec.suspend is set.".to_owned());
        }
        let message = match self.state.candidate {
            Some(candidate) => format!("{} with revision {}.", self.state.phase.as_str(), candidate.short()),
            None => format!("{}.", self.state.phase.as_str()),
        };
        (Status::of(is_moving), self.reason(), message)
    }

    fn degraded(&self) -> Said {
        let is_bad = matches!(self.state.phase, Phase::RolledBack | Phase::Paused | Phase::RollingBack);
        let trouble = self.state.trouble.as_ref().filter(|_| is_bad)?;
        (trouble.reason != Reason::Superseded)
            .then(|| (Status::True, trouble.reason, trouble.message.clone()))
    }

    fn staged(&self) -> Said {
        let record = self.candidate_record()?;
        let is_staged = record.staged_at.is_some();
        let reason = if is_staged { Reason::Staged } else { Reason::Staging };
        Some((Status::of(is_staged), reason, String::new()))
    }

    fn canary(&self) -> Said {
        let record = self.candidate_record()?;
        Some(match (&self.state.trouble, self.state.stage()) {
            (Some(trouble), _) => (Status::False, trouble.reason, trouble.message.clone()),
            (None, Phase::CanarySoak) => (Status::Unknown, Reason::CanarySoak, String::new()),
            (None, _) if record.approved_at.is_some() => (Status::True, Reason::CanaryPassed, String::new()),
            (None, _) if record.canary_at.is_some() => {
                (Status::True, Reason::AwaitingApproval, String::new())
            }
            (None, _) => (Status::Unknown, Reason::CanaryLoading, String::new()),
        })
    }

    fn everywhere(&self) -> Said {
        let active = self.seen.plan.active?;
        let without: Vec<_> = self.population().into_iter().filter(|s| !s.serves(&active)).collect();
        let is_everywhere = without.is_empty();
        let reason = if is_everywhere { Reason::Activated } else { Reason::WaveInProgress };
        let names = text::names(without.iter().map(|scanner| scanner.name.as_str()));
        let message = if is_everywhere { String::new() } else { format!("Not loaded by {names}.") };
        Some((Status::of(is_everywhere), reason, message))
    }

    fn candidate_record(&self) -> Option<&super::record::Record> {
        let candidate = self.state.candidate?;
        self.state.history.iter().find(|record| record.digest == candidate)
    }

    fn reason(&self) -> Reason {
        match self.state.phase {
            Phase::Idle => Reason::Succeeded,
            Phase::Staging => Reason::Staging,
            Phase::CanaryLoading => Reason::CanaryLoading,
            Phase::CanarySoak => Reason::CanarySoak,
            Phase::AwaitingApproval => Reason::AwaitingApproval,
            Phase::Rolling => Reason::WaveInProgress,
            Phase::Activating => Reason::Activating,
            Phase::Baking => Reason::Baking,
            Phase::RollingBack => Reason::RollingBack,
            Phase::RolledBack => Reason::RolledBack,
            Phase::Paused => Reason::Paused,
        }
    }

    /// All that was not seen to be done.
    pub(super) fn finish(self) -> (State, Vec<Effect>) {
        let mut effects: Vec<_> = self.events.iter().cloned().map(Effect::EmitEvent).collect();
        for record in &self.state.history {
            if self.seen.records.get(&record.digest) != Some(record) {
                effects.push(Effect::RecordRevision(record.clone()));
            }
        }
        let part = hold::part(&self.state, self.seen);
        let remembered: BTreeSet<_> = self.state.history.iter().map(|record| record.digest).collect();
        let planned: BTreeSet<_> = part.revisions.iter().map(|revision| revision.digest).collect();
        let is_kept = |digest: &ContentDigest| {
            remembered.contains(digest) || planned.contains(digest) || self.seen.spec.pin == Some(*digest)
        };
        let forgotten = self.seen.records.keys().filter(|digest| !is_kept(digest));
        effects.extend(forgotten.map(|revision| Effect::ForgetRevision { revision: *revision }));
        if part != self.seen.plan.part {
            effects.push(Effect::SetPlan(part));
        }
        if let Some(revision) = self.state.flip.filter(|flip| self.seen.plan.active != Some(*flip)) {
            effects.push(Effect::RequestFlip { revision });
        }
        if let Some(after) = self.requeue() {
            effects.push(Effect::Requeue { after });
        }
        (self.state, effects)
    }

    /// When something is due though nothing happens.
    fn requeue(&self) -> Option<Duration> {
        let (state, spec) = (&self.state, &self.seen.spec);
        let soak = spec.rollout.canary.soak;
        let deadline = spec.rollout.progress_deadline;
        let window = self.seen.health.map_or(0, |health| health.window_secs);
        let mut times: Vec<Option<Timestamp>> = vec![state.hold_until];
        match state.phase {
            Phase::Idle | Phase::RolledBack => {
                times.extend(state.failed.iter().map(|failed| failed.until));
                times.push(due(state.begun_at, spec.min_refresh_interval));
            }
            Phase::CanarySoak => {
                times.push(due(state.since, soak));
                times.push(due(state.since, soak.saturating_mul(2)));
            }
            Phase::Baking => {
                times.push(due(state.since, spec.rollout.bake_time));
                times.push(due(state.since, Duration::from_secs(window.into())));
            }
            Phase::Rolling => times.push(due(state.wave_done_at, spec.rollout.wave_interval)),
            _ => {}
        }
        if !state.phase.is_resting() {
            times.push(due(state.moved_at, deadline));
        }
        let next = times.into_iter().flatten().filter(|due| *due > self.now).min();
        let after = next.and_then(|due| Duration::try_from(due.duration_since(self.now)).ok());
        if state.phase.is_resting() { after } else { Some(after.unwrap_or(MAX_QUIET).min(MAX_QUIET)) }
    }
}
