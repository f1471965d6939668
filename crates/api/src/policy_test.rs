//! What a policy is to do, told by examples (`policies[].tests`).

use crate::{ByteSize, MediaRange, ReasonWord, RuleMode, RuleVerdict};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// An example of a message, and what is to become of it (`policies[].tests[]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PolicyTest {
    /// What it is called when it fails.
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 128)))]
    pub name: String,
    /// The message.
    pub given: Given,
    /// What is to become of it.
    pub expect: Expectation,
}

/// A message, as far as it is told. What is not told is not known, and matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(feature = "kube", schemars(extend("x-kubernetes-validations" = crate::schema::cel::GIVEN)))]
pub struct Given {
    /// Which way it travels: `REQ` or `RESP`. Without it, `RESP`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mode: Option<RuleMode>,
    /// What is found in it, unless it is left out. Without it, `CLEAN`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<RuleVerdict>,
    /// Why it was not scanned, or why that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<ReasonWord>,
    /// The path of the service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(max = 128)))]
    pub service: Option<String>,
    /// The user's machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(schema_with = "crate::schema::ip_address"))]
    pub client: Option<IpAddr>,
    /// The names in the certificate that the ICAP client showed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 1024), inner(length(min = 1, max = 1024))))]
    pub client_certificates: Vec<String>,
    /// The user.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 1024)))]
    pub user: Option<String>,
    /// The user's groups.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 1024), inner(length(min = 1, max = 1024))))]
    pub groups: Vec<String>,
    /// The URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 8192)))]
    pub url: Option<String>,
    /// The host of a URL of which nothing else is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 255)))]
    pub host: Option<String>,
    /// The categories of the URL; no list is asked.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "kube", schemars(length(max = 1024), inner(length(min = 1, max = 1024))))]
    pub categories: Vec<String>,
    /// The HTTP method.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 32)))]
    pub method: Option<String>,
    /// The length of the body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<ByteSize>,
    /// What the body is by its first bytes.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub media_type: Option<MediaRange>,
}

/// What is to become of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expectation {
    /// What is to be done.
    pub action: ActionWord,
    /// What decides: the name of a rule, its place (`rules[3]`), or `default` for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 128)))]
    pub rule: Option<String>,
    /// What leaves the message out: the name of an entry of `skip`, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 63)))]
    pub skip: Option<String>,
}

/// What is done with a message, without how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum ActionWord {
    /// It passes.
    None,
    /// It passes and the log says so.
    Log,
    /// The client gets a page instead.
    Block,
    /// The client is sent elsewhere instead.
    Redirect,
}

// === impl Given ===

impl Given {
    /// Which way it travels.
    pub fn mode(&self) -> RuleMode {
        self.mode.unwrap_or(RuleMode::Resp)
    }

    /// What was found.
    pub fn verdict(&self) -> RuleVerdict {
        self.verdict.unwrap_or(RuleVerdict::Clean)
    }
}

// === impl Expectation ===

impl Expectation {
    /// What stands for no rule at all.
    pub const DEFAULT: &'static str = "default";
    /// What stands for no entry of `skip` at all.
    pub const NO_SKIP: &'static str = "none";
}

// === impl ActionWord ===

impl ActionWord {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Log => "log",
            Self::Block => "block",
            Self::Redirect => "redirect",
        }
    }
}
