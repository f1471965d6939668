//! How objects are scanned, and what follows from what is found.

use super::{conditions, default_fleet, yes};
use crate::{PartialSettings, PolicyTest, Ranges, Rule, ScanPolicy as Policy, ScanSettings, SkipRule};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

/// How objects are scanned, and what follows from what is found. Its name is what services call it by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[kube(
    group = "icapstan.dev",
    version = "v1alpha1",
    kind = "ScanPolicy",
    plural = "scanpolicies",
    namespaced,
    schema = "disabled",
    status = "ScanPolicyStatus",
    derive = "PartialEq",
    shortname = "scanpol",
    category = "icapstan",
    selectable = ".spec.fleet",
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].status"
    ),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status"
    ),
    printcolumn(name = "Gateways", type_ = "string", json_path = ".status.gateways.summary"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Fleet", type_ = "string", json_path = ".spec.fleet", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Accepted\")].message",
        priority = 1
    )
)]
pub struct ScanPolicySpec {
    /// The fleet that it belongs to: the name of a SignatureSet.
    #[serde(default = "default_fleet")]
    #[schemars(length(min = 1, max = 63))]
    pub fleet: String,
    /// Whether objects whose scan broke pass. A rule for FAILED comes before this.
    #[serde(default)]
    pub fail_open: bool,
    /// How much is opened and how much that may cost.
    #[serde(default)]
    pub scan: ScanSettings,
    /// Whether infected objects are kept, where there is a quarantine.
    #[serde(default = "yes")]
    pub quarantine: bool,
    /// What goes out before there is a verdict.
    #[serde(default)]
    pub partial: PartialSettings,
    /// What becomes of pieces of objects.
    #[serde(default)]
    pub ranges: Ranges,
    /// What is not scanned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 256),
        extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"])
    )]
    pub skip: Vec<SkipRule>,
    /// The first that matches decides; behind the last stand the shipped defaults.
    #[serde(default, skip_serializing_if = "Vec::is_empty", serialize_with = "actions_as_mappings")]
    #[schemars(length(max = 4096), extend("x-kubernetes-list-type" = "atomic"))]
    pub rules: Vec<Rule>,
    /// Examples, and what is to become of them. Where something else would, the policy is not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000), extend("x-kubernetes-list-type" = "atomic"))]
    pub tests: Vec<PolicyTest>,
}

/// What has become of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ScanPolicyStatus {
    /// The generation of the object that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What it is like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
    /// Of what changes verdicts: equal ones give equal verdicts.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 128))]
    pub hash: String,
    /// Who runs it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateways: Option<Gateways>,
}

/// How many gateways have something.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Gateways {
    /// How many are ready.
    pub ready: u32,
    /// How many of them have it.
    pub synced: u32,
    /// The first of those that have not, by their names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(max = 253)))]
    pub stale: Vec<String>,
    /// Synced of ready, in one word.
    #[schemars(length(max = 32))]
    pub summary: String,
}

/// Custom resources have one notation for actions, the mapping.
fn actions_as_mappings<S: Serializer>(rules: &[Rule], serializer: S) -> Result<S::Ok, S::Error> {
    use serde::ser::Error;
    serializer.collect_seq(
        rules
            .iter()
            .map(|rule| {
                let mut rule = serde_json::to_value(rule).map_err(S::Error::custom)?;
                if let Some(action) = rule.get_mut("action")
                    && let Some(word) = action.as_str()
                {
                    *action = serde_json::json!({word: {}});
                }
                Ok(rule)
            })
            .collect::<Result<Vec<_>, S::Error>>()?,
    )
}

// === impl ScanPolicySpec ===

impl ScanPolicySpec {
    /// The same in icapstan.yaml, where it has a name.
    pub fn policy(&self, name: &str) -> Policy {
        let Self { fleet: _, fail_open, scan, quarantine, partial, ranges, skip, rules, tests } =
            self.clone();
        Policy { name: name.to_owned(), fail_open, scan, quarantine, partial, ranges, skip, rules, tests }
    }

    /// The other way, for the default fleet.
    pub fn of(policy: Policy) -> Self {
        let Policy { name: _, fail_open, scan, quarantine, partial, ranges, skip, rules, tests } = policy;
        Self { fleet: default_fleet(), fail_open, scan, quarantine, partial, ranges, skip, rules, tests }
    }
}

// === impl Gateways ===

impl Gateways {
    /// The most names of those that have it not.
    pub const MAX_STALE: usize = 16;

    /// With what columns show.
    pub fn new(ready: u32, stale: impl IntoIterator<Item = String>) -> Self {
        let mut stale: Vec<_> = stale.into_iter().collect();
        stale.sort_unstable();
        let behind = u32::try_from(stale.len()).unwrap_or(u32::MAX);
        stale.truncate(Self::MAX_STALE);
        let synced = ready.saturating_sub(behind);
        Self { ready, synced, stale, summary: format!("{synced}/{ready}") }
    }
}
