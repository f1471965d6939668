//! A folder of files that are named by their digests.

mod error;
mod open;
mod writer;

pub use error::StoreError;
pub use writer::Writer;

use icapstan_api::fleet::{Artifact, ContentDigest};
use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::warn;

/// How much is read or written at once.
pub(crate) const CHUNK: usize = 256 << 10;

/// Files that are named by their digests, in one folder, up to a number of bytes. Clones are the same store. One
/// process has a folder at a time.
///
/// All that touches files blocks; async code goes through [`crate::blocking`].
#[derive(Clone, Debug)]
pub struct Store(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    limit: u64,
    /// Locked for this process.
    _lock: File,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What is whole, and how long.
    held: BTreeMap<ContentDigest, u64>,
    /// What is not, and nobody writes.
    partial: BTreeMap<ContentDigest, u64>,
    /// What is being written under its digest.
    writing: BTreeSet<ContentDigest>,
    /// The bytes of all three, and of what is written without a digest.
    used: u64,
    /// For names.
    next: u64,
}

// === impl Store ===

impl Store {
    /// The store in `folder`, which is made if it is not there. All that is in it is hashed again; what is not what
    /// its name says is removed.
    pub fn open(folder: impl Into<PathBuf>, limit_bytes: u64) -> Result<Self, StoreError> {
        let folder = folder.into();
        let (lock, state) = open::open(&folder)?;
        Ok(Self(Arc::new(Inner { folder, limit: limit_bytes, _lock: lock, state: Mutex::new(state) })))
    }

    /// Where the bytes are, if they are there. The file stays as it is; it goes with [`Self::keep_only`], which
    /// takes it from nobody who has it open or linked.
    pub fn path(&self, digest: &ContentDigest) -> Option<PathBuf> {
        let len = *self.0.state.lock().held.get(digest)?;
        let path = self.whole(digest);
        if fs::metadata(&path).is_ok_and(|found| found.len() == len) {
            return Some(path);
        }
        warn!(%digest, "a file of the artifact store went away or changed; it is fetched again");
        self.0.state.lock().forget(digest);
        None
    }

    /// The same, with how many bytes it has.
    pub fn artifact(&self, digest: &ContentDigest) -> Option<Artifact> {
        self.path(digest)?;
        self.0.state.lock().held.get(digest).map(|&size| Artifact { digest: *digest, size })
    }

    /// All that is whole.
    pub fn held(&self) -> Vec<Artifact> {
        let state = self.0.state.lock();
        state.held.iter().map(|(&digest, &size)| Artifact { digest, size }).collect()
    }

    /// How many bytes of the limit are taken.
    pub fn used_bytes(&self) -> u64 {
        self.0.state.lock().used
    }

    /// How many there may be.
    pub fn limit_bytes(&self) -> u64 {
        self.0.limit
    }

    /// A writer of what has this digest, which goes on where an earlier one was cut.
    pub fn resume(&self, artifact: &Artifact) -> Result<Writer, StoreError> {
        Writer::resume(self.clone(), artifact)
    }

    /// A writer of bytes whose digest is not known yet, at most so many.
    pub fn create(&self, max_bytes: u64) -> Result<Writer, StoreError> {
        Writer::create(self.clone(), max_bytes)
    }

    /// Takes in what `reader` has, which has to be that artifact.
    pub fn insert(&self, artifact: &Artifact, mut reader: impl Read) -> Result<PathBuf, StoreError> {
        if let Some(path) = self.path(&artifact.digest) {
            return Ok(path);
        }
        let mut writer = self.resume(artifact)?;
        writer.restart()?;
        let mut buffer = vec![0; CHUNK];
        loop {
            match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(count) => writer.write(&buffer[..count])?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(StoreError::file("read what goes to", &self.0.folder)(error)),
            }
        }
        writer.finish()?;
        Ok(self.whole(&artifact.digest))
    }

    /// Takes in bytes that are in memory.
    pub fn insert_bytes(&self, bytes: &[u8]) -> Result<Artifact, StoreError> {
        let artifact = Artifact { digest: ContentDigest::of(bytes), size: bytes.len() as u64 };
        self.insert(&artifact, bytes)?;
        Ok(artifact)
    }

    /// Puts the file of a digest at `path` too, by a link where that can be, else by a copy. Whether it was there.
    pub fn place(&self, digest: &ContentDigest, path: &Path) -> Result<bool, StoreError> {
        let Some(from) = self.path(digest) else { return Ok(false) };
        fs::hard_link(&from, path)
            .or_else(|_| fs::copy(&from, path).map(drop))
            .map_err(StoreError::file("make", path))?;
        Ok(true)
    }

    /// Removes all but these, and how many bytes that gave back. What is being written stays.
    pub fn keep_only(&self, digests: &BTreeSet<ContentDigest>) -> u64 {
        let mut state = self.0.state.lock();
        let before = state.used;
        let gone: Vec<_> = state.held.keys().filter(|held| !digests.contains(held)).copied().collect();
        for digest in gone {
            remove(&self.whole(&digest));
            state.forget(&digest);
        }
        let gone: Vec<_> = state.partial.keys().filter(|part| !digests.contains(part)).copied().collect();
        for digest in gone {
            self.drop_partial(&mut state, &digest);
        }
        before - state.used
    }

    /// Whether somebody writes it, or has just given that up with bytes still in hand.
    pub(crate) fn is_being_written(&self, digest: &ContentDigest) -> bool {
        self.0.state.lock().writing.contains(digest)
    }

    /// How many bytes there are of what is not whole.
    pub(crate) fn partial_len(&self, digest: &ContentDigest) -> u64 {
        self.0.state.lock().partial.get(digest).copied().unwrap_or(0)
    }

    fn whole(&self, digest: &ContentDigest) -> PathBuf {
        self.0.folder.join(open::WHOLE).join(digest.hex())
    }

    fn part(&self, digest: &ContentDigest) -> PathBuf {
        self.0.folder.join(open::PARTIAL).join(digest.hex())
    }

    fn drop_partial(&self, state: &mut State, digest: &ContentDigest) {
        if let Some(len) = state.partial.remove(digest) {
            remove(&self.part(digest));
            state.used = state.used.saturating_sub(len);
        }
    }

    /// Room for so many bytes more. What is not whole and not being written makes way.
    fn reserve(&self, bytes: u64) -> Result<(), StoreError> {
        let mut state = self.0.state.lock();
        while state.used.saturating_add(bytes) > self.0.limit {
            let Some(&digest) = state.partial.keys().next() else {
                let over = state.used.saturating_add(bytes) - self.0.limit;
                return Err(StoreError::Full(over, self.0.limit));
            };
            self.drop_partial(&mut state, &digest);
        }
        state.used += bytes;
        Ok(())
    }

    fn give_back(&self, bytes: u64) {
        let mut state = self.0.state.lock();
        state.used = state.used.saturating_sub(bytes);
    }
}

// === impl State ===

impl State {
    fn forget(&mut self, digest: &ContentDigest) {
        if let Some(len) = self.held.remove(digest) {
            self.used = self.used.saturating_sub(len);
        }
    }
}

/// A file that cannot be removed is found again when the store is opened.
fn remove(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        warn!(path = %path.display(), %error, "a file of the artifact store cannot be removed");
    }
}

#[cfg(test)]
mod tests;
