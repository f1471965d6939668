//! Why an object was not, or not wholly, scanned. Closed sets: they become metric labels.

use std::fmt;

/// Why an object was left out, wholly or in part, though nothing broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NonScannedReason {
    /// Larger than the size limit, or a layer of it is.
    Size,
    /// The administrator's policy left it out.
    Skipped,
    /// A rule of the administrator's policy left this very message out (`policies[].skip`).
    Excluded,
    /// A format that no engine here can open.
    Unsupported,
    /// Encrypted, so that only the owner of the key can look inside.
    Encrypted,
    /// A piece of an object (HTTP 206), so that what spans its ends is not seen.
    PartialContent,
    /// Nested deeper than the limit.
    Depth,
    /// More parts or files inside than the limit.
    Count,
    /// Unpacks to far more bytes than it has.
    Ratio,
    /// Broken in a way that readers disagree about.
    Malformed,
}

/// Why a scan that should have been made was not completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailedReason {
    /// Not done before the deadline.
    Time,
    /// No room for temporary files.
    TempSpace,
    /// The engine reported a fault, or gave no proof that it looked.
    EngineError,
    /// The engine's process died.
    Crash,
    /// Not enough memory.
    Memory,
    /// No scanner is there to ask.
    NoScanner,
    /// The service that is asked about URLs has not answered.
    Reputation,
}

/// Either kind of reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Of a [`Verdict::NonScanned`](crate::Verdict::NonScanned).
    NonScanned(NonScannedReason),
    /// Of a [`Verdict::Failed`](crate::Verdict::Failed).
    Failed(FailedReason),
}

// === impl NonScannedReason ===

impl NonScannedReason {
    /// All of them, in the order of their severity for the label sets of metrics and for documents.
    pub const ALL: [Self; 10] = [
        Self::Size,
        Self::Skipped,
        Self::Excluded,
        Self::Unsupported,
        Self::Encrypted,
        Self::PartialContent,
        Self::Depth,
        Self::Count,
        Self::Ratio,
        Self::Malformed,
    ];

    /// The reason with this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// The word used in headers, logs, metrics and rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Skipped => "skipped",
            Self::Excluded => "excluded",
            Self::Unsupported => "unsupported",
            Self::Encrypted => "encrypted",
            Self::PartialContent => "partial-content",
            Self::Depth => "depth",
            Self::Count => "count",
            Self::Ratio => "ratio",
            Self::Malformed => "malformed",
        }
    }

    /// Whether whoever made the object can bring this about at will to escape a scan. Blocked
    /// unless the administrator decides otherwise.
    pub const fn is_evasive(self) -> bool {
        matches!(self, Self::Depth | Self::Count | Self::Ratio | Self::Malformed)
    }
}

impl fmt::Display for NonScannedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl FailedReason ===

impl FailedReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Time,
        Self::TempSpace,
        Self::EngineError,
        Self::Crash,
        Self::Memory,
        Self::NoScanner,
        Self::Reputation,
    ];

    /// The reason with this word.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }

    /// The word used in headers, logs, metrics and rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::TempSpace => "temp-space",
            Self::EngineError => "engine-error",
            Self::Crash => "crash",
            Self::Memory => "memory",
            Self::NoScanner => "no-scanner",
            Self::Reputation => "reputation",
        }
    }
}

impl fmt::Display for FailedReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Reason ===

impl Reason {
    /// Every reason of both kinds.
    pub fn all() -> impl Iterator<Item = Self> {
        NonScannedReason::ALL
            .into_iter()
            .map(Self::NonScanned)
            .chain(FailedReason::ALL.into_iter().map(Self::Failed))
    }

    /// The word used in headers, logs, metrics and rules.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NonScanned(reason) => reason.as_str(),
            Self::Failed(reason) => reason.as_str(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_unique_and_fit_a_header_and_a_label() {
        let words: Vec<_> = Reason::all().map(Reason::as_str).collect();
        let mut unique = words.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), words.len());
        assert!(words.iter().all(|word| word.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }
}
