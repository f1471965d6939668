//! What scanners know of plans, and what a plan wants of them.

use super::{Inner, Known};
use icapstan_balance::EndpointId;
use icapstan_model::Readiness;
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

impl Inner {
    pub(super) fn forget(&self, id: EndpointId) {
        let mut known = self.known.lock();
        known.remove(&id);
        self.show_plan(&known);
    }

    /// A scanner that is known follows this plan.
    pub(in crate::client) fn heard_plan(&self, id: EndpointId, generation: u64) {
        if generation <= self.highest_plan.load(Ordering::Relaxed) {
            return;
        }
        let mut known = self.known.lock();
        if let Some(known) = known.get_mut(&id) {
            known.plan = known.plan.max(generation);
        }
        self.show_plan(&known);
    }

    pub(super) fn show_plan(&self, known: &BTreeMap<EndpointId, Known>) {
        let highest = known.values().map(|known| known.plan).max().unwrap_or(0);
        self.highest_plan.store(highest, Ordering::Relaxed);
        self.plans.send_if_modified(|plan| std::mem::replace(plan, highest) != highest);
    }

    /// Whether one of the scanners that can be asked has the signatures that count.
    pub(super) fn readiness_by_plan(&self, known: &BTreeMap<EndpointId, Known>) -> Readiness {
        if !self.is_planned {
            return Readiness::Ready;
        }
        let Some(wanted) = self.epochs.borrow().as_ref().map(|epoch| epoch.signatures.id) else {
            return Readiness::NotReady("no plan says what objects are to be scanned with".to_owned());
        };
        if known.values().flat_map(|known| &known.held).any(|set| set.id == wanted) {
            return Readiness::Ready;
        }
        Readiness::NotReady(format!("no scanner has the signatures {wanted} of the plan"))
    }
}
