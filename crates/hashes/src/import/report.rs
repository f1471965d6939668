//! What became of the lines of a list.

use std::fmt;

/// So many problems are kept of each kind; all are counted.
const KEPT_PER_REASON: u64 = 10;

/// What became of the lines of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Lines read.
    pub lines: u64,
    /// Entries found.
    pub entries: u64,
    /// Lines left out.
    pub left_out: u64,
    /// Whether the one who asked for the entries wanted no more of them.
    pub stopped: bool,
    /// The first few problems of each kind, in the order of lines.
    pub problems: Vec<Problem>,
    counts: [u64; Reason::ALL.len()],
}

/// A line that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The number of the line, from 1.
    pub line: u64,
    /// What it is.
    pub reason: Reason,
}

/// Why a line was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// Longer than [`MAX_LINE`](super::MAX_LINE).
    TooLong,
    /// No digest in hexadecimal digits where one must stand.
    NoDigest,
    /// Not a line of `sha256sum`.
    NoSum,
    /// Not the fields that a line of this format has.
    NoFields,
    /// Neither a number of bytes nor `*`.
    NoSize,
    /// The file has 4 GiB or more, and is never scanned.
    Large,
    /// Quotes that do not match.
    Quotes,
    /// MISP: no digest of a file.
    OtherType,
    /// The digest of an empty file.
    Nothing,
    /// A list that allows, and a digest that two files may have.
    Weak,
}

// === impl Reason ===

impl Reason {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::TooLong,
        Self::NoDigest,
        Self::NoSum,
        Self::NoFields,
        Self::NoSize,
        Self::Large,
        Self::Quotes,
        Self::OtherType,
        Self::Nothing,
        Self::Weak,
    ];

    /// What it is, in words.
    pub const fn text(self) -> &'static str {
        match self {
            Self::TooLong => "line too long",
            Self::NoDigest => "no MD5, SHA-1 or SHA-256 in hexadecimal digits",
            Self::NoSum => "not a line of sha256sum",
            Self::NoFields => "not the fields of this format",
            Self::NoSize => "size is neither a number nor *",
            Self::Large => "file of 4 GiB or more",
            Self::Quotes => "quotes do not match",
            Self::OtherType => "type is no digest of a file",
            Self::Nothing => "digest of an empty file",
            Self::Weak => "only SHA-256 allows: others can be had by two files",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

// === impl Problem ===

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

// === impl Report ===

impl Report {
    /// How often something happened.
    pub fn count(&self, reason: Reason) -> u64 {
        self.counts[reason as usize]
    }

    /// All that happened, and how often.
    pub fn counts(&self) -> impl Iterator<Item = (Reason, u64)> {
        Reason::ALL.into_iter().map(|reason| (reason, self.count(reason))).filter(|&(_, count)| count > 0)
    }

    pub(super) fn problem(&mut self, line: u64, reason: Reason) {
        self.left_out += 1;
        let count = &mut self.counts[reason as usize];
        *count += 1;
        if *count <= KEPT_PER_REASON {
            self.problems.push(Problem { line, reason });
        }
    }
}
