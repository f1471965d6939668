//! A private copy of a file in the address space.

#![expect(unsafe_code, reason = "the kernel is asked for memory, and to map a file")]

use super::{Keep, OpenError};
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use rustix::mm::{madvise, mmap, mmap_anonymous, mprotect, munmap};
use std::ffi::c_void;
use std::fs::File;
use std::io::{self, Read, Write};
use std::ops::{Deref, Range};
use std::path::Path;
use std::ptr::{NonNull, null_mut};

/// How much is read at a time, in bytes.
const BLOCK: usize = 256 << 10;

/// The smallest page of any system this runs on, in bytes.
const PAGE: usize = 4096;

/// Bytes that nobody can change or shorten: of no file, or of one that has no name and no open descriptor.
pub(super) struct Map {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: only memory that is never written to once there is a reference to it.
unsafe impl Send for Map {}

// SAFETY: as above.
unsafe impl Sync for Map {}

// === impl Map ===

impl Map {
    /// Copies the first `length` bytes of `source`, not 0, giving each block of them to `seen`.
    pub(super) fn copy(
        source: &mut File,
        length: usize,
        keep: &Keep,
        seen: impl FnMut(&[u8]),
    ) -> Result<Self, OpenError> {
        match keep {
            Keep::Memory => Self::in_memory(source, length, seen),
            Keep::Folder(folder) => Self::in_folder(source, length, folder, seen),
        }
    }

    fn in_memory(source: &mut File, length: usize, mut seen: impl FnMut(&[u8])) -> Result<Self, OpenError> {
        let flags = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new mapping, wherever the kernel finds room.
        let start = unsafe { mmap_anonymous(null_mut(), length, flags, MapFlags::PRIVATE) };
        let map = start.map_err(io::Error::from).and_then(|start| Self::of(start, length));
        let mut map = map.map_err(OpenError::Copy)?;
        // Lookups go anywhere, and with large pages most addresses are translated from memory: a tenth less
        // time for each. Where there are none, nothing else is lost.
        // SAFETY: this mapping, of which the advice changes nothing that can be seen.
        let _ = unsafe { madvise(map.address(), length, Advice::LinuxHugepage) };
        for block in map.bytes_mut().chunks_mut(BLOCK) {
            source.read_exact(block).map_err(OpenError::Read)?;
            seen(block);
        }
        // SAFETY: this mapping, which nobody writes to any more. A stray write would end the process here.
        unsafe { mprotect(map.address(), length, MprotectFlags::READ) }
            .map_err(|errno| OpenError::Copy(errno.into()))?;
        Ok(map)
    }

    fn in_folder(
        source: &mut File,
        length: usize,
        folder: &Path,
        mut seen: impl FnMut(&[u8]),
    ) -> Result<Self, OpenError> {
        let mut copy = tempfile::tempfile_in(folder).map_err(OpenError::Copy)?;
        let mut block = vec![0; BLOCK];
        let mut left = length;
        while left > 0 {
            let block = &mut block[..left.min(BLOCK)];
            source.read_exact(block).map_err(OpenError::Read)?;
            seen(block);
            copy.write_all(block).map_err(OpenError::Copy)?;
            left -= block.len();
        }
        // SAFETY: a new mapping, to be read only, wherever the kernel finds room. Nobody can write to the file
        // or shorten it: it has no name, and its only descriptor is closed here.
        let start = unsafe { mmap(null_mut(), length, ProtFlags::READ, MapFlags::SHARED, &copy, 0) };
        start.map_err(io::Error::from).and_then(|start| Self::of(start, length)).map_err(OpenError::Copy)
    }

    /// Takes a mapping over.
    fn of(start: *mut c_void, length: usize) -> io::Result<Self> {
        let start = NonNull::new(start.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { start, length })
    }

    /// Has the kernel map these bytes now rather than one page at a time as they are first read.
    pub(super) fn populate(&self, range: Range<usize>) {
        let start = range.start / PAGE * PAGE;
        let length = range.end.min(self.length).saturating_sub(start);
        if length > 0 {
            let start = self.start.as_ptr().wrapping_add(start).cast();
            // SAFETY: within the mapping, of which this changes nothing that can be seen. Systems that do not
            // know this advice, or whose pages are larger, say so, and nothing is lost but time.
            let _ = unsafe { madvise(start, length, Advice::LinuxPopulateRead) };
        }
    }

    /// What is in the mapping, while it is still to be written to.
    fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: mapped until `self` is dropped, `length` bytes of it, zero at first. Called before the mapping
        // becomes one to be read only, with the only reference to it.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }

    fn address(&self) -> *mut c_void {
        self.start.as_ptr().cast()
    }
}

impl Deref for Map {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: mapped until `self` is dropped, `length` bytes of it, and not changed meanwhile.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: this mapping, to which no reference is left.
        let _ = unsafe { munmap(self.address(), self.length) };
    }
}
