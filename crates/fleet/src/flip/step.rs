//! One step: what was seen against what the plan says, until nothing follows any more.

use super::state::{FlipObserved, FlipPart, FlipState, Flipped, Gateway, Retiring};
use super::tags::istags;
use crate::condition::{self, ConditionType, Status};
use crate::{Event, Reason, cohort, text};
use icapstan_api::fleet::{ContentDigest, PendingEpoch, PlanEpoch};
use jiff::Timestamp;
use std::time::Duration;

/// More moves than one step can make.
const MAX_MOVES: usize = 8;

/// What follows from what was seen. The state is to be stored before the plan is written.
///
/// ```text
///  Prepared ─▶ Announced: pending without an instant ─▶ Scheduled: with one ─▶ Active ─▶ the old one retires
///    ▲  enough scanners   │ all gateways that are ready     │ it is past, and all
///    │  have it loaded    │ are prepared                    │ gateways that are ready say so
///    └─── not wished any more: cancelled (never once it is scheduled)
/// ```
///
/// An epoch changes either the signatures or the settings. Settings go first, as long as gateways can prepare for
/// them.
pub fn step(state: &FlipState, seen: &FlipObserved, now: Timestamp) -> Flipped {
    let mut step = Step { state: state.clone(), part: seen.part.clone(), seen, now, events: Vec::new() };
    step.find_number();
    for _ in 0..MAX_MOVES {
        if !step.advance() {
            break;
        }
    }
    let retiring = step.state.retiring.len();
    step.state.retiring.retain(|retiring| now < retiring.until);
    let has_retired = step.state.retiring.len() < retiring;
    step.tell_conditions();
    // What retired is let go by the next step of the rollout.
    let requeue = if has_retired { Some(Duration::ZERO) } else { step.requeue() };
    Flipped { state: step.state, part: step.part, events: step.events, requeue }
}

struct Step<'a> {
    state: FlipState,
    part: FlipPart,
    seen: &'a FlipObserved,
    now: Timestamp,
    events: Vec<Event>,
}

/// What an epoch is to be, and cannot be named after.
enum Target {
    /// As it is.
    None,
    /// This; its number does not count.
    Epoch(PlanEpoch),
    /// The settings are not known.
    Unknown(ContentDigest),
}

// === impl Step ===

impl Step<'_> {
    /// Numbers are not used twice, whatever was forgotten.
    fn find_number(&mut self) {
        let epochs = self.part.active.iter().chain(self.part.pending.iter().map(|pending| &pending.epoch));
        let told = self.seen.gateways.iter().filter(|gateway| gateway.heard);
        let told = told.flat_map(|gateway| [gateway.active_epoch, gateway.prepared_epoch]);
        let newest = epochs.map(|epoch| epoch.number).chain(told).max().unwrap_or(0);
        self.state.last_number = self.state.last_number.max(newest);
    }

    fn advance(&mut self) -> bool {
        match self.part.pending.clone() {
            Some(PendingEpoch { epoch, activate_at: Some(at) }) => self.activate(epoch, at),
            Some(PendingEpoch { epoch, activate_at: None }) => self.prepare(epoch),
            None => self.announce(),
        }
    }

    /// Nothing stops it any more. It is over when all gateways say so.
    fn activate(&mut self, epoch: PlanEpoch, at: Timestamp) -> bool {
        let is_late = |gateway: &&Gateway| gateway.counts() && !gateway.is_at(epoch.number);
        if self.now < at || self.seen.gateways.iter().any(|gateway| is_late(&gateway)) {
            return false;
        }
        let wish = &self.seen.wish;
        if let Some(settings) = self.seen.settings.get(&epoch.settings)
            && istags(&epoch.revision, &settings.bases, wish.verdict_version) == epoch.istags
        {
            self.part.verdict_version = wish.verdict_version;
        }
        let number = epoch.number;
        self.state.retiring.retain(|retiring| retiring.revision != epoch.revision);
        if let Some(old) = self.part.active.as_ref().filter(|old| old.revision != epoch.revision) {
            let until = self.now.checked_add(self.seen.timing.max_transaction).unwrap_or(Timestamp::MAX);
            self.state.retiring.push(Retiring { revision: old.revision, until });
            let excess = self.state.retiring.len().saturating_sub(FlipState::MAX_RETIRING);
            self.state.retiring.drain(..excess);
        }
        self.part.active = Some(epoch);
        self.part.pending = None;
        self.state.activated_at = Some(at);
        self.state.yielded = None;
        self.forget_announcement();
        self.events.push(Event::normal(Reason::Activated, &format!("Epoch {number} is active.")));
        true
    }

    /// Gateways are asked; it can still be cancelled.
    fn prepare(&mut self, epoch: PlanEpoch) -> bool {
        let is_wished = matches!(self.target(), Target::Epoch(target) if is_same(&target, &epoch));
        if !is_wished {
            return self.cancel(epoch.number);
        }
        let announced = *self.state.announced_at.get_or_insert(self.now);
        let unacked = unacked(self.seen, epoch.number);
        if unacked.is_empty() {
            if !self.is_loaded(&epoch.revision) {
                return false;
            }
            // Where there is no gateway at all nobody can be misled.
            let lead = if self.seen.gateways.is_empty() { Duration::ZERO } else { self.seen.timing.lead() };
            let at = self.now.checked_add(lead).unwrap_or(Timestamp::MAX);
            let note = format!("Epoch {} begins at {at}.", epoch.number);
            self.events.push(Event::normal(Reason::Scheduled, &note));
            self.part.pending = Some(PendingEpoch { epoch, activate_at: Some(at) });
            return true;
        }
        if !self.is_past(announced, self.seen.timing.ack_timeout) {
            return false;
        }
        if !self.state.unacked {
            self.state.unacked = true;
            let note = format!("Not prepared for epoch {}: {}.", epoch.number, text::names(unacked));
            self.events.push(Event::warning(Reason::GatewaysUnacked, &note));
        }
        let active = self.part.active.as_ref();
        let is_settings = active.is_some_and(|active| active.settings != epoch.settings);
        if is_settings && self.new_revision().is_some() && self.state.yielded.is_none() {
            // What cannot be prepared, such as a policy that gateways do not understand, must not hold signatures up.
            self.state.yielded = Some(epoch.settings);
            return self.cancel(epoch.number);
        }
        false
    }

    fn cancel(&mut self, number: u64) -> bool {
        self.part.pending = None;
        self.forget_announcement();
        self.events.push(Event::normal(Reason::Cancelled, &format!("Epoch {number} will not come.")));
        true
    }

    fn announce(&mut self) -> bool {
        let Target::Epoch(target) = self.target() else { return false };
        let is_revision = self.part.active.as_ref().is_none_or(|active| active.revision != target.revision);
        self.state.announced_in = None;
        if is_revision && !self.is_loaded(&target.revision) {
            return false;
        }
        let number = self.state.last_number.saturating_add(1);
        self.state.last_number = number;
        self.state.announced_at = Some(self.now);
        self.state.announced_in = Some(self.seen.generation.saturating_add(1));
        self.state.unacked = false;
        self.part.pending = Some(PendingEpoch { epoch: PlanEpoch { number, ..target }, activate_at: None });
        self.events.push(Event::normal(Reason::Activating, &format!("Gateways prepare for epoch {number}.")));
        true
    }

    fn forget_announcement(&mut self) {
        self.state.announced_at = None;
        self.state.announced_in = None;
        self.state.unacked = false;
    }

    // --- what is to be ---

    fn target(&self) -> Target {
        let wish = &self.seen.wish;
        let Some(active) = &self.part.active else {
            let (Some(revision), Some(settings)) = (wish.revision, wish.settings) else {
                return Target::None;
            };
            return self.epoch(revision, settings, wish.verdict_version);
        };
        let new_revision = self.new_revision();
        let settings = wish.settings.unwrap_or(active.settings);
        let has_yielded = self.state.yielded == Some(settings) && settings != active.settings;
        if !(has_yielded && new_revision.is_some()) {
            let target = self.epoch(active.revision, settings, wish.verdict_version);
            match &target {
                Target::Epoch(epoch) if is_same(epoch, active) => {}
                // Tags that cannot be named again stay; signatures are not held up by that either.
                Target::Unknown(_) if settings == active.settings || new_revision.is_some() => {}
                _ => return target,
            }
        }
        match new_revision {
            Some(revision) => {
                let version = if has_yielded { self.part.verdict_version } else { wish.verdict_version };
                self.epoch(revision, active.settings, version)
            }
            None => Target::None,
        }
    }

    fn epoch(&self, revision: ContentDigest, settings: ContentDigest, verdict_version: u32) -> Target {
        let Some(info) = self.seen.settings.get(&settings) else { return Target::Unknown(settings) };
        let istags = istags(&revision, &info.bases, verdict_version);
        Target::Epoch(PlanEpoch { number: 0, revision, settings, istags })
    }

    fn new_revision(&self) -> Option<ContentDigest> {
        let active = self.part.active.as_ref().map(|active| active.revision);
        self.seen.wish.revision.filter(|revision| Some(*revision) != active)
    }

    // --- who has what ---

    /// Whether enough scanners have it loaded, and will keep it: those that have read the plan which announced it.
    fn is_loaded(&self, revision: &ContentDigest) -> bool {
        if self.part.active.as_ref().is_some_and(|active| active.revision == *revision) {
            return true;
        }
        let least = self.state.announced_in.unwrap_or(0);
        let scanners = self.seen.scanners.iter();
        let is_first = self.part.active.is_none();
        let population =
            scanners.clone().filter(|scanner| cohort::is_present(scanner, is_first && scanner.heard)).count();
        let serving =
            scanners.filter(|scanner| scanner.serves(revision) && scanner.plan_generation >= least).count();
        serving > 0 && serving >= cohort::quorum(population, self.seen.timing.min_ready)
    }

    fn is_past(&self, since: Timestamp, after: Duration) -> bool {
        since.checked_add(after).is_ok_and(|due| self.now >= due)
    }

    // --- what is told ---

    fn tell_conditions(&mut self) {
        let said = self.synced();
        condition::set(&mut self.state.conditions, ConditionType::ISTagSynced, Some(said), self.now);
    }

    fn synced(&self) -> (Status, Reason, String) {
        let Some(active) = &self.part.active else {
            return (Status::Unknown, Reason::Activating, "No epoch is active yet.".to_owned());
        };
        if let Target::Unknown(settings) = self.target() {
            let message = format!("Nothing can be named after the settings {settings}.");
            return (Status::False, Reason::SettingsUnknown, message);
        }
        let counting = self.seen.gateways.iter().filter(|gateway| gateway.counts());
        let behind = counting.filter(|gateway| !gateway.is_at(active.number));
        let behind: Vec<_> = behind.map(|gateway| gateway.name.as_str()).collect();
        if !behind.is_empty() {
            let message = format!("Not at epoch {}: {}.", active.number, text::names(behind));
            return (Status::False, Reason::GatewaysUnacked, message);
        }
        match &self.part.pending {
            Some(PendingEpoch { epoch, activate_at: None }) if self.state.unacked => {
                let unacked = self.seen.gateways.iter().filter(|gateway| gateway.counts());
                let mut unacked: Vec<_> = unacked.filter(|it| !it.is_prepared(epoch.number)).collect();
                unacked.sort_by(|a, b| a.name.cmp(&b.name));
                let why = unacked.iter().find(|gateway| !gateway.unprepared.is_empty());
                let why = why.map(|it| format!(" {}: {}", it.name, it.unprepared)).unwrap_or_default();
                let names = text::names(unacked.iter().map(|gateway| gateway.name.as_str()));
                let message = format!("Not prepared for epoch {}: {names}.{why}", epoch.number);
                (Status::False, Reason::GatewaysUnacked, message)
            }
            Some(PendingEpoch { epoch, activate_at: None }) => {
                (Status::True, Reason::Activating, format!("Epoch {} is announced.", epoch.number))
            }
            Some(PendingEpoch { epoch, activate_at: Some(at) }) => {
                (Status::True, Reason::Scheduled, format!("Epoch {} begins at {at}.", epoch.number))
            }
            None => (Status::True, Reason::GatewaysSynced, format!("Epoch {} is active.", active.number)),
        }
    }

    fn requeue(&self) -> Option<Duration> {
        let pending = self.part.pending.as_ref();
        let at = pending.and_then(|pending| pending.activate_at);
        let announced = self.state.announced_at.filter(|_| pending.is_some());
        let ack = announced.and_then(|it| it.checked_add(self.seen.timing.ack_timeout).ok());
        let retiring = self.state.retiring.iter().map(|retiring| retiring.until);
        let due = retiring.chain(at).chain(ack).filter(|due| *due > self.now).min()?;
        Duration::try_from(due.duration_since(self.now)).ok()
    }
}

/// Gateways that clients reach, and that are not prepared.
fn unacked(seen: &FlipObserved, number: u64) -> Vec<&str> {
    let gateways = seen.gateways.iter().filter(|gateway| gateway.counts());
    gateways.filter(|it| !it.is_prepared(number)).map(|it| it.name.as_str()).collect()
}

/// Whether answers are judged and named alike.
fn is_same(a: &PlanEpoch, b: &PlanEpoch) -> bool {
    (a.revision, a.settings, &a.istags) == (b.revision, b.settings, &b.istags)
}
