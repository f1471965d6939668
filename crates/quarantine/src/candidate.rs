//! What is offered.

use crate::record::Metadata;
use icapstan_model::{Content, Object};
use std::any::Any;
use std::fmt;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// An object that may be kept, and what is known of it.
pub struct Candidate {
    /// The bytes.
    pub object: Object,
    /// What is known. Its id, its time and what follows from the bytes are added.
    pub metadata: Metadata,
    /// Dropped when the object is: whatever its bytes take up.
    pub hold: Option<Box<dyn Any + Send>>,
}

/// Reads an object, by position: whoever else has it is not disturbed.
#[derive(Clone, Debug)]
pub(crate) struct ObjectReader {
    object: Object,
    at: u64,
}

// === impl Candidate ===

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Candidate").field("object", &self.object).finish_non_exhaustive()
    }
}

// === impl ObjectReader ===

impl ObjectReader {
    pub(crate) fn new(object: &Object) -> Self {
        Self { object: object.clone(), at: 0 }
    }
}

impl Read for ObjectReader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.object.len.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        let count = match &self.object.content {
            Content::Memory(bytes) => {
                let at = usize::try_from(self.at).unwrap_or(usize::MAX).min(bytes.len());
                (&bytes[at..]).read(&mut buffer[..wanted])?
            }
            Content::File(file) => file.read_at(&mut buffer[..wanted], self.at)?,
        };
        if count == 0 && wanted > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the object is shorter than it was"));
        }
        self.at += count as u64;
        Ok(count)
    }
}
