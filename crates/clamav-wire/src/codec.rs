//! Fixed-order fields into bytes and back. Every read is checked.

use std::fmt;

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireError {
    /// It does not begin with the magic word.
    Magic,
    /// It ends too early or too late.
    Length,
    /// A kind or a flag that does not exist.
    Unknown,
}

/// Appends fields to a record.
pub(crate) struct Writer(Vec<u8>);

/// Takes fields from a record.
pub(crate) struct Reader<'a>(&'a [u8]);

// === impl WireError ===

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Magic => "the record does not begin with the magic word",
            Self::Length => "the record has the wrong length",
            Self::Unknown => "the record holds an unknown value",
        })
    }
}

impl std::error::Error for WireError {}

// === impl Writer ===

impl Writer {
    pub(crate) fn new(kind: u8) -> Self {
        let mut writer = Self(Vec::with_capacity(256));
        writer.u32(crate::MAGIC);
        writer.0.push(kind);
        writer
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    /// At most `max` bytes of `bytes`.
    pub(crate) fn bytes(&mut self, bytes: &[u8], max: usize) {
        let kept = &bytes[..bytes.len().min(max).min(usize::from(u16::MAX))];
        self.0.extend_from_slice(&u16::try_from(kept.len()).unwrap_or(u16::MAX).to_le_bytes());
        self.0.extend_from_slice(kept);
    }

    /// All of `bytes`, whose number both ends know.
    pub(crate) fn array(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        debug_assert!(self.0.len() <= crate::MAX_RECORD);
        self.0
    }
}

// === impl Reader ===

impl<'a> Reader<'a> {
    /// The reader behind the magic word, and the kind.
    pub(crate) fn new(record: &'a [u8]) -> Result<(u8, Self), WireError> {
        let mut reader = Self(record);
        if reader.u32()? != crate::MAGIC {
            return Err(WireError::Magic);
        }
        let kind = reader.take(1)?[0];
        Ok((kind, reader))
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(WireError::Length)?;
        self.0 = rest;
        Ok(taken)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, WireError> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes(bytes.try_into().map_err(|_| WireError::Length)?))
    }

    pub(crate) fn u64(&mut self) -> Result<u64, WireError> {
        let bytes = self.take(8)?;
        Ok(u64::from_le_bytes(bytes.try_into().map_err(|_| WireError::Length)?))
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], WireError> {
        let len = self.take(2)?;
        self.take(usize::from(u16::from_le_bytes([len[0], len[1]])))
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        self.take(N)?.try_into().map_err(|_| WireError::Length)
    }

    pub(crate) fn finish(self) -> Result<(), WireError> {
        if self.0.is_empty() { Ok(()) } else { Err(WireError::Length) }
    }
}
