//! A gateway that follows plans.

use icapstan_api::fleet::{ContentDigest, FleetPlanSpec, PlanEpoch};
use icapstan_fleet::flip::Gateway;
use jiff::Timestamp;
use std::collections::BTreeSet;

#[derive(Clone, Debug, Default)]
pub(crate) struct SimGateway {
    pub(crate) name: String,
    /// It does not see plans.
    pub(crate) cut: bool,
    /// The operator does not hear it.
    pub(crate) silent: bool,
    pub(crate) plan: FleetPlanSpec,
    pub(crate) active: Option<PlanEpoch>,
    pub(crate) prepared: u64,
    /// Settings that it does not understand.
    pub(crate) refuses: BTreeSet<ContentDigest>,
    /// Since when it knows that there is a newer plan.
    behind_since: Option<Timestamp>,
    pub(crate) fenced: bool,
    /// The tags that clients saw, each once when it came.
    pub(crate) story: Vec<PlanEpoch>,
}

impl SimGateway {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }

    pub(crate) fn is_ready(&self) -> bool {
        self.active.is_some() && !self.fenced
    }

    pub(crate) fn is_prepared(&self, number: u64) -> bool {
        self.prepared == number || self.active.as_ref().is_some_and(|active| active.number >= number)
    }

    /// `known` is the newest generation that scanners speak of.
    pub(crate) fn tick(&mut self, plan: &FleetPlanSpec, known: u64, now: Timestamp) {
        if !self.cut && plan.generation > self.plan.generation {
            self.plan = plan.clone();
        }
        if known > self.plan.generation {
            let since = *self.behind_since.get_or_insert(now);
            self.fenced = now.duration_since(since).as_secs() >= 5;
        } else {
            self.behind_since = None;
            self.fenced = false;
        }
        let mut next = self.plan.active.clone();
        self.prepared = 0;
        if let Some(pending) = &self.plan.pending {
            let is_understood = !self.refuses.contains(&pending.epoch.settings);
            if is_understood {
                self.prepared = pending.epoch.number;
            }
            if pending.activate_at.is_some_and(|at| now >= at) && is_understood {
                next = Some(pending.epoch.clone());
            }
        }
        let number = self.active.as_ref().map_or(0, |active| active.number);
        if let Some(next) = next.filter(|next| next.number > number) {
            self.story.push(next.clone());
            self.active = Some(next);
        }
    }

    pub(crate) fn seen(&self) -> Gateway {
        Gateway {
            name: self.name.clone(),
            ready: self.is_ready(),
            heard: !self.silent,
            fenced: self.fenced,
            plan_generation: self.plan.generation,
            active_epoch: self.active.as_ref().map_or(0, |active| active.number),
            prepared_epoch: self.prepared,
            unprepared: String::new(),
        }
    }
}
