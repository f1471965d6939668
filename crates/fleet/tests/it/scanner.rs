//! A scanner that follows plans.

use icapstan_api::fleet::{ContentDigest, FleetPlanSpec};
use icapstan_fleet::{Failure, Mirrored, Report, Scanner, Stage};
use std::collections::{BTreeMap, BTreeSet};

/// What becomes of a revision that is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quality {
    Good,
    /// Nobody gives its bytes.
    Unfetchable,
    /// Its self-test fails.
    Fails(Failure),
    /// Scanners end over it.
    Kills,
    /// It finds too much.
    Drifts,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct SimScanner {
    pub(crate) name: String,
    /// So many ticks until it runs.
    pub(crate) down_for: u32,
    pub(crate) incarnation: u64,
    /// It does not see plans.
    pub(crate) cut: bool,
    /// The operator does not hear it.
    pub(crate) silent: bool,
    pub(crate) plan: FleetPlanSpec,
    pub(crate) on_disk: BTreeSet<ContentDigest>,
    pub(crate) loaded: BTreeSet<ContentDigest>,
    loading: Option<(ContentDigest, u32)>,
    failed: BTreeMap<ContentDigest, Failure>,
    /// Something that is no fault of rollouts happened to it, and it has not recovered yet.
    pub(crate) disturbed: bool,
    /// Compares as much as is asked.
    compared: u64,
}

const LOAD_TICKS: u32 = 2;

impl SimScanner {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), incarnation: 1, disturbed: true, ..Self::default() }
    }

    pub(crate) fn end(&mut self, down_for: u32) {
        self.down_for = down_for;
        self.loaded.clear();
        self.loading = None;
        self.failed.clear();
        self.compared = 0;
        self.disturbed = true;
    }

    pub(crate) fn is_ready(&self) -> bool {
        let active = self.plan.active.as_ref().map(|epoch| epoch.revision);
        self.down_for == 0
            && !self.loaded.is_empty()
            && active.is_none_or(|active| self.loaded.contains(&active))
    }

    pub(crate) fn tick(&mut self, plan: &FleetPlanSpec, quality: impl Fn(&ContentDigest) -> Quality) {
        if self.down_for > 0 {
            self.down_for -= 1;
            if self.down_for > 0 {
                return;
            }
            self.incarnation += 1;
        }
        if !self.cut && plan.generation > self.plan.generation {
            self.plan = plan.clone();
        }
        let planned: BTreeSet<_> = self.plan.revisions.iter().map(|revision| revision.digest).collect();
        self.on_disk = planned.into_iter().filter(|digest| quality(digest) != Quality::Unfetchable).collect();
        let hold = self.plan.hold.of(&self.name).to_vec();
        self.loaded.retain(|digest| hold.contains(digest));
        self.failed.retain(|digest, _| hold.contains(digest));
        self.loading = self.loading.filter(|(digest, _)| hold.contains(digest));
        let is_missing = |digest: &&ContentDigest| {
            !self.loaded.contains(digest)
                && !self.failed.contains_key(digest)
                && self.on_disk.contains(digest)
        };
        match self.loading {
            None => self.loading = hold.iter().find(is_missing).map(|digest| (*digest, LOAD_TICKS)),
            Some((digest, 1)) => {
                self.loading = None;
                match quality(&digest) {
                    Quality::Kills => {
                        self.end(3);
                        return;
                    }
                    Quality::Fails(failure) => drop(self.failed.insert(digest, failure)),
                    _ => drop(self.loaded.insert(digest)),
                }
            }
            Some((digest, ticks)) => self.loading = Some((digest, ticks - 1)),
        }
        self.compared = match &self.plan.mirror {
            Some(mirror) if self.loaded.contains(&mirror.revision) => self.compared + 100,
            _ => 0,
        };
        self.disturbed &= !self.is_ready() || self.cut;
    }

    pub(crate) fn seen(&self, quality: impl Fn(&ContentDigest) -> Quality) -> Scanner {
        let stage = |digest: &ContentDigest| {
            if self.loaded.contains(digest) {
                Stage::Serving
            } else if let Some(failure) = self.failed.get(digest) {
                Stage::Failed(*failure)
            } else if self.loading.is_some_and(|(loading, _)| loading == *digest) {
                Stage::Loading
            } else if self.on_disk.contains(digest) {
                Stage::Staged
            } else {
                Stage::Fetching
            }
        };
        let report =
            |digest: &ContentDigest| Report { digest: *digest, stage: stage(digest), detail: String::new() };
        let mirrored = self.plan.mirror.as_ref().map(|mirror| Mirrored {
            digest: mirror.revision,
            compared: self.compared,
            newly_detected: if quality(&mirror.revision) == Quality::Drifts { self.compared / 2 } else { 0 },
            newly_clean: 0,
            newly_failed: 0,
            inconclusive: 0,
            engine_us: self.compared,
            candidate_engine_us: self.compared,
        });
        Scanner {
            name: self.name.clone(),
            ready: self.is_ready(),
            heard: self.down_for == 0 && !self.silent,
            draining: false,
            incarnation: self.incarnation,
            plan_generation: self.plan.generation,
            held: self.loaded.iter().copied().collect(),
            revisions: self.plan.revisions.iter().map(|revision| report(&revision.digest)).collect(),
            mirrored,
        }
    }
}
