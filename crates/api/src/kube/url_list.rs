//! Lists of URLs.

use super::signature_source::Verification;
use super::source::{FetchedArtifact, Source};
use super::{conditions, default_fleet};
use crate::{ByteSize, UrlListFormat, UrlListKind, UrlSource};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// A list of URLs that services of a fleet look URLs up in. Of those of one kind, the first by name wins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = crate::schema::cel::URL_LIST))]
#[kube(
    group = "icapstan.dev",
    version = "v1alpha1",
    kind = "UrlList",
    plural = "urllists",
    namespaced,
    schema = "disabled",
    status = "UrlListStatus",
    derive = "PartialEq",
    shortname = "urllist",
    category = "icapstan",
    selectable = ".spec.fleet",
    printcolumn(name = "Kind", type_ = "string", json_path = ".spec.kind"),
    printcolumn(name = "Category", type_ = "string", json_path = ".spec.category"),
    printcolumn(name = "Entries", type_ = "integer", json_path = ".status.entries"),
    printcolumn(name = "Rejected", type_ = "integer", json_path = ".status.rejected"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Fetched", type_ = "date", json_path = ".status.artifact.lastUpdateTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Fleet", type_ = "string", json_path = ".spec.fleet", priority = 1),
    printcolumn(name = "Digest", type_ = "string", json_path = ".status.artifact.digest", priority = 1)
)]
pub struct UrlListSpec {
    /// The fleet that it belongs to: the name of a SignatureSet.
    #[serde(default = "default_fleet")]
    #[schemars(length(min = 1, max = 63))]
    pub fleet: String,
    /// What it means to be in it.
    pub kind: UrlListKind,
    /// What rules call the URLs in it, for lists of the kind category.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub category: Option<String>,
    /// How it is written. Default: what its first lines look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<UrlListFormat>,
    /// Where it comes from: one file.
    pub source: Source,
    /// How it proves that it is the right one. Default: not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verification: Option<Verification>,
    /// From one look at the source to the next.
    #[serde(default = "hour", with = "crate::duration")]
    #[schemars(
        schema_with = "crate::schema::duration",
        extend("x-kubernetes-validations" = crate::schema::cel::INTERVAL)
    )]
    pub interval: Duration,
    /// How long one attempt may take as a whole.
    #[serde(default = "five_minutes", with = "crate::duration")]
    #[schemars(
        schema_with = "crate::schema::duration",
        extend("x-kubernetes-validations" = crate::schema::cel::TIMEOUT)
    )]
    pub timeout: Duration,
    /// The most bytes that it may have.
    #[serde(default = "most")]
    pub max_size: ByteSize,
    /// The most entries that it may have. One with more is not used.
    #[serde(default = "ten_million")]
    #[schemars(range(min = 1, max = 100_000_000))]
    pub max_entries: u32,
    /// Whether nothing new is fetched. What is there stays.
    #[serde(default)]
    pub suspend: bool,
}

/// What has become of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct UrlListStatus {
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
    /// How many entries it has.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entries: Option<u64>,
    /// How many lines were not understood.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rejected: Option<u64>,
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

const fn five_minutes() -> Duration {
    Duration::from_mins(5)
}

const fn most() -> ByteSize {
    ByteSize::mib(512)
}

const fn ten_million() -> u32 {
    10_000_000
}

// === impl UrlListSpec ===

impl UrlListSpec {
    /// The same in icapstan.yaml, where it has a name and lies in a file.
    pub fn source(&self, name: &str, path: impl Into<PathBuf>) -> UrlSource {
        let Self { kind, category, format, .. } = self.clone();
        UrlSource { name: name.to_owned(), kind, category, format, path: path.into() }
    }
}
