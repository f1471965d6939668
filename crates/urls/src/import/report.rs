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
    /// Things left out: lines, or names of lines that have several.
    pub left_out: u64,
    /// Entries that were taken with a remark.
    pub remarks: u64,
    /// Whether the one who asked for the entries wanted no more of them.
    pub stopped: bool,
    /// The first few problems of each kind, in the order of lines.
    pub problems: Vec<Problem>,
    counts: [u64; Reason::ALL.len()],
}

/// Something that was left out, or taken with a remark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The number of the line, from 1.
    pub line: u64,
    /// What it is.
    pub reason: Reason,
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident $kind:ident $text:literal,)+) => {
        /// Why something was left out, or what there is to remark about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Reason {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Reason {
            /// All of them.
            pub const ALL: [Self; [$($text),+].len()] = [$(Self::$name),+];

            /// What it is, in words.
            pub const fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }

            /// Whether the entry was taken all the same.
            pub const fn is_remark(self) -> bool {
                match self {
                    $(Self::$name => reasons!(@$kind),)+
                }
            }
        }
    };
    (@left_out) => { false };
    (@remark) => { true };
}

reasons! {
    /// Longer than [`MAX_LINE`](super::MAX_LINE).
    TooLong left_out "line too long",
    /// Not of the form that lines of this format have.
    Malformed left_out "not a line of this format",
    /// No host name.
    BadName left_out "not a host name",
    /// No URL, or one of a scheme that has no hosts.
    BadUrl left_out "not a URL",
    /// No address, or none where one must stand.
    BadAddress left_out "not an address",
    /// No hash in hexadecimal digits, or of another length.
    BadHash left_out "not a SHA-256 hash",
    /// A range whose address is not its first one.
    HostBits left_out "address is not the first one of its range",
    /// It would cover everything.
    Everything left_out "covers everything",
    /// It would cover a registry's public suffix.
    PublicSuffix left_out "covers a whole public suffix",
    /// Hosts files: the address is a real one.
    RealAddress left_out "maps names to a real address",
    /// RPZ: answers are rewritten, or the client must come back over TCP: neither blocked nor allowed.
    Rewrite left_out "rewrites answers",
    /// RPZ: depends on name servers or on the client.
    Trigger left_out "trigger is about name servers or clients",
    /// RPZ: a name with a final dot that does not end in the name of the zone.
    OutOfZone left_out "name is outside the zone",
    /// Adblock: neither `||host^` nor `||host/path^`.
    Pattern left_out "pattern is neither a host nor a path",
    /// Adblock: holds under conditions only.
    Condition left_out "rule has conditions",
    /// Adblock: about elements of pages, not about URLs.
    Cosmetic left_out "rule is about page elements",
    /// An exception for one port would become one for all.
    PortException left_out "exception for one port only",
    /// ClamAV: a prefix of a hash, which alone says nothing.
    HashPrefix left_out "prefix of a hash",
    /// Taken, though others than the listed may have names below it.
    PrivateSuffix remark "covers all customers of a service",
    /// Taken, but of a domain of so many labels only the host itself is found.
    TooDeep remark "too many labels to cover hosts below it",
    /// Taken, but not for what lies deeper below it than keys reach.
    DeepFolder remark "too many folders to cover what is below",
    /// Taken for all ports.
    AnyPort remark "holds for all ports",
}

// === impl Reason ===

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

    /// Begins a line and yields its number.
    pub(super) fn next_line(&mut self) -> u64 {
        self.lines += 1;
        self.lines
    }

    pub(super) fn problem(&mut self, line: u64, reason: Reason) {
        if reason.is_remark() {
            self.remarks += 1;
        } else {
            self.left_out += 1;
        }
        let count = &mut self.counts[reason as usize];
        *count += 1;
        if *count <= KEPT_PER_REASON {
            self.problems.push(Problem { line, reason });
        }
    }
}
