//! The task that puts epochs in use.

use super::prepare::{PrepareError, Ready, Workshop};
use super::schedule::{self, Behind};
use super::told::{Progress, Told};
use crate::exit::chain;
use crate::settings::Settings;
use icapstan_api::fleet::{ContentDigest, FleetPlanSpec, PlanEpoch};
use icapstan_events::{Event, EventKind, Text};
use icapstan_follow::{Plan, PlanWatch};
use icapstan_gateway::{Pins, Prepared};
use icapstan_icap_server::Fence;
use icapstan_model::{Epoch, GenerationId, IsTag, SignatureSet};
use icapstan_scan_rpc::RemoteScanners;
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{error, info, warn};

/// What could not be made ready is tried again so much later, and twice as late each time.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// What will not be otherwise by waiting is tried again all the same: a page may have been mended.
const REST: Duration = Duration::from_secs(30);
/// While an epoch is pending clients are to ask for options again this soon.
const PENDING_TTL: Duration = Duration::from_mins(1);

/// The task's own.
pub(super) struct Engine {
    pub(super) plans: PlanWatch,
    /// What the process has for itself, as it is changed.
    pub(super) base: watch::Receiver<Arc<Settings>>,
    pub(super) workshop: Workshop,
    pub(super) scanners: Arc<RemoteScanners>,
    pub(super) fence: Fence,
    pub(super) told: Arc<Told>,
    pub(super) stale_after: Duration,
    pub(super) state: State,
}

/// What it remembers.
#[derive(Default)]
pub(super) struct State {
    ready: BTreeMap<ContentDigest, Arc<Ready>>,
    failed: BTreeMap<ContentDigest, Failed>,
    job: Option<Job>,
    /// Ready for the moment in which it begins.
    next: Option<Next>,
    active: Option<Active>,
    behind: Behind,
}

/// Settings that are being made ready.
struct Job {
    digest: ContentDigest,
    handle: JoinHandle<Result<Ready, PrepareError>>,
}

/// Settings that could not be made ready.
struct Failed {
    why: String,
    pause: Duration,
    again: Instant,
}

/// An epoch that can be put in use.
struct Next {
    plan: PlanEpoch,
    epoch: Arc<Epoch>,
    prepared: Prepared,
    ready: Arc<Ready>,
}

/// The epoch in use.
struct Active {
    plan: PlanEpoch,
    epoch: Arc<Epoch>,
    ready: Arc<Ready>,
}

// === impl Engine ===

impl Engine {
    /// Follows plans as long as there may be others.
    pub(super) async fn run(mut self) {
        let mut heard = self.scanners.plans();
        let mut plans = self.plans.clone();
        let mut base = self.base.clone();
        loop {
            let plan = plans.borrow_and_update().clone();
            let pause = match &plan {
                Some(plan) => {
                    self.step(plan, *heard.borrow_and_update());
                    schedule::pause(plan, Timestamp::now())
                }
                None => schedule::TICK,
            };
            tokio::select! {
                biased;
                () = tokio::time::sleep(pause) => {}
                changed = plans.changed() => if changed.is_err() { return },
                changed = heard.changed() => if changed.is_err() { return },
                changed = base.changed() => match changed {
                    Ok(()) => self.begin_anew(),
                    Err(_) => return,
                },
                done = finished(&mut self.state.job) => self.take(done),
            }
        }
    }

    /// Does what is to be done now. Done again, it does nothing.
    fn step(&mut self, plan: &Arc<Plan>, heard: u64) {
        self.forget(plan);
        let now = Timestamp::now();
        if let Some(epoch) = self.begin_due(plan, now) {
            // What it was made ready for may be another epoch than the pending one.
            self.state.next = None;
            self.tell_begun(&epoch);
        }
        self.refresh(plan);
        self.begin_job(plan, now);
        self.make_next(plan);
        self.judge(plan, now, heard);
    }

    /// Lets go of what the plan does not name any more.
    fn forget(&mut self, plan: &Plan) {
        let state = &mut self.state;
        let mut named: BTreeSet<_> = plan.epochs().map(|epoch| epoch.settings).collect();
        named.extend(state.active.iter().map(|active| active.plan.settings));
        state.ready.retain(|digest, _| named.contains(digest));
        state.failed.retain(|digest, _| named.contains(digest));
        let is_pending = |next: &Next| plan.epochs().any(|epoch| *epoch == next.plan);
        if !state.next.as_ref().is_some_and(is_pending) {
            state.next = None;
        }
        if state.job.as_ref().is_some_and(|job| !named.contains(&job.digest)) {
            state.abort();
        }
    }

    /// Other settings of the process: what was made ready with those before is made ready again.
    fn begin_anew(&mut self) {
        self.state.abort();
        self.state.ready.clear();
        self.state.failed.clear();
        self.state.next = None;
    }

    /// Puts the epoch in use that is due, if one is that could be.
    fn begin_due(&mut self, plan: &Plan, now: Timestamp) -> Option<PlanEpoch> {
        let current = self.state.number();
        let mut due: Vec<PlanEpoch> = schedule::due(plan, current, now).cloned().collect();
        let is_ready = |epoch: &PlanEpoch| self.state.ready.contains_key(&epoch.settings);
        due.retain(is_ready);
        due.into_iter().find(|epoch| {
            let next = self.state.next.take().filter(|next| next.plan == *epoch);
            next.or_else(|| self.next(plan, epoch).ok()).is_some_and(|next| self.begin(next))
        })
    }

    /// Everything that begins from now on begins with it.
    fn begin(&mut self, next: Next) -> bool {
        let Next { plan, epoch, prepared, ready } = next;
        if !self.workshop.gateway.apply(prepared) {
            return false;
        }
        self.scanners.judge_by(&epoch);
        if self.state.number() != plan.number {
            let active = self.state.active.as_ref();
            let is_other =
                |other: fn(&Active, &PlanEpoch) -> bool| active.is_none_or(|active| other(active, &plan));
            self.told.metrics().begun(
                is_other(|active, plan| active.plan.revision != plan.revision),
                is_other(|active, plan| active.plan.settings != plan.settings),
            );
        }
        ready.lists.tell();
        self.state.active = Some(Active { plan, epoch, ready });
        true
    }

    fn tell_begun(&self, epoch: &PlanEpoch) {
        let PlanEpoch { number, revision, settings, .. } = epoch;
        info!(
            epoch = number,
            revision = revision.short(),
            settings = settings.short(),
            "An epoch of the plan is in use."
        );
        let message = format!("Epoch {number} of the plan is in use: settings {}.", settings.short());
        let event = Event::new(EventKind::ConfigurationChange, Text::message(message));
        self.workshop.events.send(event);
    }

    /// Puts the epoch in use once more, where the process has other settings, or scanners have said more of its
    /// signatures.
    fn refresh(&mut self, plan: &Plan) {
        let Some(active) = &self.state.active else { return };
        let ready = self.state.ready.get(&active.plan.settings);
        let is_other = ready.is_some_and(|ready| !Arc::ptr_eq(ready, &active.ready));
        let signatures = &active.epoch.signatures;
        let told = self.scanners.signatures(signatures.id).filter(|_| signatures.engine.is_empty());
        let is_told = told.is_some_and(|told| !told.engine.is_empty());
        if !is_other && !is_told {
            return;
        }
        let wanted = active.plan.clone();
        let ready = Arc::clone(ready.unwrap_or(&active.ready));
        match self.next_of(plan, &wanted, Arc::clone(&ready)) {
            Ok(next) => drop(self.begin(next)),
            Err(why) => {
                warn!(error = why, "The epoch in use stays as it is.");
                // Not again and again.
                if let Some(active) = &mut self.state.active {
                    active.ready = ready;
                }
            }
        }
    }

    /// Makes the epoch ready whose settings are.
    fn next(&self, plan: &Plan, epoch: &PlanEpoch) -> Result<Next, String> {
        let ready = self.state.ready.get(&epoch.settings).ok_or("its settings are being made ready")?;
        self.next_of(plan, epoch, Arc::clone(ready))
    }

    fn next_of(&self, plan: &Plan, epoch: &PlanEpoch, ready: Arc<Ready>) -> Result<Next, String> {
        let mut istags = BTreeMap::new();
        for (service, tag) in &epoch.istags {
            let tag = IsTag::new(tag).map_err(|error| format!("the ISTag of {service:?}: {error}"))?;
            istags.insert(service.clone(), tag);
        }
        let signatures = self.signatures(plan, epoch);
        let pins = Pins { number: epoch.number, epoch: Arc::clone(&signatures), istags };
        let prepared = ready.compiled.pin(&pins).map_err(|error| chain(&error))?;
        Ok(Next { plan: epoch.clone(), epoch: signatures, prepared, ready })
    }

    /// The signatures of an epoch: those in use, if they are the same, else what is known of them.
    fn signatures(&self, plan: &Plan, epoch: &PlanEpoch) -> Arc<Epoch> {
        let id = GenerationId(epoch.revision.0);
        let known = self.scanners.signatures(id);
        if let Some(active) = &self.state.active
            && active.epoch.signatures.id == id
            && (known.is_none() || !active.epoch.signatures.engine.is_empty())
        {
            return Arc::clone(&active.epoch);
        }
        let test_only = plan.revision(&epoch.revision).is_some_and(|revision| revision.test_only);
        let set =
            known.unwrap_or(SignatureSet { id, count: 0, test_only, engine: String::new(), released: None });
        Arc::new(Epoch::new(set, None))
    }

    /// Begins to make settings ready, those first that are needed first.
    fn begin_job(&mut self, plan: &Arc<Plan>, now: Timestamp) {
        if self.state.job.is_some() {
            return;
        }
        let state = &self.state;
        let due = schedule::due(plan, state.number(), now).map(|epoch| epoch.settings);
        let active = state.active.iter().map(|active| active.plan.settings);
        let named = plan.epochs().filter(|epoch| epoch.number > state.number()).map(|epoch| epoch.settings);
        let is_wanted = |digest: &ContentDigest| {
            !state.ready.contains_key(digest)
                && state.failed.get(digest).is_none_or(|failed| Instant::now() >= failed.again)
        };
        let Some(digest) = due.chain(active).chain(named).find(is_wanted) else { return };
        let base = Arc::clone(&self.base.borrow());
        let work = self.workshop.clone().prepare(digest, Arc::clone(plan), base);
        self.state.job = Some(Job { digest, handle: tokio::spawn(work) });
    }

    /// What became of the job.
    fn take(&mut self, (digest, result): (ContentDigest, Result<Ready, PrepareError>)) {
        let error = match result {
            Ok(ready) => {
                info!(settings = digest.short(), "Settings of the plan are ready.");
                self.state.failed.remove(&digest);
                self.state.ready.insert(digest, Arc::new(ready));
                return self.clean();
            }
            Err(error) => error,
        };
        self.told.metrics().refused();
        let why = chain(&error);
        let before = self.state.failed.get(&digest);
        if before.is_none_or(|before| before.why != why) {
            error!(
                settings = digest.short(),
                error = why,
                "Settings of the plan cannot be used; those before stay in use."
            );
            let message = format!("Settings of the plan cannot be used; those before stay in use: {why}");
            self.workshop.events.send(Event::new(EventKind::Failure, Text::message(message)));
        }
        let pause = before.map_or(PAUSES.0, |before| (before.pause * 2).min(PAUSES.1));
        let again = Instant::now() + if error.is_passing() { pause } else { REST };
        self.state.failed.insert(digest, Failed { why, pause, again });
    }

    /// Removes files that no settings have which may be needed.
    fn clean(&self) {
        let Some(plan) = self.plans.borrow().clone() else { return };
        let mut kept: BTreeSet<_> = plan.settings.iter().map(|artifact| artifact.digest).collect();
        kept.extend(self.state.ready.values().flat_map(|ready| &ready.files));
        kept.extend(self.state.active.iter().flat_map(|active| &active.ready.files));
        let store = self.workshop.fetcher.store().clone();
        tokio::task::spawn_blocking(move || store.keep_only(&kept));
    }

    /// Makes the pending epoch ready for its moment.
    fn make_next(&mut self, plan: &Plan) {
        let Some(pending) =
            plan.pending.as_ref().filter(|pending| pending.epoch.number > self.state.number())
        else {
            return;
        };
        if self.state.next.is_none() {
            self.state.next = self.next(plan, &pending.epoch).ok();
        }
    }

    /// Why an epoch is not ready; empty while nothing hinders it.
    fn hindrance(&self, plan: &Plan, epoch: &PlanEpoch) -> String {
        if self.state.next.as_ref().is_some_and(|next| next.plan == *epoch) {
            return String::new();
        }
        if let Some(failed) = self.state.failed.get(&epoch.settings) {
            return failed.why.clone();
        }
        if !self.state.ready.contains_key(&epoch.settings) {
            return String::new();
        }
        self.next(plan, epoch).err().unwrap_or_default()
    }

    /// Says how far it has come, and whether that is too little to go on.
    fn judge(&mut self, plan: &Plan, now: Timestamp, heard: u64) {
        let current = self.state.number();
        let pending =
            plan.pending.as_ref().map(|pending| &pending.epoch).filter(|epoch| epoch.number > current);
        self.workshop.gateway.shorten_options(pending.map(|_| PENDING_TTL));
        let due = schedule::due(plan, current, now).next();
        let waiting = due.or(pending);
        let unprepared = waiting.map(|epoch| self.hindrance(plan, epoch)).unwrap_or_default();
        let prepared = match (&self.state.next, pending) {
            (Some(next), Some(pending)) if next.plan == *pending => pending.number,
            _ => 0,
        };
        // Before the first epoch nobody is served anyway.
        let why = behind(plan, heard, due, &unprepared).filter(|_| current > 0);
        let patience = schedule::patience(plan, self.stale_after);
        let is_fenced = self.state.behind.is_too_long(why.is_some(), patience, Instant::now());
        if is_fenced != self.fence.is_up() {
            self.fence.put(is_fenced);
            if let Some(why) = why.as_ref().filter(|_| is_fenced) {
                error!(cause = why, "Nobody is served: this gateway is behind its fleet.");
            } else {
                info!("Clients are served again.");
            }
        }
        let fenced = why.filter(|_| is_fenced);
        let generation = plan.generation;
        self.told.tell(Progress { generation, active: current, prepared, unprepared, fenced });
    }
}

/// Why this gateway is behind its fleet, if it is.
fn behind(plan: &FleetPlanSpec, heard: u64, due: Option<&PlanEpoch>, unprepared: &str) -> Option<String> {
    if heard > plan.generation {
        let own = plan.generation;
        return Some(format!("scanners follow plan {heard}, and this gateway has come to know {own} only"));
    }
    let number = due?.number;
    let why = if unprepared.is_empty() { "it is being made ready" } else { unprepared };
    Some(format!("epoch {number} counts, and is not in use here: {why}"))
}

/// Waits for the job, if there is one.
async fn finished(job: &mut Option<Job>) -> (ContentDigest, Result<Ready, PrepareError>) {
    let Some(running) = job else { return std::future::pending().await };
    let result = (&mut running.handle).await.unwrap_or(Err(PrepareError::Cut));
    let digest = running.digest;
    *job = None;
    (digest, result)
}

// === impl State ===

impl State {
    /// Of the epoch in use; 0 before there is one.
    fn number(&self) -> u64 {
        self.active.as_ref().map_or(0, |active| active.plan.number)
    }

    fn abort(&mut self) {
        if let Some(job) = self.job.take() {
            job.handle.abort();
        }
    }
}
