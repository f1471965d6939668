//! What clients find under which ICAP path.

use super::scan_policy::Gateways;
use super::{conditions, default_fleet, yes};
use crate::{IcapService as Service, Preview, ScanPolicy, ScanScope, ServiceMode};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What clients find under one ICAP path, on all gateways of a fleet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema, CustomResource)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = crate::schema::cel::ICAP_SERVICE))]
#[kube(
    group = "icapstan.dev",
    version = "v1alpha1",
    kind = "IcapService",
    plural = "icapservices",
    namespaced,
    schema = "disabled",
    status = "IcapServiceStatus",
    derive = "PartialEq",
    shortname = "icapsvc",
    category = "icapstan",
    selectable = ".spec.fleet",
    printcolumn(name = "Path", type_ = "string", json_path = ".spec.path"),
    printcolumn(name = "Modes", type_ = "string", json_path = ".spec.modes"),
    printcolumn(name = "Policy", type_ = "string", json_path = ".spec.policyRef.name"),
    printcolumn(name = "ISTag", type_ = "string", json_path = ".status.istag.active"),
    printcolumn(name = "Gateways", type_ = "string", json_path = ".status.gateways.summary"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status"
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Fleet", type_ = "string", json_path = ".spec.fleet", priority = 1),
    printcolumn(name = "Epoch", type_ = "integer", json_path = ".status.istag.epoch", priority = 1)
)]
pub struct IcapServiceSpec {
    /// The fleet that it belongs to: the name of a SignatureSet.
    #[serde(default = "default_fleet")]
    #[schemars(length(min = 1, max = 63))]
    pub fleet: String,
    /// Its path in the ICAP URI, with the slash.
    #[schemars(
        length(max = 128),
        regex(pattern = crate::schema::SERVICE_PATH),
        extend("x-kubernetes-validations" = crate::schema::cel::IMMUTABLE)
    )]
    pub path: String,
    /// More paths that lead to it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(
        length(max = 16),
        inner(length(max = 128), regex(pattern = crate::schema::SERVICE_PATH)),
        extend("x-kubernetes-list-type" = "set")
    )]
    pub aliases: Vec<String>,
    /// Which ICAP methods it answers.
    #[serde(default = "both_modes")]
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub modes: Vec<ServiceMode>,
    /// What of a message it looks at.
    #[serde(default)]
    pub scan: ScanScope,
    /// The ScanPolicy that decides, of the same fleet. One called default is there even if there is no such object.
    #[serde(default)]
    pub policy_ref: PolicyRef,
    /// How many bytes of a body clients are asked to send ahead; 0 for none.
    #[serde(default)]
    pub preview: Preview,
    /// Whether unchanged messages may be answered with 204, where the client allows it.
    #[serde(default = "yes")]
    pub allow204: bool,
    /// Whether unchanged bodies may be answered with 206, where the client allows it.
    #[serde(default)]
    pub allow206: bool,
    /// Whose it is: services of one tenant share what they remember of URLs, those of others see none of it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 63), regex(pattern = r"^[A-Za-z0-9._-]*$"))]
    pub tenant: String,
    /// Whether downloads may begin before their verdict, as the policy says. For proxies: clients that scan files take
    /// an answer that has begun for a verdict. Default: if RESPMOD is the only mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<bool>,
    /// How long clients may keep what OPTIONS told them.
    #[serde(default = "hour", with = "crate::duration")]
    #[schemars(
        schema_with = "crate::schema::duration",
        extend("x-kubernetes-validations" = crate::schema::cel::OPTIONS_TTL)
    )]
    pub options_ttl: Duration,
}

/// A ScanPolicy of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyRef {
    /// Its name.
    #[serde(default = "default_policy")]
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([a-z0-9-]*[a-z0-9])?$"))]
    pub name: String,
}

/// What has become of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct IcapServiceStatus {
    /// The generation of the object that this is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// What it is like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions::schema")]
    pub conditions: Vec<Condition>,
    /// What its answers are named after.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub istag: Option<ServiceTag>,
    /// Who answers with that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateways: Option<Gateways>,
}

/// The ISTag of a service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceTag {
    /// The one in use.
    #[serde(skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 32))]
    pub active: String,
    /// The next one, while gateways prepare for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub pending: Option<String>,
    /// The epoch in use.
    pub epoch: u64,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::timestamp")]
    pub activated_at: Option<Timestamp>,
}

fn both_modes() -> Vec<ServiceMode> {
    vec![ServiceMode::Reqmod, ServiceMode::Respmod]
}

fn default_policy() -> String {
    ScanPolicy::DEFAULT_NAME.to_owned()
}

const fn hour() -> Duration {
    Duration::from_hours(1)
}

// === impl IcapServiceSpec ===

impl IcapServiceSpec {
    /// The same in icapstan.yaml.
    pub fn service(&self) -> Service {
        let Self {
            fleet: _,
            path,
            aliases,
            modes,
            scan,
            policy_ref,
            preview,
            allow204,
            allow206,
            tenant,
            partial,
            options_ttl,
        } = self.clone();
        Service {
            path,
            aliases,
            modes,
            scan,
            policy: policy_ref.name,
            preview,
            allow204,
            allow206,
            tenant,
            partial,
            options_ttl,
        }
    }

    /// The other way, for the default fleet.
    pub fn of(service: Service) -> Self {
        let Service {
            path,
            aliases,
            modes,
            scan,
            policy,
            preview,
            allow204,
            allow206,
            tenant,
            partial,
            options_ttl,
        } = service;
        Self {
            fleet: default_fleet(),
            path,
            aliases,
            modes,
            scan,
            policy_ref: PolicyRef { name: policy },
            preview,
            allow204,
            allow206,
            tenant,
            partial,
            options_ttl,
        }
    }
}

// === impl PolicyRef ===

impl Default for PolicyRef {
    fn default() -> Self {
        Self { name: default_policy() }
    }
}
