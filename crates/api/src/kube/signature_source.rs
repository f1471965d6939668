//! Where signatures come from.

use super::conditions;
use super::source::{FetchedArtifact, KeyRef, Source};
use crate::ByteSize;
use crate::fleet::ContentDigest;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where signatures come from, and how they prove that they are the right ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = crate::schema::cel::SIGNATURE_SOURCE))]
#[kube(
    group = "icapstan.dev",
    version = "v1alpha1",
    kind = "SignatureSource",
    plural = "signaturesources",
    namespaced,
    schema = "disabled",
    status = "SignatureSourceStatus",
    derive = "PartialEq",
    shortname = "sigsrc",
    category = "icapstan",
    selectable = ".spec.engine",
    printcolumn(name = "Engine", type_ = "string", json_path = ".spec.engine"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.artifact.upstreamVersion"),
    printcolumn(
        name = "Verified",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"SourceVerified\")].status"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].reason"
    ),
    printcolumn(name = "Fetched", type_ = "date", json_path = ".status.artifact.lastUpdateTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Revision", type_ = "string", json_path = ".status.artifact.revision", priority = 1),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.artifact.digest", priority = 1)
)]
pub struct SignatureSourceSpec {
    /// What reads the bytes.
    #[schemars(extend("x-kubernetes-validations" = crate::schema::cel::IMMUTABLE))]
    pub engine: Engine,
    /// Where the bytes come from.
    pub source: Source,
    /// How they prove that they are the right ones. Has to be written: what nobody signed says so.
    pub verification: Verification,
    /// From one look at the source to the next.
    #[serde(default = "hour", with = "crate::duration")]
    #[schemars(
        schema_with = "crate::schema::duration",
        extend("x-kubernetes-validations" = crate::schema::cel::INTERVAL)
    )]
    pub interval: Duration,
    /// How long one attempt may take as a whole.
    #[serde(default = "ten_minutes", with = "crate::duration")]
    #[schemars(
        schema_with = "crate::schema::duration",
        extend("x-kubernetes-validations" = crate::schema::cel::TIMEOUT)
    )]
    pub timeout: Duration,
    /// The most bytes that all files of it may have together.
    #[serde(default = "gibibyte")]
    pub max_size: ByteSize,
    /// Whether nothing new is fetched. What is there stays.
    #[serde(default)]
    pub suspend: bool,
}

/// What reads signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Engine {
    /// libclamav: databases (.cvd, .cld), signatures (.ndb, .ldb ...), lists of digests (.hdb, .hsb, .sfp).
    Clamav,
    /// The YARA engine: rules (.yar, .yara).
    Yara,
}

/// How bytes prove that they are the right ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = crate::schema::cel::VERIFICATION))]
pub struct Verification {
    /// How they are signed.
    pub format: VerificationFormat,
    /// Keys, as their tools write them: one of them has to have signed. For Minisign the line that begins with RW, for
    /// Ed25519 32 bytes in base64, or PEM.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 40, max = 1024)))]
    pub public_keys: Vec<String>,
    /// Keys that Secrets hold: they count like those in publicKeys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1, max = 16))]
    pub key_secret_refs: Vec<KeyRef>,
    /// What is added to the URL of a file for that of its signature. Default: .minisig or .sig, after the format.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub signature_suffix: Option<String>,
    /// The digest of the only file. It is pinned: no other is taken, and this one also if it is older.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<ContentDigest>,
    /// A file with the digests of the others, such as SHA256SUMS: then it is what has to be signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$"))]
    pub manifest: Option<String>,
}

/// How bytes are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum VerificationFormat {
    /// Not at all, or as a digest says.
    None,
    /// By ClamAV, within the file itself.
    Cvd,
    /// By minisign, in a file beside it.
    Minisign,
    /// By an Ed25519 key, in a file beside it.
    Ed25519,
}

/// What a digest is expected of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Checksum<'a> {
    /// The only file.
    Digest(&'a ContentDigest),
    /// The files that this one lists.
    Manifest(&'a str),
}

/// What has come of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct SignatureSourceStatus {
    /// The generation of the object that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What it is like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
    /// The last that was good.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact: Option<FetchedArtifact>,
    /// How many attempts have failed since the last one that did not.
    pub failures: u32,
    /// When it is tried again, after a failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub next_attempt: Option<Timestamp>,
    /// The value of icapstan.dev/reconcile-at that was followed last.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
}

const fn hour() -> Duration {
    Duration::from_hours(1)
}

const fn ten_minutes() -> Duration {
    Duration::from_mins(10)
}

const fn gibibyte() -> ByteSize {
    ByteSize::gib(1)
}

// === impl Engine ===

impl Engine {
    /// The word in objects.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clamav => "clamav",
            Self::Yara => "yara",
        }
    }
}

// === impl Verification ===

impl Verification {
    /// What digests are expected, if any are.
    pub fn checksum(&self) -> Option<Checksum<'_>> {
        let digest = self.sha256.as_ref().map(Checksum::Digest);
        digest.or_else(|| self.manifest.as_deref().map(Checksum::Manifest))
    }
}
