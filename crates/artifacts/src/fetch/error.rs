//! Why an artifact is not to be had.

use crate::{PourError, StoreError};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;

/// Why there is no such artifact here. To be tried again later in any case.
#[derive(Clone, Debug, Error)]
pub enum FetchError {
    /// Nobody was named that could have it.
    #[error("no place to fetch it from is known")]
    Nowhere,
    /// Nobody gave it. What was the matter with the last one.
    #[error("it cannot be had from {base}")]
    Failed {
        /// The last place.
        base: Arc<str>,
        /// What it did.
        #[source]
        source: Arc<AttemptError>,
    },
    /// This program ends.
    #[error("the program ends")]
    Stopped,
}

/// Why one place did not give it.
#[derive(Debug, Error)]
pub enum AttemptError {
    /// What was named is no place.
    #[error("{0:?} is no URL of a place with artifacts")]
    Url(String),
    /// Nobody answers there.
    #[error("no connection")]
    Connect(#[source] io::Error),
    /// It is not who it should be, or does not believe us.
    #[error("no secured connection")]
    Secure(#[source] io::Error),
    /// There is nothing to tell it by.
    #[error("there are no settings for https")]
    NoTls,
    /// No HTTP comes back.
    #[error("no answer")]
    Http(#[source] hyper::Error),
    /// It took too long.
    #[error("no {what} within {after:?}")]
    Timeout {
        /// What for.
        what: &'static str,
        /// That long.
        after: Duration,
    },
    /// It answers something else; 404 is "not here".
    #[error("the answer is {0}")]
    Status(u16),
    /// It has something else, by its length.
    #[error("it has {found:?} bytes there, and should have {expected}")]
    Size {
        /// As it says.
        found: Option<u64>,
        /// As it should be.
        expected: u64,
    },
    /// It gives another part than was asked for.
    #[error("the answer is another part than was asked for")]
    Range,
    /// It has something else, by its digest.
    #[error("what came is something else")]
    WrongBytes(#[source] StoreError),
    /// The body did not get to its end.
    #[error("the body did not come")]
    Body(#[source] PourError),
    /// The store cannot take it.
    #[error("it cannot be kept")]
    Store(#[source] StoreError),
    /// It was there, and is not any more.
    #[error("it was removed at once")]
    Vanished,
    /// This program ends.
    #[error("the program ends")]
    Stopped,
}

// === impl FetchError ===

impl FetchError {
    /// Whether there is no room for it here.
    pub fn is_full(&self) -> bool {
        let Self::Failed { source, .. } = self else { return false };
        match &**source {
            AttemptError::Store(error) | AttemptError::Body(PourError::Store(error)) => error.is_full(),
            _ => false,
        }
    }
}

// === impl AttemptError ===

impl AttemptError {
    /// Whether another place could not do better.
    pub(super) fn is_local(&self) -> bool {
        match self {
            Self::Store(error) | Self::Body(PourError::Store(error)) => !error.is_of_bytes(),
            Self::Stopped | Self::Body(PourError::Stopped) => true,
            _ => false,
        }
    }
}
