//! Why there is no answer.

use icapstan_metrics::label;
use std::sync::Arc;
use thiserror::Error;

/// Why there is no answer. Its texts are short and inert, whatever the service said.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AskError {
    /// None came in time.
    #[error("no answer in time")]
    Timeout,
    /// There is no connection, or it broke.
    #[error("the service cannot be reached: {0}")]
    Unreachable(Arc<str>),
    /// The service answered with another status than 200.
    #[error("the service answered with status {0}")]
    Status(u16),
    /// The answer cannot be read.
    #[error("the answer of the service cannot be used: {0}")]
    Unusable(Arc<str>),
    /// There are as many lookups as there may be.
    #[error("too many lookups are under way")]
    Busy,
    /// The service failed too often to be asked now.
    #[error("the service is left alone for a while, since it failed again and again")]
    Open,
}

label! {
    /// What came of a lookup.
    pub(crate) enum Outcome as "result" {
        /// Nothing is known against the URL.
        Clean = "clean",
        /// Nothing is known.
        Unknown = "unknown",
        /// It deceives.
        Phishing = "phishing",
        /// Malware comes from it.
        Detect = "detect",
        /// See [`AskError::Timeout`].
        Timeout = "timeout",
        /// See [`AskError::Unreachable`].
        Unreachable = "unreachable",
        /// See [`AskError::Status`].
        Status = "status",
        /// See [`AskError::Unusable`].
        Unusable = "unusable",
        /// See [`AskError::Busy`].
        Busy = "busy",
        /// See [`AskError::Open`].
        Open = "open",
    }
}

// === impl AskError ===

impl AskError {
    /// The word in headers, logs and metrics.
    pub const fn as_str(&self) -> &'static str {
        self.outcome().as_str()
    }

    pub(crate) const fn outcome(&self) -> Outcome {
        match self {
            Self::Timeout => Outcome::Timeout,
            Self::Unreachable(_) => Outcome::Unreachable,
            Self::Status(_) => Outcome::Status,
            Self::Unusable(_) => Outcome::Unusable,
            Self::Busy => Outcome::Busy,
            Self::Open => Outcome::Open,
        }
    }
}
