//! One look at a fleet, and what follows from it. Knows no API and no clock.
//!
//! ```text
//!  rollout::step ─▶ what scanners have, a wish for signatures ─┐
//!  settings ─▶ a wish for settings ───────────────────────────┴▶ flip::step ─▶ epochs ─▶ plan::assemble ─▶ Round
//! ```

#[cfg(test)]
mod tests;

use crate::settings::Assembled;
use icapstan_api::fleet::{Artifact, ContentDigest, FleetPlanSpec, Issuer, PlannedRevision};
use icapstan_fleet::flip::{self, FlipObserved, FlipPart, FlipState, Gateway, SettingsInfo, Timing, Wish};
use icapstan_fleet::plan::{self, AssembleError, Parts};
use icapstan_fleet::rollout::{self, Effect, Health, Observed, Offer, PlanView, Record, Spec, State, Verbs};
use icapstan_fleet::{Event, Scanner};
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

/// From the announcement of an instant to it: longer than gateways that were cut off from the plan take to notice that
/// they have missed it, so that none names answers after what is over.
const LEAST_LEAD: Duration = Duration::from_secs(7);

/// All that a round goes by.
#[derive(Clone, Debug)]
pub struct Seen<'s> {
    /// What is wanted of rollouts.
    pub spec: Spec,
    /// What was remembered of rollouts.
    pub rollout: State,
    /// What was remembered of flips.
    pub flip: FlipState,
    /// What sources give.
    pub offer: Offer,
    /// What else there is to roll out, go back to, or pin.
    pub known: BTreeMap<ContentDigest, PlannedRevision>,
    /// What was recorded of revisions.
    pub records: BTreeMap<ContentDigest, Record>,
    /// What people asked for.
    pub verbs: Verbs,
    /// How the fleet does.
    pub health: Option<Health>,
    /// The plan as it is.
    pub plan: &'s FleetPlanSpec,
    /// The settings that are wanted.
    pub settings: &'s Assembled,
    /// Those that the plan names, and what of them decides.
    pub earlier: BTreeMap<ContentDigest, SettingsInfo>,
    /// All scanners.
    pub scanners: Vec<Scanner>,
    /// All gateways.
    pub gateways: Vec<Gateway>,
    /// The least verdict version of all that are heard; without any, that of this program.
    pub verdict_version: u32,
    /// How long changes of the plan take to reach nearly all gateways.
    pub ack_p99: Duration,
    /// Where bytes come from.
    pub artifacts: Vec<String>,
}

/// What is to be done: states first, then the plan, then the rest.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// To be remembered of rollouts.
    pub rollout: State,
    /// To be remembered of flips.
    pub flip: FlipState,
    /// The plan that takes the place of the one that was seen; none if nothing in it changes.
    pub plan: Option<FleetPlanSpec>,
    /// Who should be told, in this order.
    pub events: Vec<Event>,
    /// What is to be recorded of revisions.
    pub records: Vec<Record>,
    /// Revisions that may be forgotten.
    pub forget: Vec<ContentDigest>,
    /// When to look again though nothing happens.
    pub requeue: Option<Duration>,
}

// === impl Seen ===

impl Seen<'_> {
    /// What follows. Equal input gives equal output, and what is asked for is asked for again until it is seen to be
    /// done.
    pub fn round(self, issuer: &Issuer, now: Timestamp) -> Result<Round, AssembleError> {
        let Seen { plan, settings, .. } = self;
        let view = PlanView::of(plan, self.flip.retiring());
        let mut part = view.part.clone();
        let (rollout, spec) = (self.spec.rollout.clone(), self.spec.clone());
        let observed = Observed {
            spec,
            offer: self.offer,
            known: self.known,
            scanners: self.scanners.clone(),
            health: self.health,
            verbs: self.verbs,
            plan: view,
            records: self.records,
        };
        let (state, effects) = rollout::step(&self.rollout, &observed, now);
        let mut wish =
            Wish { revision: None, settings: Some(settings.digest), verdict_version: self.verdict_version };
        let (mut events, mut records, mut forget) = (Vec::new(), Vec::new(), Vec::new());
        let mut requeue = None;
        for effect in effects {
            match effect {
                Effect::SetPlan(wanted) => part = wanted,
                Effect::RequestFlip { revision } => wish.revision = Some(revision),
                Effect::EmitEvent(event) => events.push(event),
                Effect::RecordRevision(record) => records.push(record),
                Effect::ForgetRevision { revision } => forget.push(revision),
                Effect::Requeue { after } => requeue = sooner(requeue, Some(after)),
            }
        }
        let mut known = self.earlier;
        let artifact = Artifact { digest: settings.digest, size: settings.bytes.len() as u64 };
        known.insert(settings.digest, SettingsInfo { artifact, bases: settings.bases.clone() });
        let timing = Timing {
            ack_timeout: rollout.ack_timeout,
            ack_p99: self.ack_p99,
            min_ready: rollout.min_ready,
            least_lead: LEAST_LEAD,
            ..Timing::default()
        };
        let observed = FlipObserved {
            generation: plan.generation,
            part: FlipPart::of(plan),
            wish,
            settings: known.clone(),
            gateways: self.gateways,
            scanners: self.scanners,
            timing,
        };
        let flipped = flip::step(&self.flip, &observed, now);
        events.extend(flipped.events);
        let parts = Parts {
            rollout: part,
            flip: flipped.part,
            settings: known,
            wished_settings: Some(settings.digest),
            artifacts: self.artifacts,
        };
        let plan = plan::assemble(plan, parts, issuer)?;
        let requeue = sooner(requeue, flipped.requeue);
        Ok(Round { rollout: state, flip: flipped.state, plan, events, records, forget, requeue })
    }
}

fn sooner(one: Option<Duration>, other: Option<Duration>) -> Option<Duration> {
    one.into_iter().chain(other).min()
}
