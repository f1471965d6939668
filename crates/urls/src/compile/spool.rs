//! Bytes that are written now and read once, later.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Seek, Write};
use std::path::Path;

/// Byte strings, in a file without a name.
#[derive(Debug)]
pub(super) struct Spool {
    file: BufWriter<File>,
    count: u64,
}

// === impl Spool ===

impl Spool {
    pub(super) fn new(folder: &Path) -> io::Result<Self> {
        Ok(Self { file: BufWriter::new(tempfile::tempfile_in(folder)?), count: 0 })
    }

    /// How many strings there are.
    pub(super) const fn len(&self) -> u64 {
        self.count
    }

    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let len = u32::try_from(bytes.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.file.write_all(&len.to_le_bytes())?;
        self.file.write_all(bytes)?;
        self.count += 1;
        Ok(())
    }

    /// Calls `each` with each string, in the order in which they came.
    pub(super) fn each(self, mut each: impl FnMut(&[u8])) -> io::Result<()> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        let mut file = BufReader::new(file);
        let mut bytes = Vec::new();
        for _ in 0..self.count {
            let mut len = [0; 4];
            file.read_exact(&mut len)?;
            bytes.resize(u32::from_le_bytes(len) as usize, 0);
            file.read_exact(&mut bytes)?;
            each(&bytes);
        }
        Ok(())
    }
}
