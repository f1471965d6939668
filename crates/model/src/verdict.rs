//! What a scan says of an object, or of a part of it.

use crate::{FailedReason, NonScannedReason, Reason, ThreatName};
use std::fmt;

/// One statement about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Looked at wholly, by every engine that policy asks for, and nothing was found.
    Clean,
    /// Contains active content in a document (a macro); no threat by itself.
    Macro(ThreatName),
    /// Not, or not wholly, looked at.
    NonScanned(NonScannedReason),
    /// Should have been looked at, but something broke.
    Failed(FailedReason),
    /// Contains, or is reached by, a deceptive link.
    Phishing(ThreatName),
    /// Malware.
    Infected(ThreatName),
}

/// A [`Verdict`] without its details: the words of rules, metrics and logs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VerdictKind {
    /// [`Verdict::Clean`]
    Clean,
    /// [`Verdict::NonScanned`]
    NonScanned,
    /// [`Verdict::Failed`]
    Failed,
    /// [`Verdict::Macro`]
    Macro,
    /// [`Verdict::Phishing`]
    Phishing,
    /// [`Verdict::Infected`]
    Detect,
}

// === impl Verdict ===

impl Verdict {
    /// The kind, which is also the rank.
    pub const fn kind(&self) -> VerdictKind {
        match self {
            Self::Clean => VerdictKind::Clean,
            Self::NonScanned(_) => VerdictKind::NonScanned,
            Self::Failed(_) => VerdictKind::Failed,
            Self::Macro(_) => VerdictKind::Macro,
            Self::Phishing(_) => VerdictKind::Phishing,
            Self::Infected(_) => VerdictKind::Detect,
        }
    }

    /// The reason of a verdict that is no statement about the content.
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::NonScanned(reason) => Some(Reason::NonScanned(*reason)),
            Self::Failed(reason) => Some(Reason::Failed(*reason)),
            _ => None,
        }
    }

    /// What was found.
    pub const fn threat(&self) -> Option<&ThreatName> {
        match self {
            Self::Infected(name) | Self::Phishing(name) | Self::Macro(name) => Some(name),
            _ => None,
        }
    }
}

// === impl VerdictKind ===

impl VerdictKind {
    /// All kinds, weakest first.
    pub const ALL: [Self; 6] =
        [Self::Clean, Self::NonScanned, Self::Failed, Self::Macro, Self::Phishing, Self::Detect];

    /// The word in logs and metric labels.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::NonScanned => "non-scanned",
            Self::Failed => "failed",
            Self::Macro => "macro",
            Self::Phishing => "phishing",
            Self::Detect => "detect",
        }
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
