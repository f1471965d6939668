//! How much a decoder may cost, and why it stopped short.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// Output of a layer that the ratio limit never counts, in bytes: small bodies of repeated bytes
/// are everyday, and harmless whatever their ratio.
pub const FREE_OUTPUT: u64 = 1 << 20;

/// The largest window that a zstd frame may ask for, in bytes: RFC 9659 allows no more in a content
/// coding.
pub const MAX_WINDOW: u64 = 8 << 20;

/// What one call may cost. Every loop that produces or consumes bytes looks at it.
#[derive(Clone, Debug)]
pub struct Budget {
    /// Bytes that each layer may unpack to.
    pub max_output: u64,
    /// How many times larger than its input a layer's output may be, beyond [`FREE_OUTPUT`].
    pub max_ratio: u32,
    /// When to stop, whatever is left.
    pub deadline: Instant,
    /// How many codings may lie over each other.
    pub max_codings: usize,
    /// Set, by whoever shares it, when nobody wants the result any more: the deadline has come then.
    pub cancelled: Arc<AtomicBool>,
}

/// Why data was not decoded to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Defect {
    /// A coding that nothing here can undo, `compress` among them, or a dictionary that is not in the data.
    UnknownCoding,
    /// The bytes are not what their coding asks for, or a checksum is wrong.
    Malformed,
    /// The data ends before its coding does.
    Truncated,
    /// The coding ends before the data does; what was decoded is whole.
    TrailingData,
    /// More output than [`Budget::max_output`].
    OutputLimit,
    /// More output than [`Budget::max_ratio`] allows for the input.
    RatioLimit,
    /// A larger window than [`MAX_WINDOW`].
    WindowLimit,
    /// [`Budget::deadline`] has passed, or [`Budget::cancelled`] was set.
    Deadline,
    /// More codings over each other than [`Budget::max_codings`].
    TooManyCodings,
}

// === impl Budget ===

impl Budget {
    /// Whether there is no time left.
    pub(crate) fn is_over(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed) || Instant::now() >= self.deadline
    }
}

// === impl Defect ===

impl Defect {
    /// The word for logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnknownCoding => "unknown-coding",
            Self::Malformed => "malformed",
            Self::Truncated => "truncated",
            Self::TrailingData => "trailing-data",
            Self::OutputLimit => "output-limit",
            Self::RatioLimit => "ratio-limit",
            Self::WindowLimit => "window-limit",
            Self::Deadline => "deadline",
            Self::TooManyCodings => "too-many-codings",
        }
    }
}

impl fmt::Display for Defect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
