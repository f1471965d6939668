//! The plan as a whole, from what each has to say of it.

use crate::flip::{FlipPart, SettingsInfo};
use crate::rollout::RolloutPart;
use icapstan_api::fleet::{Artifact, ContentDigest, FleetPlanSpec, Issuer, PlanError};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What a plan is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// What the rollout has to say.
    pub rollout: RolloutPart,
    /// What the flip has to say.
    pub flip: FlipPart,
    /// Settings that can be named.
    pub settings: BTreeMap<ContentDigest, SettingsInfo>,
    /// The settings that gateways should have at hand besides those that epochs name.
    pub wished_settings: Option<ContentDigest>,
    /// Where bytes come from.
    pub artifacts: Vec<String>,
}

/// Why there is no plan.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AssembleError {
    /// Another process leads.
    #[error("the plan was written in term {0}, which is later than {1}")]
    Outranked(u64, u64),
    /// What it was made of does not fit together.
    #[error("the plan would contradict itself")]
    Contradiction(#[source] PlanError),
}

/// The plan that follows one, or none where nothing differs. Its generation is one more.
pub fn assemble(
    previous: &FleetPlanSpec,
    parts: Parts,
    issuer: &Issuer,
) -> Result<Option<FleetPlanSpec>, AssembleError> {
    let (written, ours) = (previous.issued_by.term, issuer.term);
    if written > ours {
        return Err(AssembleError::Outranked(written, ours));
    }
    let Parts { rollout, flip, settings, wished_settings, artifacts } = parts;
    let mut plan = FleetPlanSpec {
        generation: previous.generation,
        issued_by: previous.issued_by.clone(),
        verdict_version: flip.verdict_version,
        active: flip.active,
        pending: flip.pending,
        revisions: rollout.revisions,
        settings: Vec::new(),
        hold: rollout.hold,
        mirror: rollout.mirror,
        artifacts,
    };
    // What epochs name has to be described, whoever forgot it.
    let named: Vec<_> = plan.epochs().map(|epoch| epoch.revision).collect();
    for digest in named {
        if plan.revision(&digest).is_none() {
            plan.revisions.extend(previous.revision(&digest).cloned());
        }
    }
    let named: BTreeSet<_> = plan.epochs().map(|epoch| epoch.settings).chain(wished_settings).collect();
    let before = |digest: &ContentDigest| previous.settings.iter().find(|it| it.digest == *digest).copied();
    let artifact = |digest: &ContentDigest| -> Option<Artifact> {
        settings.get(digest).map(|info| info.artifact).or_else(|| before(digest))
    };
    plan.settings = named.iter().filter_map(artifact).collect();
    plan.check().map_err(AssembleError::Contradiction)?;
    if plan == *previous {
        return Ok(None);
    }
    plan.generation = previous.generation.saturating_add(1);
    plan.issued_by = issuer.clone();
    Ok(Some(plan))
}
