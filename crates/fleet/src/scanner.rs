//! Scanners, as they tell of themselves.

use icapstan_api::fleet::ContentDigest;

/// A scanner, by what its endpoint says and what it says itself (`icapstan.fleet.v1.State` of a scanner).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scanner {
    /// Its name, which the plan calls it by.
    pub name: String,
    /// Its endpoint is ready: gateways may ask it.
    pub ready: bool,
    /// It has told its state lately. Without it all that follows is nothing, or old, and does not count.
    pub heard: bool,
    /// It ends soon.
    pub draining: bool,
    /// Differs after each start.
    pub incarnation: u64,
    /// Of the plan that it follows.
    pub plan_generation: u64,
    /// What it can be asked to scan with.
    pub held: Vec<ContentDigest>,
    /// How far it has come with each revision of its plan.
    pub revisions: Vec<Report>,
    /// What scans that were made a second time showed.
    pub mirrored: Option<Mirrored>,
}

/// How far a scanner has come with a revision (`Revision`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Which.
    pub digest: ContentDigest,
    /// How far.
    pub stage: Stage,
    /// For people; of a failure what it was.
    pub detail: String,
}

/// How far a scanner has come with a revision (`Stage`, with `Failure`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Not told.
    #[default]
    Unknown,
    /// Its bytes are being fetched.
    Fetching,
    /// All of its bytes are on disk.
    Staged,
    /// It is being loaded, or tried.
    Loading,
    /// Objects can be scanned with it.
    Serving,
    /// It came to nothing.
    Failed(Failure),
}

/// Why a scanner does not serve a revision (`Failure`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Failure {
    /// Nobody knows.
    #[default]
    Unknown,
    /// Nobody gives its bytes.
    Fetch,
    /// They are not what the plan says.
    Digest,
    /// There is no room on the disk.
    Disk,
    /// There is not the memory to load it.
    Memory,
    /// The engine does not take it.
    Load,
    /// The engine ended while it read it, or while it was tried.
    Crash,
    /// Something was not found that has to be.
    Missed,
    /// Something was found where nothing is.
    FalsePositive,
    /// What was tried took too long.
    Slow,
}

/// What scans with two revisions showed (`Mirrored`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mirrored {
    /// The candidate.
    pub digest: ContentDigest,
    /// Objects that were scanned with both.
    pub compared: u64,
    /// Those that only the candidate finds something in.
    pub newly_detected: u64,
    /// Those that only the revision in use finds something in.
    pub newly_clean: u64,
    /// Scans with the candidate that failed, though those before did not.
    pub newly_failed: u64,
    /// Scans that could not be made.
    pub inconclusive: u64,
    /// Time in engines with the revision in use, in microseconds, of all that were compared.
    pub engine_us: u64,
    /// The same with the candidate.
    pub candidate_engine_us: u64,
}

// === impl Scanner ===

impl Scanner {
    /// Whether it can be asked to scan with that.
    pub fn serves(&self, digest: &ContentDigest) -> bool {
        self.heard && !self.draining && self.held.contains(digest)
    }

    /// How far it has come with that, as far as it has told.
    pub fn stage(&self, digest: &ContentDigest) -> Stage {
        self.report(digest).map_or(Stage::Unknown, |report| report.stage)
    }

    pub(crate) fn report(&self, digest: &ContentDigest) -> Option<&Report> {
        self.revisions.iter().find(|report| self.heard && report.digest == *digest)
    }
}

// === impl Stage ===

impl Stage {
    /// By their numbers in messages; what a newer program means by others is not told.
    pub const fn of(stage: i32, failure: i32) -> Self {
        match stage {
            1 => Self::Fetching,
            2 => Self::Staged,
            3 => Self::Loading,
            4 => Self::Serving,
            5 => Self::Failed(Failure::of(failure)),
            _ => Self::Unknown,
        }
    }

    /// Whether all bytes are on disk.
    pub(crate) const fn is_staged(self) -> bool {
        match self {
            Self::Staged | Self::Loading | Self::Serving => true,
            Self::Failed(failure) => {
                !matches!(failure, Failure::Fetch | Failure::Digest | Failure::Disk | Failure::Unknown)
            }
            Self::Unknown | Self::Fetching => false,
        }
    }
}

// === impl Failure ===

impl Failure {
    /// By its number in messages.
    pub const fn of(failure: i32) -> Self {
        match failure {
            1 => Self::Fetch,
            2 => Self::Digest,
            3 => Self::Disk,
            4 => Self::Memory,
            5 => Self::Load,
            6 => Self::Crash,
            7 => Self::Missed,
            8 => Self::FalsePositive,
            9 => Self::Slow,
            _ => Self::Unknown,
        }
    }

    /// Whether the scanner tries again by itself.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Unknown | Self::Fetch | Self::Disk | Self::Memory)
    }
}
