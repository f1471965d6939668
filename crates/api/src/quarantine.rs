//! Where infected objects are kept (`quarantine`).

use crate::{ByteSize, ReputationEndpoint, RuleVerdict};
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
    /// An object store, instead of a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<QuarantineS3>,
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

/// A bucket of an object store that speaks S3 (`quarantine.s3`). Its own rules say when objects go.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct QuarantineS3 {
    /// Where the store is: `https://host[:port]`.
    pub endpoint: String,
    /// The bucket, which has to be there.
    pub bucket: String,
    /// What the keys of all objects begin with.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub prefix: String,
    /// The region that requests are signed for.
    #[serde(default = "default_region")]
    pub region: String,
    /// A file with the keys that requests are signed with, as the tools of AWS have it. Read again for each object.
    pub credentials_file: PathBuf,
    /// The certificates, in PEM, one of which has to have signed the store's. Default: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// Whether the bucket is the beginning of the path, or of the host's name.
    #[serde(default = "default_path_style")]
    pub path_style: bool,
    /// How long one try to write an object lasts at most.
    #[serde(default = "default_timeout", with = "crate::duration")]
    pub timeout: Duration,
    /// How long an object is tried again, from the first try on, when the store cannot be reached.
    #[serde(default = "default_retry", with = "crate::duration")]
    pub retry_for: Duration,
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

fn default_region() -> String {
    "us-east-1".to_owned()
}

const fn default_path_style() -> bool {
    true
}

const fn default_timeout() -> Duration {
    Duration::from_secs(30)
}

const fn default_retry() -> Duration {
    Duration::from_mins(1)
}

// === impl QuarantineSettings ===

impl QuarantineSettings {
    /// The most objects that wait.
    pub const MAX_QUEUE: u32 = 65_536;

    /// Whether anything is kept.
    pub const fn is_on(&self) -> bool {
        self.folder.is_some() || self.s3.is_some()
    }
}

impl Default for QuarantineSettings {
    fn default() -> Self {
        Self {
            folder: None,
            s3: None,
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

// === impl QuarantineS3 ===

impl QuarantineS3 {
    /// The longest prefix, in bytes. Keys have at most 1024.
    pub const MAX_PREFIX: usize = 512;

    /// A bucket with the shipped values.
    pub fn new(endpoint: &str, bucket: &str, credentials_file: impl Into<PathBuf>) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            bucket: bucket.to_owned(),
            prefix: String::new(),
            region: default_region(),
            credentials_file: credentials_file.into(),
            ca_file: None,
            path_style: default_path_style(),
            timeout: default_timeout(),
            retry_for: default_retry(),
        }
    }

    /// Where the store is, or the bucket where that is part of the host's name. `None`: the URL is none, or has a path.
    pub fn endpoint(&self) -> Option<ReputationEndpoint> {
        let mut endpoint = ReputationEndpoint::parse(&self.endpoint).filter(|it| it.target == "/")?;
        if !self.path_style {
            endpoint.host = format!("{}.{}", self.bucket, endpoint.host);
            endpoint.authority = format!("{}.{}", self.bucket, endpoint.authority);
        }
        Some(endpoint)
    }
}
