//! One file on its way into the store.

use super::open::{PARTIAL, hash_into};
use super::{Store, StoreError, remove};
use icapstan_api::fleet::{Artifact, ContentDigest};
use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::PathBuf;

/// A file that is being written, and hashed meanwhile. Dropped before its end it leaves behind what the next one goes
/// on with, if its digest is known; else nothing.
#[derive(Debug)]
pub struct Writer {
    store: Store,
    file: File,
    path: PathBuf,
    /// What it is to be.
    expected: Option<Artifact>,
    /// Whether it lies under its digest, for the next writer to go on.
    is_resumable: bool,
    max_bytes: u64,
    hasher: Sha256,
    written: u64,
    /// What was taken of the store's limit.
    reserved: u64,
    state: End,
}

/// What becomes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Bad,
    Done,
}

// === impl Writer ===

impl Writer {
    pub(super) fn create(store: Store, max_bytes: u64) -> Result<Self, StoreError> {
        Self::fresh(store, max_bytes, None)
    }

    pub(super) fn resume(store: Store, artifact: &Artifact) -> Result<Self, StoreError> {
        let earlier = {
            let mut state = store.0.state.lock();
            // Two writers of one digest: the second one has a file of its own.
            let is_mine = state.writing.insert(artifact.digest);
            is_mine.then(|| state.partial.remove(&artifact.digest).unwrap_or(0))
        };
        let Some(earlier) = earlier else { return Self::fresh(store, artifact.size, Some(*artifact)) };
        let path = store.part(&artifact.digest);
        let opened = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o644)
            .open(&path)
            .map_err(StoreError::file("open", &path));
        let file = match opened {
            Ok(file) => file,
            Err(error) => {
                let mut state = store.0.state.lock();
                state.writing.remove(&artifact.digest);
                state.used = state.used.saturating_sub(earlier);
                return Err(error);
            }
        };
        let mut writer = Self {
            store,
            file,
            path,
            expected: Some(*artifact),
            is_resumable: true,
            max_bytes: artifact.size,
            hasher: Sha256::new(),
            written: 0,
            reserved: earlier,
            state: End::Open,
        };
        let read = hash_into(&mut writer.hasher, &mut writer.file);
        writer.written = read.map_err(StoreError::file("read", &writer.path))?;
        // Also if it is not as long as it was: somebody else had it.
        if writer.written > artifact.size || writer.written != writer.reserved {
            writer.restart()?;
        }
        Ok(writer)
    }

    fn fresh(store: Store, max_bytes: u64, expected: Option<Artifact>) -> Result<Self, StoreError> {
        let number = {
            let mut state = store.0.state.lock();
            state.next += 1;
            state.next
        };
        let path = store.0.folder.join(PARTIAL).join(format!("tmp-{number}"));
        let file = OpenOptions::new().read(true).write(true).create_new(true).mode(0o644).open(&path);
        let file = file.map_err(StoreError::file("make", &path))?;
        Ok(Self {
            store,
            file,
            path,
            expected,
            is_resumable: false,
            max_bytes,
            hasher: Sha256::new(),
            written: 0,
            reserved: 0,
            state: End::Open,
        })
    }

    /// How many bytes there are already.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Adds bytes. After an error only [`Self::restart`] helps.
    pub fn write(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let total = self.written.saturating_add(bytes.len() as u64);
        if total > self.max_bytes {
            self.state = End::Bad;
            return Err(StoreError::TooLarge(self.max_bytes));
        }
        if total > self.reserved {
            self.store.reserve(total - self.reserved)?;
            self.reserved = total;
        }
        if let Err(error) = self.file.write_all(bytes) {
            // Some of it may be there. Its room is needed more if there is none.
            self.state = End::Bad;
            return Err(StoreError::file("write", &self.path)(error));
        }
        self.hasher.update(bytes);
        self.written = total;
        Ok(())
    }

    /// From the beginning.
    pub fn restart(&mut self) -> Result<(), StoreError> {
        self.file.set_len(0).map_err(StoreError::file("empty", &self.path))?;
        self.file.seek(SeekFrom::Start(0)).map_err(StoreError::file("empty", &self.path))?;
        self.hasher = Sha256::new();
        self.written = 0;
        self.store.give_back(self.reserved);
        self.reserved = 0;
        self.state = End::Open;
        Ok(())
    }

    /// Checks what it is, and puts it where [`Store::path`] finds it, after all of it is on the disk.
    pub fn finish(mut self) -> Result<Artifact, StoreError> {
        if let Some(expected) = self.expected
            && self.written < expected.size
        {
            return Err(StoreError::Short { expected: expected.size, found: self.written });
        }
        let found =
            Artifact { digest: ContentDigest(self.hasher.finalize_reset().into()), size: self.written };
        if let Some(expected) = self.expected.filter(|expected| expected.digest != found.digest) {
            self.state = End::Bad;
            return Err(StoreError::WrongBytes { expected: expected.digest, found: found.digest });
        }
        // Until it has its name it is not there, and after an error there is nothing to go on with.
        self.state = End::Bad;
        self.file
            .set_permissions(Permissions::from_mode(0o444))
            .and_then(|()| self.file.sync_all())
            .map_err(StoreError::file("write", &self.path))?;
        let whole = self.store.whole(&found.digest);
        {
            let mut state = self.store.0.state.lock();
            fs::rename(&self.path, &whole).map_err(StoreError::file("rename to", &whole))?;
            self.state = End::Done;
            // One that was there before had the same bytes.
            state.forget(&found.digest);
            state.held.insert(found.digest, found.size);
            if self.is_resumable {
                state.writing.remove(&found.digest);
            }
        }
        if let Some(folder) = whole.parent() {
            let synced = File::open(folder).and_then(|folder| folder.sync_all());
            synced.map_err(StoreError::file("write", folder))?;
        }
        Ok(found)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if self.state == End::Done {
            return;
        }
        let mut state = self.store.0.state.lock();
        if let Some(expected) = self.expected.filter(|_| self.is_resumable) {
            state.writing.remove(&expected.digest);
            if self.state == End::Open && self.written > 0 {
                // What was reserved and not written goes back.
                state.used = state.used.saturating_sub(self.reserved - self.written);
                state.partial.insert(expected.digest, self.written);
                return;
            }
        }
        state.used = state.used.saturating_sub(self.reserved);
        remove(&self.path);
    }
}
