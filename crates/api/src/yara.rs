//! YARA rules.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// YARA rules that are tried on each layer of an object (`scanner.yaraRules`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct YaraSettings {
    /// The folder with the files of rules, which is watched. Without it there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
    /// What they may take for all layers of one object; beyond, its scan has failed.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
}

// === impl YaraSettings ===

impl Default for YaraSettings {
    fn default() -> Self {
        Self { path: None, timeout: Duration::from_secs(1) }
    }
}
