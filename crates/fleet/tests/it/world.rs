//! A fleet, its operator, and what both forget when they end.

use crate::gateway::SimGateway;
use crate::invariants;
use crate::scanner::{Quality, SimScanner};
use icapstan_api::fleet::{
    Amount, Artifact, Canary, ContentDigest, FileKind, FleetPlanSpec, Issuer, PlannedFile, PlannedRevision,
    Rollout, SelfTest,
};
use icapstan_fleet::flip::{self, FlipObserved, FlipPart, FlipState, SettingsInfo, Timing, Wish};
use icapstan_fleet::plan::{self, Parts};
use icapstan_fleet::rollout::{self, Effect, Health, Observed, Offer, PlanView, Record, Spec, State, Verbs};
use icapstan_fleet::{Event, Reason};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) now: Timestamp,
    // What is stored.
    pub(crate) state: State,
    pub(crate) flip: FlipState,
    pub(crate) plan: FleetPlanSpec,
    pub(crate) records: BTreeMap<ContentDigest, Record>,
    // What people and sources want.
    pub(crate) spec: Spec,
    pub(crate) offer: Offer,
    pub(crate) known: BTreeMap<ContentDigest, PlannedRevision>,
    pub(crate) verbs: Verbs,
    pub(crate) settings: BTreeMap<ContentDigest, SettingsInfo>,
    pub(crate) wished: Option<ContentDigest>,
    pub(crate) verdict_version: u32,
    pub(crate) health: Option<Health>,
    // The fleet.
    pub(crate) scanners: Vec<SimScanner>,
    pub(crate) gateways: Vec<SimGateway>,
    pub(crate) quality: BTreeMap<ContentDigest, Quality>,
    // The operator.
    pub(crate) term: u64,
    pub(crate) is_away: bool,
    /// It ends before the so manieth thing that it does.
    pub(crate) ends_before: Option<u32>,
    pub(crate) done: u32,
    pub(crate) events: Vec<Event>,
    /// When rollouts of revisions began.
    pub(crate) begun: BTreeMap<ContentDigest, BTreeSet<Timestamp>>,
    next_name: u32,
}

pub(crate) const QUIET: Health =
    Health { window_secs: 2, objects: 1000, blocked: 10, errors: 0, false_positives: 0 };

pub(crate) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) fn revision(name: &str) -> PlannedRevision {
    let digest = ContentDigest::of(name.as_bytes());
    let file = PlannedFile { name: format!("{name}.ndb"), kind: FileKind::Clamav, digest, size: 1 };
    PlannedRevision::of(vec![file], SelfTest::default())
}

/// Seconds in the place of minutes.
fn quick() -> Rollout {
    Rollout {
        canary: Canary { soak: seconds(4), ..Canary::default() },
        wave_interval: seconds(2),
        progress_deadline: seconds(40),
        bake_time: seconds(5),
        ack_timeout: seconds(10),
        min_ready: Amount::Percent(50),
        ..Rollout::default()
    }
}

pub(crate) fn timing() -> Timing {
    Timing { ack_timeout: seconds(10), max_transaction: seconds(8), ..Timing::default() }
}

impl World {
    /// A fleet of that many, that has nothing yet.
    pub(crate) fn new(scanners: usize, gateways: usize) -> Self {
        let mut world = Self {
            now: "2026-11-24T00:00:00Z".parse().expect("a time"),
            state: State::default(),
            flip: FlipState::default(),
            plan: FleetPlanSpec::default(),
            records: BTreeMap::new(),
            spec: Spec { rollout: quick(), ..Spec::default() },
            offer: Offer::Missing(vec!["main".to_owned()]),
            known: BTreeMap::new(),
            verbs: Verbs::default(),
            settings: BTreeMap::new(),
            wished: None,
            verdict_version: 5,
            health: Some(QUIET),
            scanners: Vec::new(),
            gateways: Vec::new(),
            quality: BTreeMap::new(),
            term: 1,
            is_away: false,
            ends_before: None,
            done: 0,
            events: Vec::new(),
            begun: BTreeMap::new(),
            next_name: 0,
        };
        (0..scanners).for_each(|_| world.add_scanner());
        (0..gateways).for_each(|_| world.add_gateway());
        world.set_settings("settings-1");
        world
    }

    /// One that judges by `first`, and is at rest.
    pub(crate) fn running(scanners: usize, gateways: usize) -> Self {
        let mut world = Self::new(scanners, gateways);
        world.offer("first", Quality::Good);
        world.run_until("the first one is active", Self::is_at_rest);
        assert_eq!(world.active(), Some(revision("first").digest));
        world.run(20);
        world.events.clear();
        world
    }

    pub(crate) fn add_scanner(&mut self) {
        self.next_name += 1;
        self.scanners.push(SimScanner::new(&format!("scanner-{}", self.next_name)));
    }

    pub(crate) fn add_gateway(&mut self) {
        self.next_name += 1;
        self.gateways.push(SimGateway::new(&format!("gateway-{}", self.next_name)));
    }

    pub(crate) fn offer(&mut self, name: &str, quality: Quality) -> ContentDigest {
        let revision = revision(name);
        let digest = revision.digest;
        self.quality.insert(digest, quality);
        self.known.insert(digest, revision.clone());
        self.offer = Offer::Revision(revision);
        digest
    }

    pub(crate) fn set_settings(&mut self, name: &str) -> ContentDigest {
        let digest = ContentDigest::of(name.as_bytes());
        let bases = ["reqmod", "respmod"]
            .map(|service| (service.to_owned(), ContentDigest::of(format!("{name} {service}").as_bytes()).0));
        let info = SettingsInfo { artifact: Artifact { digest, size: 1 }, bases: bases.into() };
        self.settings.insert(digest, info);
        self.wished = Some(digest);
        digest
    }

    pub(crate) fn quality_of(&self, digest: &ContentDigest) -> Quality {
        self.quality.get(digest).copied().unwrap_or(Quality::Good)
    }

    pub(crate) fn active(&self) -> Option<ContentDigest> {
        self.plan.active.as_ref().map(|epoch| epoch.revision)
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.state.phase.is_resting()
            && self.plan.pending.is_none()
            && self.active().is_some()
            && self.flip.retiring.is_empty()
            && self.plan.active.as_ref().map(|epoch| epoch.settings) == self.wished
    }

    pub(crate) fn has(&self, reason: Reason) -> bool {
        self.events.iter().any(|event| event.reason == reason)
    }

    // --- time ---

    pub(crate) fn run_until(&mut self, what: &str, is: impl Fn(&Self) -> bool) {
        for _ in 0..600 {
            if is(self) {
                return;
            }
            self.tick();
        }
        panic!(
            "never: {what}; {:?}\nplan {:?}\nflip {:?}\n{:#?}",
            self.state, self.plan, self.flip, self.events
        );
    }

    pub(crate) fn run(&mut self, ticks: u32) {
        (0..ticks).for_each(|_| self.tick());
    }

    /// One second.
    pub(crate) fn tick(&mut self) {
        self.now += SignedDuration::from_secs(1);
        let quality = self.quality.clone();
        let quality_of = |digest: &ContentDigest| quality.get(digest).copied().unwrap_or(Quality::Good);
        for scanner in &mut self.scanners {
            scanner.tick(&self.plan, quality_of);
        }
        let running = self.scanners.iter().filter(|scanner| scanner.down_for == 0);
        let known = running.map(|scanner| scanner.plan.generation).max().unwrap_or(0);
        for gateway in &mut self.gateways {
            gateway.tick(&self.plan, known, self.now);
        }
        if !self.is_away {
            let _ = self.reconcile();
        }
        invariants::check(self);
    }

    // --- the operator ---

    pub(crate) fn observed(&self) -> Observed {
        Observed {
            spec: self.spec.clone(),
            offer: self.offer.clone(),
            known: self.known.clone(),
            scanners: self.scanners.iter().map(|scanner| scanner.seen(|it| self.quality_of(it))).collect(),
            health: self.health,
            verbs: self.verbs.clone(),
            plan: PlanView::of(&self.plan, self.flip.retiring()),
            records: self.records.clone(),
        }
    }

    pub(crate) fn flip_observed(&self, revision: Option<ContentDigest>) -> FlipObserved {
        FlipObserved {
            generation: self.plan.generation,
            part: FlipPart::of(&self.plan),
            wish: Wish { revision, settings: self.wished, verdict_version: self.verdict_version },
            settings: self.settings.clone(),
            gateways: self.gateways.iter().map(SimGateway::seen).collect(),
            scanners: self.scanners.iter().map(|scanner| scanner.seen(|it| self.quality_of(it))).collect(),
            timing: Timing { max_transaction: timing().max_transaction, ..Timing::of(&self.spec.rollout) },
        }
    }

    /// Does what it does, each thing after the other; none where it ends before one of them.
    fn reconcile(&mut self) -> Option<()> {
        let seen = self.observed();
        // What is stored is all that a process knows.
        let stored = serde_json::to_string(&self.state).expect("it is written");
        let (state, effects) =
            rollout::step(&serde_json::from_str(&stored).expect("it reads back"), &seen, self.now);
        invariants::is_idempotent(&state, &effects, &seen, self.now);
        self.alive()?;
        self.state = state;
        for record in &self.state.history {
            self.begun.entry(record.digest).or_default().insert(record.begun_at);
        }
        let (mut revision, mut part) = (None, seen.plan.part.clone());
        let mut records = Vec::new();
        for effect in effects {
            match effect {
                Effect::EmitEvent(event) => {
                    if std::env::var_os("FLEET_TRACE").is_some() {
                        eprintln!("{} {event:?}", self.now);
                    }
                    self.events.push(event);
                }
                Effect::SetPlan(planned) => part = planned,
                Effect::RequestFlip { revision: wished } => revision = Some(wished),
                Effect::Requeue { after } => assert!(!after.is_zero()),
                other => records.push(other),
            }
        }
        let seen = self.flip_observed(revision);
        let stored = serde_json::to_string(&self.flip).expect("it is written");
        let flipped = flip::step(&serde_json::from_str(&stored).expect("it reads back"), &seen, self.now);
        invariants::is_flip_idempotent(&flipped, &seen, self.now);
        self.alive()?;
        self.flip = flipped.state;
        self.events.extend(flipped.events);
        let parts = Parts {
            rollout: part,
            flip: flipped.part,
            settings: self.settings.clone(),
            wished_settings: self.wished,
            artifacts: vec!["http://operator:7347".to_owned()],
        };
        let issuer = Issuer { holder: "operator".to_owned(), term: self.term };
        let plan = plan::assemble(&self.plan, parts, &issuer).expect("parts fit together");
        if let Some(plan) = plan {
            self.alive()?;
            invariants::check_write(self, &plan);
            self.plan = plan;
        }
        for effect in records {
            self.alive()?;
            match effect {
                Effect::RecordRevision(record) => drop(self.records.insert(record.digest, record)),
                Effect::ForgetRevision { revision } => drop(self.records.remove(&revision)),
                other => panic!("{other:?}"),
            }
        }
        Some(())
    }

    fn alive(&mut self) -> Option<()> {
        let ends = self.ends_before == Some(self.done);
        self.done += 1;
        if ends {
            self.term += 1;
            return None;
        }
        Some(())
    }
}
