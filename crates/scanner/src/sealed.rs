//! The bytes that a worker gets: always such that it cannot alter what others read.

use bytes::Bytes;
use icapstan_model::Content;
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use std::fs::File;
use std::io::{self, Write};
use std::ops::ControlFlow;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Larger files are not copied into memory but opened again, for reading only.
const MAX_COPY: u64 = 64 << 20;

const CHUNK: usize = 256 << 10;

/// What can be handed to a worker.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// In memory.
    Memory(Bytes),
    /// In a file from offset 0, this many bytes.
    File(Arc<File>, u64),
}

/// A sealed memfd with `prefix` and `bytes`.
pub(crate) fn memory(prefix: &[u8], bytes: &[u8]) -> io::Result<OwnedFd> {
    let mut file = create()?;
    file.write_all(prefix)?;
    file.write_all(bytes)?;
    seal(file)
}

/// An unlinked file in memory that can grow: what decoders write to.
pub(crate) fn create() -> io::Result<File> {
    Ok(File::from(memfd_create("icapstan-object", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?))
}

// === impl Source ===

impl Source {
    pub(crate) fn new(content: &Content, len: u64) -> Self {
        match content {
            Content::Memory(bytes) => Self::Memory(bytes.clone()),
            Content::File(file) => Self::File(file.clone(), len),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File(_, len) => *len,
        }
    }

    /// The first bytes, at most `max`.
    pub(crate) fn head(&self, max: usize) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes.slice(..bytes.len().min(max))),
            Self::File(file, len) => {
                let mut head = vec![0; max.min(usize::try_from(*len).unwrap_or(max))];
                file.read_exact_at(&mut head, 0)?;
                Ok(head.into())
            }
        }
    }

    /// All bytes in memory. Blocks while it reads a file.
    pub(crate) fn read(&self) -> io::Result<Bytes> {
        match self {
            Self::Memory(bytes) => Ok(bytes.clone()),
            Self::File(file, len) => {
                let len = usize::try_from(*len).map_err(|_| io::ErrorKind::OutOfMemory)?;
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, 0)?;
                Ok(bytes.into())
            }
        }
    }

    /// Calls `each` with all bytes, piece by piece, until it breaks. Blocks while it reads a file.
    pub(crate) fn each(&self, mut each: impl FnMut(&[u8]) -> ControlFlow<()>) -> io::Result<()> {
        let (file, len) = match self {
            Self::Memory(bytes) => {
                let _ = bytes.chunks(CHUNK).try_for_each(each);
                return Ok(());
            }
            Self::File(file, len) => (file, *len),
        };
        let mut buffer = vec![0; CHUNK.min(usize::try_from(len).unwrap_or(CHUNK))];
        let mut at = 0;
        while at < len {
            let count = buffer.len().min(usize::try_from(len - at).unwrap_or(CHUNK));
            file.read_exact_at(&mut buffer[..count], at)?;
            if each(&buffer[..count]).is_break() {
                break;
            }
            at += count as u64;
        }
        Ok(())
    }

    /// Whether both are the same bytes at the same place.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Memory(one), Self::Memory(two)) => one.as_ptr() == two.as_ptr() && one.len() == two.len(),
            (Self::File(one, len), Self::File(two, other)) => Arc::ptr_eq(one, two) && len == other,
            _ => false,
        }
    }

    /// A descriptor for a worker, with `prefix` in front of the bytes. Blocks while it copies a file.
    ///
    /// A worker runs under our own user. Where the kernel has Landlock it can open nothing again for
    /// writing; elsewhere it could do so with a plain file. Therefore all but the largest files are
    /// copied into memory that is sealed against that.
    pub(crate) fn for_worker(&self, prefix: &[u8]) -> io::Result<OwnedFd> {
        match self {
            Self::Memory(bytes) => memory(prefix, bytes),
            Self::File(file, len) if prefix.is_empty() && file.metadata()?.len() == *len => {
                let is_sealed = fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SealFlags::WRITE));
                if is_sealed || *len > MAX_COPY { reopen(&**file) } else { copy(prefix, file, *len) }
            }
            Self::File(file, len) => copy(prefix, file, *len),
        }
    }
}

/// A description of its own, so that offsets are not shared, that cannot write.
pub(crate) fn reopen(file: &impl AsRawFd) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

fn copy(prefix: &[u8], from: &File, len: u64) -> io::Result<OwnedFd> {
    let mut file = create()?;
    file.write_all(prefix)?;
    let mut buffer = vec![0; CHUNK.min(usize::try_from(len).unwrap_or(CHUNK))];
    let mut at = 0;
    while at < len {
        let count = buffer.len().min(usize::try_from(len - at).unwrap_or(CHUNK));
        from.read_exact_at(&mut buffer[..count], at)?;
        file.write_all(&buffer[..count])?;
        at += count as u64;
    }
    seal(file)
}

/// Nobody can change the file from now on.
pub(crate) fn seal(file: File) -> io::Result<OwnedFd> {
    fcntl_add_seals(&file, SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL)?;
    Ok(file.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::sync::Arc;

    fn content(fd: OwnedFd) -> Vec<u8> {
        let file = File::from(fd);
        let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        bytes
    }

    fn writable_again(fd: &OwnedFd) -> bool {
        let path = format!("/proc/self/fd/{}", fd.as_raw_fd());
        File::options().write(true).open(path).and_then(|mut file| file.write_all(b"!")).is_ok()
    }

    #[test]
    fn what_a_worker_gets_cannot_be_altered_even_when_opened_again() {
        let fd = memory(b"", b"content").unwrap();
        assert!(!writable_again(&fd));
        assert_eq!(content(fd), b"content");

        let mut spool = tempfile::tempfile().unwrap();
        spool.write_all(b"a spool file, longer than its object").unwrap();
        let source = Source::File(Arc::new(spool), 12);
        let fd = source.for_worker(b"").unwrap();
        assert!(!writable_again(&fd));
        assert_eq!(content(fd), b"a spool file");
        assert_eq!(content(source.for_worker(b"\n").unwrap()), b"\na spool file");
        assert_eq!(source.head(5).unwrap().as_ref(), b"a spo");
        assert_eq!(source.read().unwrap().as_ref(), b"a spool file");
    }

    #[test]
    fn a_sealed_memfd_goes_on_without_a_copy_and_with_an_offset_of_its_own() {
        let sealed = Arc::new(File::from(memory(b"", b"sealed").unwrap()));
        let source = Source::File(sealed.clone(), 6);
        let fd = source.for_worker(b"").unwrap();
        let inode = |fd: &dyn AsFd| rustix::fs::fstat(fd.as_fd()).unwrap().st_ino;
        assert_eq!(inode(&fd), inode(&*sealed));
        assert!(!writable_again(&fd));
    }

    #[test]
    fn a_file_shorter_than_its_object_is_an_error_and_never_a_shorter_object() {
        let file = Arc::new(tempfile::tempfile().unwrap());
        let source = Source::File(file, 10);
        assert!(source.for_worker(b"").is_err());
        assert!(source.head(4).is_err());
        assert!(source.read().is_err());
    }
}
