//! What is not scanned (`policies[].skip[]`).

use crate::When;
use serde::{Deserialize, Serialize};

/// Messages that are not scanned (`policies[].skip[]`): holes that whoever runs icapstan chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SkipRule {
    /// What logs and metrics call it.
    #[cfg_attr(feature = "kube", schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9._-]+$")))]
    pub name: String,
    /// Which messages.
    pub when: When,
}
