//! Lists of files by their digests.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// What the digests of objects are looked up in (`hashLists`), before the engine sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct HashLists {
    /// The lists, which are compiled when the process starts and whenever one changes. What denies wins
    /// over what allows; else the first list does.
    pub sources: Vec<HashSource>,
    /// A file that `icapstan hashes compile` wrote, instead of sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Lists that have not changed for longer are called stale. Default: never.
    #[serde(with = "crate::duration::optional", skip_serializing_if = "Option::is_none")]
    pub max_age: Option<Duration>,
}

/// One list (`hashLists.sources[]`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HashSource {
    /// What logs, pages and metrics call it.
    pub name: String,
    /// What it means to be in it.
    pub kind: HashListKind,
    /// How it is written. Default: what its first lines look like.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<HashListFormat>,
    /// The file.
    pub path: PathBuf,
}

/// What it means to be in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HashListKind {
    /// The verdict `DETECT`.
    Deny,
    /// The verdict `CLEAN`, without a scan.
    Allow,
}

/// How a list is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum HashListFormat {
    /// A digest a line, perhaps with a name behind it.
    Plain,
    /// What `sha256sum`, `sha1sum` and `md5sum` write.
    Sha256sum,
    /// Comma-separated values, as of abuse.ch and MISP.
    Csv,
    /// ClamAV's `.hdb`, `.hsb` and `.sfp`.
    Clamav,
}

// === impl HashLists ===

impl HashLists {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty() && self.file.is_none()
    }
}
