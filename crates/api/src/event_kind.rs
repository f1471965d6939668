//! What kinds of events there are and how much each matters.

use serde::{Deserialize, Serialize};

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// Malware, a deceptive link or active content was found.
    Detection,
    /// A message was kept from its receiver for another cause: a URL list, the memory of blocked URLs,
    /// a policy.
    Block,
    /// An object was not, or not wholly, looked at.
    NotScanned,
    /// Something broke: a scan, a worker, an update.
    Failure,
    /// Requests were turned down before anything was looked at: too many, too large, no ICAP.
    Refusal,
    /// Transactions ended before their answer did.
    Abort,
    /// Settings or policies were changed.
    ConfigurationChange,
    /// Signatures or lists were changed.
    ListChange,
    /// The program serves.
    Start,
    /// The program no longer serves.
    Stop,
    /// A clean message went on, and a rule speaks of it.
    Pass,
}

/// How much an event matters, least first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// To be known later.
    #[default]
    Info,
    /// Normal, but worth a look.
    Notice,
    /// Something was refused or passed unseen.
    Warning,
    /// Something does not work.
    Error,
    /// An attack.
    Critical,
}

// === impl EventKind ===

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::Detection,
        Self::Block,
        Self::NotScanned,
        Self::Failure,
        Self::Refusal,
        Self::Abort,
        Self::ConfigurationChange,
        Self::ListChange,
        Self::Start,
        Self::Stop,
        Self::Pass,
    ];

    /// The word in settings and in every format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Detection => "detection",
            Self::Block => "block",
            Self::NotScanned => "not-scanned",
            Self::Failure => "failure",
            Self::Refusal => "refusal",
            Self::Abort => "abort",
            Self::ConfigurationChange => "configuration-change",
            Self::ListChange => "list-change",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Pass => "pass",
        }
    }

    /// How much it matters.
    pub const fn severity(self) -> Severity {
        match self {
            Self::Detection => Severity::Critical,
            Self::Failure => Severity::Error,
            Self::Block | Self::NotScanned | Self::Refusal => Severity::Warning,
            Self::Abort | Self::ConfigurationChange => Severity::Notice,
            Self::ListChange | Self::Start | Self::Stop | Self::Pass => Severity::Info,
        }
    }
}

// === impl Severity ===

impl Severity {
    /// The word in settings and in every format.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Error => "error",
            Self::Critical => "critical",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_in_settings_are_those_in_events() {
        for (place, kind) in EventKind::ALL.into_iter().enumerate() {
            assert_eq!(kind as usize, place);
            let word = format!("\"{}\"", kind.as_str());
            assert_eq!(serde_json::to_string(&kind).unwrap(), word);
            assert_eq!(serde_json::from_str::<EventKind>(&word).unwrap(), kind);
            let severity = kind.severity();
            assert_eq!(serde_json::to_string(&severity).unwrap(), format!("\"{}\"", severity.as_str()));
        }
    }
}
