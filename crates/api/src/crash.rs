//! Objects that workers crash of, or take too long for (`scanner.poison`, `scanner.crashReports`).

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// How such objects are remembered, so that an equal one costs no worker (`scanner.poison`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Poison {
    /// How long each is remembered.
    #[serde(with = "crate::duration")]
    pub ttl: Duration,
    /// How many are remembered; the oldest give way. With 0 none is.
    pub entries: u32,
    /// Whether they are shared with other processes, through `redis`.
    pub shared: bool,
}

/// What is written down of a worker that crashed: nothing of the object itself (`scanner.crashReports`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct CrashReports {
    /// Where a file is written for each. Default: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<PathBuf>,
    /// How many files are kept; the oldest give way.
    pub files: u32,
}

// === impl Poison ===

impl Default for Poison {
    fn default() -> Self {
        Self { ttl: Duration::from_mins(10), entries: 10_000, shared: false }
    }
}

// === impl CrashReports ===

impl Default for CrashReports {
    fn default() -> Self {
        Self { folder: None, files: 100 }
    }
}
