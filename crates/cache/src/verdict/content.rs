//! The digest of an object's bytes.

use blake3::{Hash, Hasher};
use icapstan_model::{Content, Object};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::spawn_blocking;

/// Up to this size, bytes in memory are hashed where the caller runs: that takes a tenth of a millisecond.
const INLINE: usize = 256 << 10;
/// Bytes that are read from a file at once.
const BLOCK: usize = 256 << 10;

/// Tells work in another thread that nobody waits for it any more.
#[derive(Default)]
struct Cancel(Arc<AtomicBool>);

/// Hashes all of `object`, and nothing else.
pub(super) async fn digest(mut hasher: Hasher, object: &Object) -> io::Result<Hash> {
    match &object.content {
        Content::Memory(bytes) if bytes.len() as u64 != object.len => Err(other_length()),
        Content::Memory(bytes) if bytes.len() <= INLINE => Ok(hasher.update(bytes).finalize()),
        Content::Memory(bytes) => {
            let bytes = bytes.clone();
            spawn_blocking(move || hasher.update(&bytes).finalize()).await.map_err(io::Error::other)
        }
        Content::File(file) => {
            let cancel = Cancel::default();
            let (file, len, cancelled) = (Arc::clone(file), object.len, Arc::clone(&cancel.0));
            spawn_blocking(move || of_file(hasher, &file, len, &cancelled)).await.map_err(io::Error::other)?
        }
    }
}

fn of_file(mut hasher: Hasher, file: &File, len: u64, cancelled: &AtomicBool) -> io::Result<Hash> {
    let mut block = vec![0; BLOCK];
    let mut done = 0;
    while done < len {
        if cancelled.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        let now = usize::try_from(len - done).unwrap_or(BLOCK).min(BLOCK);
        file.read_exact_at(&mut block[..now], done)?;
        hasher.update(&block[..now]);
        done += now as u64;
    }
    Ok(hasher.finalize())
}

fn other_length() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "an object is not as long as it says")
}

// === impl Cancel ===

impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn hasher() -> Hasher {
        Hasher::new_keyed(&[7; 32])
    }

    #[tokio::test]
    async fn bytes_have_one_digest_wherever_they_are_kept() {
        for len in [0, 1, 1000, INLINE, INLINE + 1, BLOCK * 3 + 77] {
            let bytes: Vec<u8> = (0..=250_u8).cycle().take(len).collect();
            let expected = hasher().update(&bytes).finalize();
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&bytes).unwrap();
            let len = len as u64;
            for content in [Content::Memory(bytes.into()), Content::File(file.into())] {
                assert_eq!(digest(hasher(), &Object { content, len }).await.unwrap(), expected, "{len}");
            }
        }
    }

    #[tokio::test]
    async fn objects_that_are_not_as_long_as_they_say_have_none() {
        let file: Arc<File> = tempfile::tempfile().unwrap().into();
        for content in [Content::Memory("abc".into()), Content::File(file)] {
            assert!(digest(hasher(), &Object { content, len: 4 }).await.is_err());
        }
    }

    #[test]
    fn a_file_that_nobody_waits_for_is_not_read() {
        let file = tempfile::tempfile().unwrap();
        let error = of_file(hasher(), &file, 10, &AtomicBool::new(true)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Interrupted);
    }
}
