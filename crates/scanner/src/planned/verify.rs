//! Whether files are what they should be.

use icapstan_api::fleet::ContentDigest;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _};
use std::sync::atomic::{AtomicBool, Ordering};

use super::{LoadFailure, StagedFile, StagedRevision};

/// How much is read at once.
const CHUNK: usize = 256 << 10;

/// Reads all files of a revision, those of its self-test too.
pub(super) fn verify(revision: &StagedRevision, stop: &AtomicBool) -> Result<(), (LoadFailure, String)> {
    revision.files().chain(revision.samples()).try_for_each(|file| match digest(file, stop) {
        Ok(found) if found == file.digest => Ok(()),
        Ok(found) => Err((LoadFailure::Digest, format!("{} is {found} and not {}", name(file), file.digest))),
        Err(error) => Err((LoadFailure::Disk, format!("{} cannot be read: {error}", name(file)))),
    })
}

fn digest(file: &StagedFile, stop: &AtomicBool) -> io::Result<ContentDigest> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; CHUNK];
    // No more than it should have: what is longer differs already.
    let mut reader = File::open(&file.path)?.take(file.size.saturating_add(1));
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok(ContentDigest(hasher.finalize().into()));
        }
        if stop.load(Ordering::Relaxed) {
            return Err(io::Error::from(io::ErrorKind::Interrupted));
        }
        hasher.update(&buffer[..count]);
    }
}

fn name(file: &StagedFile) -> String {
    file.path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::planned::StagedFolder;
    use icapstan_model::GenerationId;
    use std::fs;

    #[test]
    fn a_changed_file_a_longer_one_and_a_missing_one_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ndb");
        let file = StagedFile { path: path.clone(), digest: ContentDigest::of(b"good"), size: 4 };
        let databases = Some(StagedFolder { path: folder.path().to_owned(), files: vec![file] });
        let revision = StagedRevision {
            id: GenerationId([1; 32]),
            test_only: false,
            databases,
            rules: None,
            must_detect: Vec::new(),
            must_pass: Vec::new(),
        };
        let result = |content: &str| {
            fs::write(&path, content).unwrap();
            verify(&revision, &AtomicBool::new(false)).map_err(|(failure, _)| failure)
        };
        assert_eq!(result("good"), Ok(()));
        assert_eq!(result("bad!"), Err(LoadFailure::Digest));
        assert_eq!(result("good and more"), Err(LoadFailure::Digest));
        fs::remove_file(&path).unwrap();
        let (failure, text) = verify(&revision, &AtomicBool::new(false)).unwrap_err();
        assert_eq!(failure, LoadFailure::Disk);
        assert!(text.starts_with("a.ndb cannot be read"), "{text}");
    }
}
