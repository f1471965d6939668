//! What has come.

use crate::CvdHeader;
use icapstan_api::fleet::{Artifact, ContentDigest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Files of a source that are in the store and were verified. Whoever keeps it gives it to the next fetch: for what is
/// not fetched twice, and for what may not be older.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fetched {
    /// Whether it is what was there before.
    pub outcome: Outcome,
    /// The files, by their names in order.
    pub files: Vec<FetchedFile>,
    /// How they proved to be the right ones.
    pub evidence: Evidence,
    /// What tells this state of the source from others: the digest of the manifest in a registry, an ETag, or the
    /// digest of all files.
    pub revision: String,
    /// Where it came from, without what may be secret in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// The number that the list of digests has (`# serial: 7`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub serial: Option<u64>,
    /// When it was made, as the list of digests says (`# released: 2026-11-24T02:00:00Z`), or its signature, or the
    /// artifact in the registry.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<Timestamp>,
}

/// Whether there is something new.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Other files than before.
    Fetched,
    /// The same.
    NotModified,
}

/// A file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FetchedFile {
    /// Its name.
    pub name: String,
    /// Its bytes.
    pub digest: ContentDigest,
    /// How many.
    pub size: u64,
    /// Its head, if it is a CVD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cvd: Option<CvdHeader>,
    /// What its server calls this state of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// Since when, as its server says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_modified: Option<String>,
    /// When it was signed, as its signature says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<Timestamp>,
}

/// How files proved to be the right ones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Evidence {
    /// Not at all: nobody asked them to.
    None,
    /// By a digest that somebody wrote down.
    Pinned,
    /// By a list of digests that nobody signed: they are undamaged, no more.
    Listed,
    /// By signatures of these keys.
    Signed(Vec<String>),
    /// They say that ClamAV signed them, and are undamaged. libclamav finds out whether that is so.
    Cvd,
}

// === impl Fetched ===

impl Fetched {
    /// How many bytes all files have.
    pub fn size(&self) -> u64 {
        self.files.iter().map(|file| file.size).sum()
    }

    /// What tells these files from others, in whatever order.
    pub fn digest(&self) -> ContentDigest {
        Self::digest_of(&self.files)
    }

    pub(crate) fn digest_of(files: &[FetchedFile]) -> ContentDigest {
        let mut lines: Vec<_> = files.iter().map(|file| format!("{} {}\n", file.digest, file.name)).collect();
        lines.sort_unstable();
        let mut hasher = Sha256::new_with_prefix("icapstan source v1\n");
        for line in lines {
            hasher.update(line);
        }
        ContentDigest(hasher.finalize().into())
    }

    /// Which version it says it is, for people: of the CVDs, else the serial of the list of digests, else the time.
    pub fn upstream_version(&self) -> Option<String> {
        let versions: Vec<_> = self
            .files
            .iter()
            .filter_map(|file| {
                let stem = file.name.split('.').next()?;
                Some(format!("{stem} {}", file.cvd.as_ref()?.version))
            })
            .collect();
        let of_cvds = (!versions.is_empty()).then(|| {
            let mut text = versions.join(", ");
            text.truncate(256);
            text
        });
        let signed = || self.files.iter().filter_map(|file| file.signed_at).max();
        of_cvds
            .or_else(|| self.serial.map(|serial| serial.to_string()))
            .or_else(|| self.released.or_else(signed).map(|time| time.to_string()))
    }

    /// The file of that name.
    pub fn file(&self, name: &str) -> Option<&FetchedFile> {
        self.files.iter().find(|file| file.name == name)
    }
}

// === impl FetchedFile ===

impl FetchedFile {
    /// Its bytes.
    pub fn artifact(&self) -> Artifact {
        Artifact { digest: self.digest, size: self.size }
    }

    pub(crate) fn new(name: &str, artifact: Artifact) -> Self {
        Self {
            name: name.to_owned(),
            digest: artifact.digest,
            size: artifact.size,
            cvd: None,
            etag: None,
            last_modified: None,
            signed_at: None,
        }
    }
}
