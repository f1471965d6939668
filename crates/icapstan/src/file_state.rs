//! Whether a file is still what it was.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Device, inode, length, seconds and nanoseconds of the last change.
pub(crate) type State = (u64, u64, u64, i64, i64);

/// `None` is a file that cannot be looked at. Links are followed: Kubernetes changes files by changing a link.
pub(crate) fn state(path: &Path) -> Option<State> {
    let metadata = std::fs::metadata(path).ok()?;
    Some((metadata.dev(), metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()))
}
