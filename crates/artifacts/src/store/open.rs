//! What a folder has when a process comes to it.

use super::{CHUNK, State, StoreError, remove};
use icapstan_api::fleet::ContentDigest;
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest as _, Sha256};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use tracing::warn;

/// Files that are whole.
pub(super) const WHOLE: &str = "sha256";
/// Files that are not.
pub(super) const PARTIAL: &str = "partial";
/// Who may write.
const LOCK: &str = "lock";

pub(super) fn open(folder: &Path) -> Result<(File, State), StoreError> {
    for path in [folder.to_owned(), folder.join(WHOLE), folder.join(PARTIAL)] {
        let made = DirBuilder::new().recursive(true).mode(0o755).create(&path);
        made.map_err(StoreError::file("make", path))?;
    }
    let path = folder.join(LOCK);
    let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
    let lock = lock.map_err(StoreError::file("open", &path))?;
    flock(&lock, FlockOperation::NonBlockingLockExclusive).map_err(|error| match error {
        rustix::io::Errno::WOULDBLOCK => StoreError::Taken(folder.to_owned()),
        error => StoreError::file("lock", &path)(error.into()),
    })?;
    let mut state = State::default();
    each(&folder.join(WHOLE), |path, digest, len| match digest.map(|digest| (digest, hash(path))) {
        Some((digest, Ok(found))) if found == digest => {
            state.held.insert(digest, len);
            state.used += len;
        }
        Some((digest, Ok(_))) => {
            warn!(%digest, "a file of the artifact store is not what its name says; it is removed");
            remove(path);
        }
        Some((digest, Err(error))) => {
            warn!(%digest, %error, "a file of the artifact store cannot be read; it is removed");
            remove(path);
        }
        None => warn!(path = %path.display(), "this does not belong into an artifact store"),
    })?;
    each(&folder.join(PARTIAL), |path, digest, len| match digest {
        Some(digest) if !state.held.contains_key(&digest) => {
            state.partial.insert(digest, len);
            state.used += len;
        }
        _ => remove(path),
    })?;
    Ok((lock, state))
}

/// Tells of each file in a folder: where it is, what its name says, how long it is. What is no file is passed over.
fn each(folder: &Path, mut tell: impl FnMut(&Path, Option<ContentDigest>, u64)) -> Result<(), StoreError> {
    let fault = || StoreError::file("read", folder);
    for entry in fs::read_dir(folder).map_err(fault())? {
        let entry = entry.map_err(fault())?;
        let metadata = entry.metadata().map_err(fault())?;
        if metadata.is_file() {
            let digest = entry.file_name().to_str().and_then(|hex| format!("sha256:{hex}").parse().ok());
            tell(&entry.path(), digest, metadata.len());
        }
    }
    Ok(())
}

fn hash(path: &Path) -> io::Result<ContentDigest> {
    let mut hasher = Sha256::new();
    hash_into(&mut hasher, &mut File::open(path)?)?;
    Ok(ContentDigest(hasher.finalize().into()))
}

/// Reads a file to its end; how many bytes that were.
pub(super) fn hash_into(hasher: &mut Sha256, file: &mut File) -> io::Result<u64> {
    let (mut buffer, mut total) = (vec![0; CHUNK], 0);
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(total),
            Ok(count) => {
                hasher.update(&buffer[..count]);
                total += count as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
