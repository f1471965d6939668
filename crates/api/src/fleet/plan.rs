//! The plan.
#![cfg_attr(
    feature = "kube",
    expect(clippy::duplicated_attributes, reason = "columns of equal types are no duplicates")
)]

use super::artifact::{Artifact, ContentDigest};
use super::revision::PlannedRevision;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// What gateways and scanners of one fleet are to do (`FleetPlan.spec`).
///
/// Times are those of the machine's clock, so that clocks have to agree about as well as tags are to change together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema, kube::CustomResource))]
#[cfg_attr(
    feature = "kube",
    kube(
        group = "icapstan.dev",
        version = "v1alpha1",
        kind = "FleetPlan",
        plural = "fleetplans",
        namespaced,
        schema = "disabled",
        status = "FleetPlanStatus",
        derive = "PartialEq",
        shortname = "fplan",
        printcolumn(name = "Generation", type_ = "integer", json_path = ".spec.generation"),
        printcolumn(name = "Active", type_ = "integer", json_path = ".spec.active.number"),
        printcolumn(name = "Pending", type_ = "integer", json_path = ".spec.pending.epoch.number"),
        printcolumn(name = "Activates", type_ = "string", json_path = ".spec.pending.activateAt"),
        printcolumn(name = "Issuer", type_ = "string", json_path = ".spec.issuedBy.holder", priority = 1),
        printcolumn(name = "Revision", type_ = "string", json_path = ".spec.active.revision", priority = 1),
        printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
    )
)]
#[cfg_attr(feature = "kube", schemars(extend("x-kubernetes-validations" = crate::schema::cel::PLAN)))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetPlanSpec {
    /// One more with each write, never less: who has followed a number does not go back behind it. 0 is no plan.
    pub generation: u64,
    /// Who wrote it.
    pub issued_by: Issuer,
    /// What goes into service tags for the program that judges: the least verdict version of all that serve.
    pub verdict_version: u32,
    /// What transactions that begin now are judged by. Without it gateways are not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active: Option<PlanEpoch>,
    /// What takes its place next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<PendingEpoch>,
    /// What scanners have on disk, loaded or not; of anything else they may let go.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 64)))]
    pub revisions: Vec<PlannedRevision>,
    /// The settings that epochs name, and those that gateways should have at hand.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 64)))]
    pub settings: Vec<Artifact>,
    /// What scanners have loaded.
    pub hold: Holdings,
    /// What scans in earnest are made with a second time, to see how the results differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Mirror>,
    /// Where bytes come from: URLs to which `/sha256/` and the digits of a digest are added. The first that answers
    /// will do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 16), inner(length(max = 2048))))]
    pub artifacts: Vec<String>,
}

/// Who wrote a plan: of two who believe that they lead, the one with the lower term is not to be followed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Issuer {
    /// The operator process that held the lease.
    #[cfg_attr(feature = "kube", schemars(length(max = 253)))]
    pub holder: String,
    /// `leaseTransitions` of the lease when it wrote.
    pub term: u64,
}

/// What a transaction is judged by, and what its answer is named after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PlanEpoch {
    /// One more with each epoch that was announced; also going back to earlier content is a new epoch.
    pub number: u64,
    /// The signatures.
    pub revision: ContentDigest,
    /// Services, policies and lists.
    pub settings: ContentDigest,
    /// The ISTag of each service, by its path without slashes around it.
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::istags"))]
    pub istags: BTreeMap<String, String>,
}

/// An epoch that is about to become the active one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PendingEpoch {
    /// Which.
    pub epoch: PlanEpoch,
    /// From when on transactions begin with it. Without it gateways prepare, and say so when they have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::timestamp"))]
    pub activate_at: Option<Timestamp>,
}

/// What scanners have loaded, by their names. Of revisions that they are to hold and cannot, they keep what they have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Holdings {
    /// What all have that are not named.
    #[cfg_attr(feature = "kube", schemars(length(max = 8)))]
    pub everyone: Vec<ContentDigest>,
    /// What these have instead.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::holdings"))]
    pub named: BTreeMap<String, Vec<ContentDigest>>,
}

/// Scans that are made a second time by scanners that hold a candidate (`FleetPlan.spec.mirror`). What the first one
/// found counts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Mirror {
    /// The candidate.
    pub revision: ContentDigest,
    /// How many of a hundred scans, while there are workers without anything to do.
    #[cfg_attr(feature = "kube", schemars(range(max = 100)))]
    pub percent: u8,
}

/// What the operator says of a plan.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetPlanStatus {
    /// When the active epoch began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::timestamp"))]
    pub activated_at: Option<Timestamp>,
}

/// Why a plan cannot be followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PlanError {
    /// A revision is named that the plan does not describe.
    #[error("{0} names the revision {1}, which the plan does not describe")]
    NoRevision(&'static str, ContentDigest),
    /// Settings are named that the plan does not list.
    #[error("{0} names the settings {1}, which the plan does not list")]
    NoSettings(&'static str, ContentDigest),
    /// A revision is not what its files are.
    #[error("the revision {0} has files of another digest")]
    WrongRevision(ContentDigest),
    /// A name of a file that leads elsewhere.
    #[error("{0:?} is no name for a file")]
    FileName(String),
    /// An ISTag that is none.
    #[error("the ISTag of {0:?} is none: {1}")]
    IsTag(String, icapstan_model::IsTagError),
    /// The pending epoch does not come after the active one.
    #[error("the pending epoch {0} does not come after the active one, {1}")]
    Order(u64, u64),
}

// === impl FleetPlanSpec ===

impl FleetPlanSpec {
    /// The revision of that digest.
    pub fn revision(&self, digest: &ContentDigest) -> Option<&PlannedRevision> {
        self.revisions.iter().find(|revision| revision.digest == *digest)
    }

    /// The active epoch and the pending one.
    pub fn epochs(&self) -> impl Iterator<Item = &PlanEpoch> {
        self.active.iter().chain(self.pending.iter().map(|pending| &pending.epoch))
    }

    /// Whether it contradicts itself: who follows plans asks first, and keeps the one before.
    pub fn check(&self) -> Result<(), PlanError> {
        let described: BTreeSet<_> = self.revisions.iter().map(|revision| revision.digest).collect();
        let settings: BTreeSet<_> = self.settings.iter().map(|artifact| artifact.digest).collect();
        let is_described = |place, digest: &ContentDigest| {
            if described.contains(digest) { Ok(()) } else { Err(PlanError::NoRevision(place, *digest)) }
        };
        for epoch in self.epochs() {
            is_described("an epoch", &epoch.revision)?;
            if !settings.contains(&epoch.settings) {
                return Err(PlanError::NoSettings("an epoch", epoch.settings));
            }
            for (service, tag) in &epoch.istags {
                icapstan_model::IsTag::new(tag).map_err(|error| PlanError::IsTag(service.clone(), error))?;
            }
        }
        if let (Some(active), Some(pending)) = (&self.active, &self.pending)
            && pending.epoch.number <= active.number
        {
            return Err(PlanError::Order(pending.epoch.number, active.number));
        }
        let held = self.hold.everyone.iter().chain(self.hold.named.values().flatten());
        held.clone().try_for_each(|digest| is_described("hold", digest))?;
        if let Some(mirror) = &self.mirror {
            is_described("mirror", &mirror.revision)?;
        }
        for revision in &self.revisions {
            if let Some(file) = revision.files.iter().find(|file| !is_file_name(&file.name)) {
                return Err(PlanError::FileName(file.name.clone()));
            }
            if PlannedRevision::digest_of(&revision.files) != revision.digest {
                return Err(PlanError::WrongRevision(revision.digest));
            }
        }
        Ok(())
    }
}

/// Whether it stays in its folder, and is not hidden.
fn is_file_name(name: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=128).contains(&name.len()) && !name.starts_with('.') && name.chars().all(is_plain)
}

// === impl Holdings ===

impl Holdings {
    /// What a scanner of that name has loaded; what it scans with by itself comes first.
    pub fn of(&self, scanner: &str) -> &[ContentDigest] {
        self.named.get(scanner).unwrap_or(&self.everyone)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fleet::{FileKind, PlannedFile, SelfTest};

    fn plan() -> FleetPlanSpec {
        let digest = ContentDigest::of(b"x");
        let file = PlannedFile { name: "a.ndb".to_owned(), kind: FileKind::Clamav, digest, size: 1 };
        let revision = PlannedRevision::of(vec![file], SelfTest::default());
        let istags = BTreeMap::from([("respmod".to_owned(), "ICS-1".to_owned())]);
        let epoch = PlanEpoch { number: 1, revision: revision.digest, settings: digest, istags };
        FleetPlanSpec {
            generation: 1,
            active: Some(epoch.clone()),
            pending: Some(PendingEpoch { epoch: PlanEpoch { number: 2, ..epoch }, activate_at: None }),
            hold: Holdings { everyone: vec![revision.digest], named: BTreeMap::new() },
            revisions: vec![revision],
            settings: vec![Artifact { digest, size: 1 }],
            ..FleetPlanSpec::default()
        }
    }

    #[test]
    fn a_plan_reads_back_as_it_was_written() {
        let mut plan = plan();
        plan.pending.as_mut().unwrap().activate_at = Some("2026-11-24T02:00:00.25Z".parse().unwrap());
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<FleetPlanSpec>(&text).unwrap(), plan);
        assert!(text.contains("\"2026-11-24T02:00:00.25Z\""), "{text}");
        assert_eq!(serde_json::from_str::<FleetPlanSpec>("{}").unwrap(), FleetPlanSpec::default());
    }

    #[test]
    fn a_plan_that_contradicts_itself_is_not_followed() {
        assert_eq!(plan().check(), Ok(()));
        assert_eq!(FleetPlanSpec::default().check(), Ok(()));
        let other = ContentDigest::of(b"other");
        let wrong = |change: fn(&mut FleetPlanSpec, ContentDigest)| {
            let mut plan = plan();
            change(&mut plan, other);
            plan.check().unwrap_err()
        };
        assert_eq!(
            wrong(|plan, other| plan.active.as_mut().unwrap().revision = other),
            PlanError::NoRevision("an epoch", other)
        );
        assert_eq!(
            wrong(|plan, other| plan.pending.as_mut().unwrap().epoch.settings = other),
            PlanError::NoSettings("an epoch", other)
        );
        assert_eq!(
            wrong(|plan, other| plan.hold.named.insert("s".to_owned(), vec![other]).map_or((), drop)),
            PlanError::NoRevision("hold", other)
        );
        assert_eq!(
            wrong(|plan, other| plan.mirror = Some(Mirror { revision: other, percent: 1 })),
            PlanError::NoRevision("mirror", other)
        );
        let pending_1 = wrong(|plan, _| plan.pending.as_mut().unwrap().epoch.number = 1);
        assert_eq!(pending_1, PlanError::Order(1, 1));
        assert!(matches!(
            wrong(|plan, other| plan.revisions[0].files[0].digest = other),
            PlanError::WrongRevision(_)
        ));
        for name in ["", ".a", "a/b", "..", "a b", "é"] {
            let mut plan = plan();
            plan.revisions[0].files[0].name = name.to_owned();
            assert_eq!(plan.check(), Err(PlanError::FileName(name.to_owned())));
        }
        assert!(matches!(
            wrong(|plan, _| plan
                .active
                .as_mut()
                .unwrap()
                .istags
                .insert("x".into(), "a\"b".into())
                .map_or((), drop)),
            PlanError::IsTag(..)
        ));
    }

    #[test]
    fn who_is_not_named_holds_what_everyone_does() {
        let [one, two] = [b"1", b"2"].map(|bytes| ContentDigest::of(bytes));
        let named = BTreeMap::from([("canary".to_owned(), vec![one, two])]);
        let hold = Holdings { everyone: vec![one], named };
        assert_eq!((hold.of("other"), hold.of("canary")), (&[one][..], &[one, two][..]));
    }
}
