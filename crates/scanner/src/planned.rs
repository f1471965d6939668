//! Several revisions beside each other, as a plan says.
//!
//! ```text
//!  Wanted ─▶ loader: bytes are what they should be ─▶ memory is there ─▶ zygote ─▶ workers prove ─▶ self-test
//!                │ any failure: what is loaded stays                                                   │
//!                ▼                                                                                     ▼
//!              Loads: how far it came with each revision, and the epochs that can be asked for by name
//! ```

mod loader;
mod memory;
mod mirror;
mod self_test;
mod verify;

pub(crate) use loader::PlannedLoader;
pub use mirror::{Difference, Mirrored};
pub(crate) use mirror::{Mirroring, is_comparable};

use icapstan_api::fleet::ContentDigest;
use icapstan_model::{Epoch, GenerationId};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How planned revisions are loaded ([`SignatureSource::Planned`](crate::SignatureSource::Planned)).
#[derive(Clone, Debug)]
pub struct PlannedSignatures {
    /// So much memory has to be left when one more revision is loaded, in bytes.
    pub memory_reserve: u64,
    /// What a sample of a self-test may take.
    pub sample_timeout: Duration,
    /// What one YARA rule may take.
    pub rule_timeout: Duration,
    /// What is to be loaded.
    pub wanted: WantedRevisions,
}

/// What is to be loaded, for who follows the plan to change.
#[derive(Clone, Debug, Default)]
pub struct WantedRevisions(Arc<Mutex<Arc<Wanted>>>);

/// What a plan has a scanner do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// What the fleet judges by: what is scanned with when nobody asks for a certain revision, if it is loaded.
    pub active: Option<GenerationId>,
    /// What is to be loaded, what matters most first.
    pub hold: Vec<GenerationId>,
    /// Those of them whose bytes are on the disk.
    pub staged: Vec<Arc<StagedRevision>>,
    /// What some scans are made with a second time, and how many of a hundred.
    pub mirror: Option<(GenerationId, u8)>,
}

/// A revision whose bytes are on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedRevision {
    /// Its digest.
    pub id: GenerationId,
    /// Only the built-in test signatures: it has no files.
    pub test_only: bool,
    /// The databases of libclamav, in a folder without anything else.
    pub databases: Option<StagedFolder>,
    /// YARA rules, the same.
    pub rules: Option<StagedFolder>,
    /// Something has to be found in these.
    pub must_detect: Vec<StagedFile>,
    /// Nothing may be found in these.
    pub must_pass: Vec<StagedFile>,
}

/// A folder with the files of a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedFolder {
    /// Where it is.
    pub path: PathBuf,
    /// What is in it.
    pub files: Vec<StagedFile>,
}

/// A file, and what it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its bytes.
    pub digest: ContentDigest,
    /// How many.
    pub size: u64,
}

/// What came of [`Wanted`].
#[derive(Clone, Debug, Default)]
pub struct Loads {
    /// What can be asked for, by the revision's digest; what is scanned with by itself first.
    pub epochs: Vec<(GenerationId, Arc<Epoch>)>,
    /// How far it came with each revision. Those that it was not begun with are not there.
    pub states: HashMap<GenerationId, LoadState>,
}

/// How far it came with a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoadState {
    /// The engine reads it, or it is being tried.
    Loading,
    /// Objects can be scanned with it.
    Serving,
    /// It came to nothing.
    Failed(LoadFailure, String),
}

/// Why a revision was not loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadFailure {
    /// Its files cannot be read. It is tried again.
    Disk,
    /// They are not what they should be.
    Digest,
    /// There is not the memory. It is tried again.
    Memory,
    /// The engine does not take it.
    Load,
    /// The engine ended over it.
    Crash,
    /// Something was not found that has to be.
    Missed,
    /// Something was found where nothing is.
    FalsePositive,
    /// It took too long.
    Slow,
}

// === impl PlannedSignatures ===

impl Default for PlannedSignatures {
    fn default() -> Self {
        Self {
            memory_reserve: 128 << 20,
            sample_timeout: Duration::from_secs(30),
            rule_timeout: Duration::from_secs(2),
            wanted: WantedRevisions::default(),
        }
    }
}

impl PartialEq for PlannedSignatures {
    /// Whether they are followed by the same hand.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.wanted.0, &other.wanted.0)
    }
}

impl Eq for PlannedSignatures {}

// === impl WantedRevisions ===

impl WantedRevisions {
    pub(crate) fn get(&self) -> Arc<Wanted> {
        Arc::clone(&self.0.lock())
    }

    pub(crate) fn set(&self, wanted: Wanted) {
        *self.0.lock() = Arc::new(wanted);
    }
}

// === impl StagedRevision ===

impl StagedRevision {
    /// All files that the engine reads.
    pub(crate) fn files(&self) -> impl Iterator<Item = &StagedFile> {
        self.databases.iter().chain(&self.rules).flat_map(|folder| &folder.files)
    }

    pub(crate) fn samples(&self) -> impl Iterator<Item = &StagedFile> {
        self.must_detect.iter().chain(&self.must_pass)
    }
}

// === impl LoadFailure ===

impl LoadFailure {
    /// Whether its cause may pass.
    pub const fn passes(self) -> bool {
        matches!(self, Self::Disk | Self::Memory)
    }

    /// For logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::Digest => "digest",
            Self::Memory => "memory",
            Self::Load => "load",
            Self::Crash => "crash",
            Self::Missed => "missed",
            Self::FalsePositive => "false-positive",
            Self::Slow => "slow",
        }
    }
}
