use super::*;
use crate::settings::Wanted;
use icapstan_api::Config;
use icapstan_fleet::rollout::Phase;
use icapstan_fleet::{Report, Stage};

/// A fleet that does at once what the plan says.
struct Fleet {
    plan: FleetPlanSpec,
    rollout: State,
    flip: FlipState,
    wanted: Assembled,
    earlier: BTreeMap<ContentDigest, SettingsInfo>,
    now: Timestamp,
    gateways: Vec<(String, u64)>,
    changes: Vec<(u64, String)>,
    records: BTreeMap<ContentDigest, Record>,
}

fn settings(text: &str) -> Assembled {
    let Config { services, policies, .. } = Config::parse(text, "test").unwrap();
    let services = services.into_iter().map(|service| (service.path.clone(), service)).collect();
    Wanted { services, policies, base: Config::default() }.assemble(None).unwrap()
}

impl Fleet {
    fn new(text: &str) -> Self {
        Self {
            plan: FleetPlanSpec::default(),
            rollout: State::default(),
            flip: FlipState::default(),
            wanted: settings(text),
            earlier: BTreeMap::new(),
            now: "2026-11-24T00:00:00Z".parse().unwrap(),
            gateways: vec![("g-0".to_owned(), 0), ("g-1".to_owned(), 0)],
            changes: Vec::new(),
            records: BTreeMap::new(),
        }
    }

    fn scanner(&self, name: &str) -> Scanner {
        let held = self.plan.hold.of(name).to_vec();
        let report = |revision: &PlannedRevision| {
            let stage = if held.contains(&revision.digest) { Stage::Serving } else { Stage::Staged };
            Report { digest: revision.digest, stage, detail: String::new() }
        };
        Scanner {
            name: name.to_owned(),
            ready: true,
            heard: true,
            incarnation: 1,
            plan_generation: self.plan.generation,
            revisions: self.plan.revisions.iter().map(report).collect(),
            held,
            ..Scanner::default()
        }
    }

    fn gateway(&self, (name, active): &(String, u64)) -> Gateway {
        let pending = self.plan.pending.as_ref();
        Gateway {
            name: name.clone(),
            ready: true,
            heard: true,
            plan_generation: self.plan.generation,
            active_epoch: *active,
            prepared_epoch: pending.map_or(0, |pending| pending.epoch.number),
            ..Gateway::default()
        }
    }

    fn round(&mut self) -> Round {
        let info = |wanted: &Assembled| SettingsInfo {
            artifact: Artifact { digest: wanted.digest, size: wanted.bytes.len() as u64 },
            bases: wanted.bases.clone(),
        };
        let seen = Seen {
            spec: Spec::default(),
            rollout: self.rollout.clone(),
            flip: self.flip.clone(),
            offer: Offer::Revision(PlannedRevision::built_in()),
            known: BTreeMap::new(),
            records: self.records.clone(),
            verbs: Verbs::default(),
            health: None,
            plan: &self.plan,
            settings: &self.wanted,
            earlier: self.earlier.clone(),
            scanners: ["s-0", "s-1", "s-2"].map(|name| self.scanner(name)).to_vec(),
            gateways: self.gateways.iter().map(|gateway| self.gateway(gateway)).collect(),
            verdict_version: 5,
            ack_p99: Duration::from_millis(50),
            artifacts: vec!["http://operator:7347".to_owned()],
        };
        let issuer = Issuer { holder: "o-0".to_owned(), term: 1 };
        let round = seen.round(&issuer, self.now).unwrap();
        self.earlier.insert(self.wanted.digest, info(&self.wanted));
        (self.rollout, self.flip) = (round.rollout.clone(), round.flip.clone());
        self.records.extend(round.records.iter().map(|record| (record.digest, record.clone())));
        if let Some(plan) = &round.plan {
            plan.check().unwrap();
            self.plan = plan.clone();
        }
        round
    }

    /// Until nothing changes for a minute.
    fn settle(&mut self) {
        let mut quiet = 0;
        for _ in 0..5000 {
            let changed = self.round().plan.is_some();
            let active = self.plan.active.clone();
            let pending =
                self.plan.pending.clone().filter(|it| it.activate_at.is_some_and(|at| at <= self.now));
            for (_, epoch) in &mut self.gateways {
                let number = pending.as_ref().map(|pending| &pending.epoch).or(active.as_ref());
                *epoch = number.map_or(*epoch, |active| active.number.max(*epoch));
            }
            if let Some(active) = &self.plan.active {
                let tag = active.istags.values().cloned().collect::<Vec<_>>().join(" ");
                if self.changes.last().is_none_or(|(number, _)| *number != active.number) {
                    self.changes.push((active.number, tag));
                }
            }
            self.now += Duration::from_millis(500);
            quiet = if changed { 0 } else { quiet + 1 };
            if quiet > 120 {
                return;
            }
        }
        panic!("it never settles: {:?}", self.rollout.phase);
    }
}

#[test]
fn a_first_plan_comes_into_use_and_then_nothing_is_written_any_more() {
    let mut fleet = Fleet::new("services: [{path: /respmod}]");
    fleet.settle();
    let active = fleet.plan.active.clone().expect("an epoch is active");
    assert_eq!(active.revision, PlannedRevision::built_in().digest);
    assert_eq!(active.settings, fleet.wanted.digest);
    assert_eq!(active.istags.keys().collect::<Vec<_>>(), ["respmod"]);
    assert_eq!((fleet.plan.pending.as_ref(), fleet.rollout.phase), (None, Phase::Idle));
    assert_eq!(fleet.plan.issued_by.holder, "o-0");
    let before = fleet.plan.generation;
    for _ in 0..10 {
        let round = fleet.round();
        assert_eq!((round.plan, round.events.len(), round.records.len()), (None, 0, 0));
    }
    assert_eq!(fleet.plan.generation, before);
}

#[test]
fn an_edit_that_decides_flips_tags_once_and_one_that_does_not_leaves_them() {
    let mut fleet = Fleet::new("services: [{path: /respmod}]");
    fleet.settle();
    let first = fleet.plan.active.clone().unwrap();
    fleet.wanted = settings("services: [{path: /respmod, optionsTtl: 77s}]");
    fleet.settle();
    let cosmetic = fleet.plan.active.clone().unwrap();
    assert_eq!((cosmetic.settings, &cosmetic.istags), (fleet.wanted.digest, &first.istags));
    fleet.wanted = settings("services: [{path: /respmod}]\npolicies: [{name: default, failOpen: true}]");
    fleet.settle();
    let strict = fleet.plan.active.clone().unwrap();
    assert_ne!(strict.istags, first.istags);
    assert_eq!(fleet.changes.len(), 3, "{:?}", fleet.changes);
    assert!(fleet.changes.is_sorted_by_key(|(number, _)| *number));
}

#[test]
fn what_another_leader_wrote_later_is_not_overwritten() {
    let mut fleet = Fleet::new("services: [{path: /respmod}]");
    fleet.settle();
    fleet.plan.issued_by.term = 2;
    fleet.wanted = settings("services: [{path: /other}]");
    let outranked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| fleet.round()));
    assert!(outranked.is_err());
}
