//! Header fields that a rule adds (`policies[].rules[].headers[]`).

use crate::RuleText;
use serde::{Deserialize, Serialize};

/// A header field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RuleHeader {
    /// Its name.
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 64)))]
    pub name: String,
    /// Its value, with variables.
    pub value: RuleText,
    /// Where it stands.
    pub to: HeaderTarget,
}

/// Where a header field stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase")]
pub enum HeaderTarget {
    /// In the ICAP answer.
    Icap,
    /// In the HTTP message that goes on, or that goes out in its place.
    Http,
}

// === impl RuleHeader ===

impl RuleHeader {
    /// The most header fields of a rule.
    pub const MAX: usize = 16;
    /// No name is longer, in bytes.
    pub const MAX_NAME: usize = 64;
    /// No value is longer, in bytes, whatever its variables stand for.
    pub const MAX_VALUE: usize = 1024;
}

// === impl HeaderTarget ===

impl HeaderTarget {
    /// The word in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Icap => "icap",
            Self::Http => "http",
        }
    }
}
