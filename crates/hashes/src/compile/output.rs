//! The file while it is written.

use crate::file::{ALIGNMENT, CONTENT, HASHED_FROM, HEADER, Header, Identity, PARTS, Part};
use std::fs::{File, Permissions};
use std::io::{self, BufWriter, Seek, SeekFrom, Write};
use std::ops::Range;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use tempfile::NamedTempFile;

/// A file in the making, in the folder where it will be.
pub(super) struct Output {
    file: BufWriter<NamedTempFile>,
    /// How much has been written.
    at: usize,
    parts: [Range<usize>; PARTS],
}

// === impl Output ===

impl Output {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        // For others to read; the process's umask may take that back.
        let file = tempfile::Builder::new()
            .prefix(".icapstan-hashes-")
            .permissions(Permissions::from_mode(0o644))
            .tempfile_in(folder)?;
        let mut file = BufWriter::with_capacity(256 << 10, file);
        file.write_all(&[0; HEADER])?;
        Ok(Self { file, at: HEADER, parts: [const { 0..0 }; PARTS] })
    }

    /// Begins a part: the next after the one before, in the order of [`Part`].
    pub(super) fn start(&mut self, part: Part) -> io::Result<()> {
        let padding = self.at.next_multiple_of(ALIGNMENT) - self.at;
        self.write(&[0; ALIGNMENT][..padding])?;
        self.parts[part as usize].start = self.at;
        Ok(())
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        self.at += bytes.len();
        Ok(())
    }

    pub(super) fn end(&mut self, part: Part) {
        self.parts[part as usize].end = self.at;
    }

    /// Writes a whole part.
    pub(super) fn part(&mut self, part: Part, bytes: impl IntoIterator<Item: AsRef<[u8]>>) -> io::Result<()> {
        self.start(part)?;
        for bytes in bytes {
            self.write(bytes.as_ref())?;
        }
        self.end(part);
        Ok(())
    }

    /// Where the parts are, and the length of the file.
    pub(super) fn parts(&self) -> ([Range<usize>; PARTS], u64) {
        (self.parts.clone(), self.at as u64)
    }

    /// Completes the file and gives it its name: after a crash there is the old one or all of the new one.
    pub(super) fn finish(self, header: &Header, target: &Path) -> io::Result<Identity> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.as_file().write_all_at(&header.encode(), 0)?;
        file.seek(SeekFrom::Start(HASHED_FROM as u64))?;
        let mut hasher = blake3::Hasher::new();
        hasher.update_reader(file.as_file())?;
        let content = *hasher.finalize().as_bytes();
        file.as_file().write_all_at(&content, CONTENT.start as u64)?;
        file.as_file().sync_all()?;
        file.persist(target).map_err(|error| error.error)?;
        File::open(super::folder_of(target))?.sync_all()?;
        Ok(Identity(content))
    }
}
