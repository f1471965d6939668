//! Where infected objects are kept (`quarantine`).

use crate::{ByteSize, RuleVerdict};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What is kept of infected objects, encrypted, and where. Without a place nothing is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct QuarantineSettings {
    /// A folder of this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folder: Option<QuarantineFolder>,
    /// A file with the public keys of those who may read what is kept, one a line (`age1...`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_file: Option<PathBuf>,
    /// Objects with one of these verdicts are kept.
    pub verdicts: Vec<RuleVerdict>,
    /// Larger objects are not kept.
    pub max_object_size: ByteSize,
    /// How many objects wait at most until they are written.
    pub queue: u32,
    /// How many bytes these have at most. Never more than a quarter of `limits.memory` or of `limits.spool`.
    pub queue_size: ByteSize,
}

/// A folder of this machine (`quarantine.folder`). Beyond a bound the oldest objects go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuarantineFolder {
    /// The folder, which belongs to one process. It is made if it is not there.
    pub path: PathBuf,
    /// How many bytes all of its files have at most.
    #[serde(default = "default_size")]
    pub max_size: ByteSize,
    /// How many there are at most.
    #[serde(default = "default_objects")]
    pub max_objects: u32,
    /// How long they are kept at most.
    #[serde(default = "default_age", with = "crate::duration")]
    pub max_age: Duration,
}

const fn default_size() -> ByteSize {
    ByteSize::gib(1)
}

const fn default_objects() -> u32 {
    10_000
}

const fn default_age() -> Duration {
    Duration::from_hours(720)
}

// === impl QuarantineSettings ===

impl QuarantineSettings {
    /// The most objects that wait.
    pub const MAX_QUEUE: u32 = 65_536;

    /// Whether anything is kept.
    pub const fn is_on(&self) -> bool {
        self.folder.is_some()
    }
}

impl Default for QuarantineSettings {
    fn default() -> Self {
        Self {
            folder: None,
            recipient_file: None,
            verdicts: vec![RuleVerdict::Detect],
            max_object_size: ByteSize::mib(16),
            queue: 256,
            queue_size: ByteSize::mib(64),
        }
    }
}

// === impl QuarantineFolder ===

impl QuarantineFolder {
    /// A folder with the shipped bounds.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            max_size: default_size(),
            max_objects: default_objects(),
            max_age: default_age(),
        }
    }
}
