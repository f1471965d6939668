//! Which signatures a fleet is to have, and how new ones come into use.

use super::conditions;
use super::opaque::Opaque;
use super::source::{ConfigMapSource, FileSource};
use super::yes;
use crate::fleet::{ContentDigest, Rollout};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Which signatures the fleet of the same name is to have, and how new ones come into use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[kube(
    group = "icapstan.dev",
    version = "v1alpha1",
    kind = "SignatureSet",
    plural = "signaturesets",
    namespaced,
    schema = "disabled",
    status = "SignatureSetStatus",
    derive = "PartialEq",
    shortname = "sigset",
    category = "icapstan",
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Current", type_ = "string", json_path = ".status.current.revision"),
    printcolumn(name = "Candidate", type_ = "string", json_path = ".status.candidate.revision"),
    printcolumn(name = "Scanners", type_ = "string", json_path = ".status.scanners.summary"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Progressing\")].reason",
        priority = 1
    ),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.current.digest", priority = 1)
)]
pub struct SignatureSetSpec {
    /// The sources, all of which are loaded together. Without any, only the built-in test signatures are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 32),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub sources: Vec<SetSource>,
    /// A revision of the history that is to be in use, whatever sources say; its digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pin: Option<ContentDigest>,
    /// The stages that new signatures go through.
    #[serde(default)]
    pub rollout: Rollout,
    /// What is tried before signatures count. EICAR, alone and packed, is tried in any case.
    #[serde(default, skip_serializing_if = "SetSelfTest::is_empty")]
    pub self_test: SetSelfTest,
    /// How many revisions are kept that are not in use any more.
    #[serde(default = "three")]
    #[schemars(range(min = 1, max = 50))]
    pub history_limit: u32,
    /// From the beginning of one rollout to that of the next, at least. What comes meanwhile waits, and the newest of
    /// it goes.
    #[serde(default, with = "crate::duration")]
    #[schemars(schema_with = "crate::schema::duration")]
    pub min_refresh_interval: Duration,
    /// Whether all stays as it is.
    #[serde(default)]
    pub suspend: bool,
}

/// A SignatureSource of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetSource {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Whether there is no revision without it. One that is not required is left out while it has nothing.
    #[serde(default = "yes")]
    pub required: bool,
}

/// Samples of whoever runs the fleet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SetSelfTest {
    /// Something has to be found in each of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub must_detect: Vec<Sample>,
    /// Nothing may be found in any of these.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub must_pass: Vec<Sample>,
}

/// One sample or several: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = crate::schema::cel::SAMPLE))]
pub struct Sample {
    /// A file or a folder on a volume of the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileSource>,
    /// Keys of a ConfigMap of the same namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapSource>,
}

/// How far it has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SignatureSetStatus {
    /// The generation of the object that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What it is like. Programs wait for these, not for the phase.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
    /// What it does, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub phase: String,
    /// What is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<RevisionInUse>,
    /// What is about to be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub candidate: Option<RevisionInUse>,
    /// What was before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub previous: Option<RevisionInUse>,
    /// What has failed, and is not tried again until its time has come.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub failed: Vec<FailedRevision>,
    /// How far scanners have come with the candidate, else with what is in use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scanners: Option<ScannerCounts>,
    /// What the operator keeps for itself.
    #[serde(skip_serializing_if = "Opaque::is_empty")]
    pub rollout: Opaque,
}

/// A revision, and what it is called.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionInUse {
    /// What it is.
    pub digest: ContentDigest,
    /// The name of its SignatureRevision.
    #[schemars(length(max = 253))]
    pub revision: String,
    /// The epoch that it came into use with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub epoch: Option<u64>,
    /// Since when it is what it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub since: Option<Timestamp>,
}

/// A revision that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedRevision {
    /// What it is.
    pub digest: ContentDigest,
    /// Why, in one word.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Until when it is not tried again.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub until: Timestamp,
    /// How many times it has failed.
    pub times: u32,
}

/// How far scanners have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ScannerCounts {
    /// How many there are.
    pub desired: u32,
    /// How many have it on disk.
    pub staged: u32,
    /// How many have it loaded and tried.
    pub loaded: u32,
    /// How many are ready.
    pub ready: u32,
    /// Loaded of all, in one word.
    #[schemars(length(max = 32))]
    pub summary: String,
}

const fn three() -> u32 {
    3
}

// === impl SetSelfTest ===

impl SetSelfTest {
    /// Whether there is nothing to be tried but EICAR.
    pub fn is_empty(&self) -> bool {
        self.must_detect.is_empty() && self.must_pass.is_empty()
    }
}

// === impl ScannerCounts ===

impl ScannerCounts {
    /// With what columns show.
    pub fn new(desired: u32, staged: u32, loaded: u32, ready: u32) -> Self {
        Self { desired, staged, loaded, ready, summary: format!("{loaded}/{desired}") }
    }
}
