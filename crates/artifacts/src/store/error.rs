//! What can go wrong with files.

use icapstan_api::fleet::ContentDigest;
use std::io;
use std::path::PathBuf;
use thiserror::Error;

/// Why the store has not what it should have.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A file or a folder.
    #[error("cannot {what} {path}")]
    File {
        /// What was to be done with it.
        what: &'static str,
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The disk has no room.
    #[error("no room on the disk for {path}")]
    DiskFull {
        /// What was written.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process has the folder.
    #[error("{0} is in use by another process")]
    Taken(PathBuf),
    /// More than the store may have.
    #[error("{0} bytes more than the store may have, which is {1}")]
    Full(u64, u64),
    /// More than this file may have.
    #[error("more than {0} bytes")]
    TooLarge(u64),
    /// Other bytes.
    #[error("it is {found} and not {expected}")]
    WrongBytes {
        /// What was asked for.
        expected: ContentDigest,
        /// What came.
        found: ContentDigest,
    },
    /// Fewer bytes.
    #[error("{found} of {expected} bytes")]
    Short {
        /// What was asked for.
        expected: u64,
        /// What came.
        found: u64,
    },
}

// === impl StoreError ===

impl StoreError {
    pub(super) fn file(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull { path, source },
            _ => Self::File { what, path, source },
        }
    }

    /// Whether it is for want of room, here or on the disk.
    pub fn is_full(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Full(..))
    }

    /// Whether the bytes are at fault, and not this machine.
    pub fn is_of_bytes(&self) -> bool {
        matches!(self, Self::TooLarge(_) | Self::WrongBytes { .. } | Self::Short { .. })
    }
}
