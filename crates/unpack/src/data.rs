//! Where bytes come from and where they go.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// The bytes to decode.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// In memory.
    Memory(&'a [u8]),
    /// The first `len` bytes of a file, read by position: its offset is neither used nor moved.
    File {
        /// The file.
        file: &'a File,
        /// How many of its bytes count.
        len: u64,
    },
}

/// The decoded bytes.
#[derive(Debug)]
pub enum Output {
    /// The input itself: no coding was undone.
    Same,
    /// In memory.
    Memory(Vec<u8>),
    /// In the file that [`Spill::create`] gave, from position 0. Its offset is not moved.
    File {
        /// The file.
        file: File,
        /// How many bytes were written.
        len: u64,
    },
}

/// Where output goes that is too large for memory.
pub struct Spill<'a> {
    /// Up to this many bytes stay in memory.
    pub threshold: usize,
    /// Makes an empty file that is already unlinked (or a memfd), called once at most.
    pub create: &'a mut dyn FnMut() -> io::Result<File>,
}

/// Takes output, in memory first.
pub(crate) struct Sink<'s, 'a> {
    spill: &'s mut Spill<'a>,
    memory: Vec<u8>,
    file: Option<File>,
    len: u64,
}

// === impl Output ===

impl Output {
    /// How many bytes there are, for an input of `input_len` bytes.
    pub fn len(&self, input_len: u64) -> u64 {
        match self {
            Self::Same => input_len,
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { len, .. } => *len,
        }
    }
}

// === impl Sink ===

impl<'s, 'a> Sink<'s, 'a> {
    pub(crate) fn new(spill: &'s mut Spill<'a>) -> Self {
        Self { spill, memory: Vec::new(), file: None, len: 0 }
    }

    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.file.is_none() && self.memory.len() + bytes.len() > self.spill.threshold {
            let file = (self.spill.create)()?;
            file.write_all_at(&self.memory, 0)?;
            self.memory = Vec::new();
            self.file = Some(file);
        }
        match &self.file {
            Some(file) => file.write_all_at(bytes, self.len)?,
            None => self.memory.extend_from_slice(bytes),
        }
        self.len += bytes.len() as u64;
        Ok(())
    }

    pub(crate) fn finish(self) -> Output {
        match self.file {
            Some(file) => Output::File { file, len: self.len },
            None => Output::Memory(self.memory),
        }
    }
}
