//! What is not scanned (`policies[].skip[]`).

use crate::When;
use serde::{Deserialize, Serialize};

/// Messages that are not scanned (`policies[].skip[]`): holes that whoever runs icapstan chose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SkipRule {
    /// What logs and metrics call it.
    pub name: String,
    /// Which messages.
    pub when: When,
}
