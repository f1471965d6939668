//! Bodies too large for memory, in a file that has no name.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use tokio::task::spawn_blocking;

/// Bytes handed to the file system at once: enough that handing them to another thread costs
/// nothing beside writing them.
pub(crate) const BLOCK: usize = 256 * 1024;

/// A file that vanishes with its last descriptor, also after a crash.
#[derive(Debug)]
pub(crate) struct Spool {
    file: Arc<File>,
    written: u64,
    /// What has not been written yet: a block at most, unless it cannot be written.
    pending: Vec<u8>,
}

// === impl Spool ===

impl Spool {
    /// An empty spool in the folder `dir`.
    pub(crate) async fn create(dir: &Path) -> io::Result<Self> {
        let dir = dir.to_owned();
        let file = blocking(move || tempfile::tempfile_in(dir)).await?;
        Ok(Self { file: Arc::new(file), written: 0, pending: Vec::new() })
    }

    /// Begins with `bytes`, which are not copied. They are kept, whatever is returned.
    pub(crate) async fn adopt(&mut self, bytes: Vec<u8>) -> io::Result<()> {
        debug_assert_eq!(self.len(), 0);
        self.pending = bytes;
        self.flush().await
    }

    pub(crate) fn len(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// Takes `data`, or nothing of it.
    pub(crate) async fn push(&mut self, data: &[u8]) -> io::Result<()> {
        if self.pending.len() + data.len() > BLOCK {
            self.flush().await?;
        }
        self.pending.extend_from_slice(data);
        Ok(())
    }

    /// Writes what is pending, and gives its block back: what reads the file needs one of its own.
    pub(crate) async fn settle(&mut self) -> io::Result<()> {
        self.flush().await?;
        self.pending = Vec::new();
        Ok(())
    }

    /// The file, with all that was settled.
    pub(crate) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Reads up to `most` of the bytes in the file from `offset` on into `block`; none: there it ends.
    pub(crate) async fn read(&self, offset: u64, most: usize, mut block: Vec<u8>) -> io::Result<Vec<u8>> {
        let left = self.written.saturating_sub(offset);
        block.resize(usize::try_from(left).unwrap_or(most).min(most), 0);
        if block.is_empty() {
            return Ok(block);
        }
        let file = Arc::clone(&self.file);
        blocking(move || file.read_exact_at(&mut block, offset).map(|()| block)).await
    }

    /// What is not in the file, from `offset` of the body on.
    pub(crate) fn pending(&self, offset: u64) -> &[u8] {
        let at = usize::try_from(offset.saturating_sub(self.written)).unwrap_or(usize::MAX);
        self.pending.get(at..).unwrap_or_default()
    }

    async fn flush(&mut self) -> io::Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let (file, offset) = (Arc::clone(&self.file), self.written);
        let pending = std::mem::take(&mut self.pending);
        let (result, mut pending) =
            blocking(move || Ok((file.write_all_at(&pending, offset), pending))).await?;
        if let Err(error) = result {
            // The bytes stay: what was received may still have to be passed on.
            self.pending = pending;
            return Err(error);
        }
        self.written += pending.len() as u64;
        pending.clear();
        pending.shrink_to(BLOCK);
        self.pending = pending;
        Ok(())
    }
}

/// Runs `work` where it may block.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_goes_in_comes_out_whether_written_or_pending() {
        let dir = tempfile::tempdir().unwrap();
        let bytes: Vec<u8> = (0..=255u8).cycle().take(3 * BLOCK + 77).collect();
        let mut spool = Spool::create(dir.path()).await.unwrap();
        spool.adopt(bytes[..1000].to_vec()).await.unwrap();
        for part in bytes[1000..].chunks(10_007) {
            spool.push(part).await.unwrap();
        }
        assert_eq!(spool.len(), bytes.len() as u64);
        for flushed in [false, true] {
            if flushed {
                spool.settle().await.unwrap();
                assert_eq!(spool.pending.capacity(), 0);
            }
            let (mut back, mut block) = (Vec::new(), Vec::new());
            loop {
                block = spool.read(back.len() as u64, BLOCK, block).await.unwrap();
                if block.is_empty() {
                    break;
                }
                back.extend_from_slice(&block);
            }
            back.extend_from_slice(spool.pending(back.len() as u64));
            assert!(back == bytes, "flushed: {flushed}");
        }
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "the file has no name");
    }

    #[tokio::test]
    async fn a_disk_that_fills_up_takes_a_piece_wholly_or_not_at_all() {
        let full = File::options().read(true).write(true).open("/dev/full").unwrap();
        let mut spool = Spool { file: Arc::new(full), written: 0, pending: vec![7; BLOCK - 10] };
        spool.push(&[8; 9]).await.unwrap();
        assert!(spool.push(&[9; 100]).await.is_err());
        assert!(spool.settle().await.is_err());
        assert_eq!(spool.len(), BLOCK as u64 - 1);
        assert!(spool.read(0, BLOCK, Vec::new()).await.unwrap().is_empty());
        let kept = spool.pending(0);
        assert!(kept.ends_with(&[7, 8, 8, 8, 8, 8, 8, 8, 8, 8]));
    }

    #[tokio::test]
    async fn a_folder_that_is_gone_is_an_error() {
        let dir = tempfile::tempdir().unwrap().path().join("gone");
        assert!(Spool::create(&dir).await.is_err());
    }
}
