//! The history of a set.

use super::conditions;
use super::signature_source::VerificationFormat;
use crate::fleet::{ContentDigest, FileKind};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a SignatureSet consisted of at one time. The operator writes it, and nobody changes it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = crate::schema::cel::IMMUTABLE))]
#[kube(
    group = "icapstan.dev",
    version = "v1alpha1",
    kind = "SignatureRevision",
    plural = "signaturerevisions",
    namespaced,
    schema = "disabled",
    status = "SignatureRevisionStatus",
    derive = "PartialEq",
    shortname = "sigrev",
    category = "icapstan",
    selectable = ".spec.set",
    printcolumn(name = "Set", type_ = "string", json_path = ".spec.set"),
    printcolumn(name = "Number", type_ = "integer", json_path = ".spec.number"),
    printcolumn(name = "Phase", type_ = "string", json_path = ".status.phase"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Digest", type_ = "string", json_path = ".spec.digest", priority = 1)
)]
pub struct SignatureRevisionSpec {
    /// The SignatureSet.
    #[schemars(length(min = 1, max = 63))]
    pub set: String,
    /// What it is: of all files.
    pub digest: ContentDigest,
    /// One more with each of the set.
    pub number: u64,
    /// Only the built-in test signatures: this finds no malware.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub test_only: bool,
    /// The files.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub files: Vec<RevisionFile>,
}

/// One file, and where it came from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RevisionFile {
    /// Its name in the folder that the engine loads.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// Whose it is.
    pub kind: FileKind,
    /// Its bytes.
    pub digest: ContentDigest,
    /// How many.
    pub size: u64,
    /// The SignatureSource.
    #[schemars(length(max = 253))]
    pub source: String,
    /// What the source called this state of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub source_revision: Option<String>,
    /// Which version it says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub upstream_version: Option<String>,
    /// How it was verified.
    pub verified: VerificationFormat,
}

/// What has become of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SignatureRevisionStatus {
    /// What it is now, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub phase: String,
    /// Why, in one word.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 64))]
    pub reason: String,
    /// Why, for people.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub message: String,
    /// How many signatures the engine loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signatures: Option<u64>,
    /// The stages that it went through, the first one first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub stages: Vec<RevisionStage>,
    /// What it is like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
}

/// When a stage began, and what it showed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RevisionStage {
    /// Its name.
    #[schemars(length(max = 64))]
    pub name: String,
    /// When it began.
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub at: Timestamp,
    /// What it showed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 1024))]
    pub note: String,
}
