//! What is to be scanned, and under which profile.

use crate::TraceContext;
use bytes::Bytes;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

/// The bytes of an object, as they came over the wire.
#[derive(Clone, Debug)]
pub struct Object {
    /// Where the bytes are.
    pub content: Content,
    /// How many bytes there are.
    pub len: u64,
}

/// Where an object's bytes are kept.
#[derive(Clone, Debug)]
pub enum Content {
    /// In memory.
    Memory(Bytes),
    /// In an unlinked file from offset 0, to be read by position only: the offset is shared.
    File(Arc<File>),
}

/// Which way an object travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// From the client to the origin (RFC 3507 section 4.8).
    Reqmod,
    /// From the origin to the client (RFC 3507 section 4.9).
    Respmod,
}

/// What is known of an object besides its bytes. All of it comes from the peer: it may choose how
/// the bytes are read, never whether.
#[derive(Clone, Debug)]
pub struct ScanContext {
    /// Which way it travels.
    pub mode: Mode,
    /// The values of `Content-Encoding`, all lines joined with `, `; empty when there is none.
    pub content_encoding: String,
    /// The values of all `Content-Type` lines. Readers that get several disagree on which one counts.
    pub content_types: Vec<String>,
    /// A piece of an object (HTTP status 206, or `Content-Range`).
    pub partial: bool,
    /// Limits and depth of the scan.
    pub profile: Arc<ScanProfile>,
    /// Where what the scan takes is told, if anywhere. Decides nothing.
    pub trace: Option<TraceContext>,
}

/// What a scan opens and how much it may cost. Compiled from a ScanPolicy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanProfile {
    /// Larger objects, and larger layers of objects, are not scanned, in bytes.
    pub max_object_size: u64,
    /// Bytes of all layers of one object together.
    pub max_total_size: u64,
    /// From the last byte of the body to the verdict, waiting included.
    pub timeout: Duration,
    /// How many containers may lie inside each other.
    pub max_depth: u32,
    /// How many files all containers of one object may hold.
    pub max_files: u32,
    /// What is opened.
    pub unpack: Unpack,
    /// Heuristic detections (`scan.heuristics`).
    pub heuristics: HeuristicLevel,
    /// Deceptive links in mail (`scan.phishing`).
    pub phishing: bool,
    /// Report macros in documents.
    pub macros: bool,
    /// Whether what was found in an equal object may count for this one (`scan.cache`). Decides nothing.
    pub cache: bool,
}

/// How hard heuristics try. Each level does what the one before does, and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HeuristicLevel {
    /// Not at all.
    Off,
    /// What the engine's own heuristics find.
    Shallow,
    /// Disks whose partitions lie in each other besides.
    Medium,
    /// Programs and pictures besides that are not built as their format says.
    Detail,
}

/// Which kinds of containers are opened (`scan.unpack`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unpack {
    /// Packed and protected executables.
    pub packed: bool,
    /// Archives and documents.
    pub archives: bool,
    /// Mail messages.
    pub mail: bool,
    /// Mail boxes.
    pub mail_databases: bool,
}

// === impl Mode ===

impl Mode {
    /// The ICAP method.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reqmod => "REQMOD",
            Self::Respmod => "RESPMOD",
        }
    }
}

// === impl ScanProfile ===

impl Default for ScanProfile {
    /// The reference product's recommendation.
    fn default() -> Self {
        Self {
            max_object_size: 10343 * 1024,
            max_total_size: 400 * 1024 * 1024,
            timeout: Duration::from_secs(10),
            max_depth: 5,
            max_files: 10_000,
            unpack: Unpack { packed: true, archives: true, mail: true, mail_databases: true },
            heuristics: HeuristicLevel::Shallow,
            phishing: true,
            macros: true,
            cache: true,
        }
    }
}
