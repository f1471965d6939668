//! An object that arrives.

use bytes::{Bytes, BytesMut};
use icapstan_model::{Content, Object};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

/// Up to this size it stays in memory of this process; beyond, it goes to memory that workers can be given as
/// it is, in bytes.
const IN_MEMORY: u64 = 1 << 20;
/// Beyond this it goes to a file, in bytes.
const IN_MEMFD: u64 = 64 << 20;
/// What is written at once, in bytes.
const WRITE: usize = 256 << 10;

/// Takes the bytes of one object.
pub(super) struct Receiver {
    place: Place,
    /// Not yet come.
    left: u64,
    len: u64,
}

enum Place {
    /// All that came until now came at once.
    Whole(Bytes),
    Pieces(BytesMut),
    File {
        file: File,
        waiting: Vec<Bytes>,
        size: usize,
        is_memory: bool,
    },
}

/// Why an object cannot be taken.
#[derive(Debug)]
pub(super) enum Trouble {
    /// There are more bytes than were announced.
    TooMany,
    /// They cannot be written down.
    Io(io::Error),
}

// === impl Receiver ===

impl Receiver {
    /// For an object of `len` bytes.
    pub(super) fn new(len: u64, dir: &Path) -> io::Result<Self> {
        let place = if len <= IN_MEMORY {
            Place::Whole(Bytes::new())
        } else {
            let is_memory = len <= IN_MEMFD;
            let file = if is_memory {
                File::from(memfd_create("icapstan-object", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?)
            } else {
                tempfile::tempfile_in(dir)?
            };
            Place::File { file, waiting: Vec::new(), size: 0, is_memory }
        };
        Ok(Self { place, left: len, len })
    }

    /// Adds the next bytes. What has to be written is, in another thread, when there is enough of it.
    pub(super) async fn push(&mut self, bytes: Bytes) -> Result<(), Trouble> {
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or(Trouble::TooMany)?;
        match &mut self.place {
            Place::Whole(whole) if whole.is_empty() => *whole = bytes,
            Place::Whole(whole) => {
                let room = usize::try_from(self.len).unwrap_or(0);
                let mut pieces = BytesMut::with_capacity(room);
                pieces.extend_from_slice(whole);
                pieces.extend_from_slice(&bytes);
                self.place = Place::Pieces(pieces);
            }
            Place::Pieces(pieces) => pieces.extend_from_slice(&bytes),
            Place::File { waiting, size, .. } => {
                *size += bytes.len();
                waiting.push(bytes);
                if *size >= WRITE {
                    self.flush().await.map_err(Trouble::Io)?;
                }
            }
        }
        Ok(())
    }

    /// How many bytes have not come.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    /// The object.
    pub(super) async fn finish(mut self) -> io::Result<Object> {
        self.flush().await?;
        let content = match self.place {
            Place::Whole(bytes) => Content::Memory(bytes),
            Place::Pieces(pieces) => Content::Memory(pieces.freeze()),
            Place::File { file, is_memory, .. } => {
                if is_memory {
                    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
                    fcntl_add_seals(&file, seals)?;
                }
                Content::File(Arc::new(file))
            }
        };
        Ok(Object { content, len: self.len })
    }

    async fn flush(&mut self) -> io::Result<()> {
        let Place::File { file, waiting, size, .. } = &mut self.place else { return Ok(()) };
        if waiting.is_empty() {
            return Ok(());
        }
        *size = 0;
        let pieces = std::mem::take(waiting);
        let mut to = file.try_clone()?;
        tokio::task::spawn_blocking(move || pieces.iter().try_for_each(|piece| to.write_all(piece)))
            .await
            .map_err(io::Error::other)?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::FileExt;

    fn content(object: &Object) -> Vec<u8> {
        match &object.content {
            Content::Memory(bytes) => bytes.to_vec(),
            Content::File(file) => {
                let mut bytes = vec![0; usize::try_from(object.len).unwrap()];
                file.read_exact_at(&mut bytes, 0).unwrap();
                bytes
            }
        }
    }

    #[tokio::test]
    async fn an_object_is_kept_as_it_comes_wherever_it_goes() {
        for len in [0, 1, 100, 70_000, (1 << 20) + 1, 3 << 20] {
            for piece in [len.max(1), 16 << 10, 1000] {
                let bytes: Vec<u8> = (0..len).map(|at| u8::try_from(at % 251).unwrap()).collect();
                let mut receiver = Receiver::new(len as u64, Path::new("/tmp")).unwrap();
                for piece in bytes.chunks(piece) {
                    receiver.push(Bytes::copy_from_slice(piece)).await.unwrap();
                }
                assert_eq!(receiver.left(), 0);
                let object = receiver.finish().await.unwrap();
                assert_eq!(object.len, len as u64);
                assert!(content(&object) == bytes, "{len} bytes in pieces of {piece}");
            }
        }
    }

    #[tokio::test]
    async fn more_bytes_than_announced_are_refused() {
        let mut receiver = Receiver::new(10, Path::new("/tmp")).unwrap();
        receiver.push(Bytes::from_static(b"123456789")).await.unwrap();
        assert!(matches!(receiver.push(Bytes::from_static(b"xy")).await, Err(Trouble::TooMany)));
    }

    #[tokio::test]
    async fn what_went_to_memory_for_workers_can_be_changed_by_nobody() {
        let mut receiver = Receiver::new(2 << 20, Path::new("/tmp")).unwrap();
        receiver.push(vec![1; 2 << 20].into()).await.unwrap();
        let object = receiver.finish().await.unwrap();
        let Content::File(file) = &object.content else { panic!("it is large") };
        assert!(file.write_at(b"x", 0).is_err() && file.set_len(1).is_err());
    }
}
