//! Where things are in a list file.
//!
//! All numbers are little-endian but those of the tables, which are sorted by their bytes: big-endian.
//!
//! ```text
//!    0   8  magic
//!    8   4  version
//!   12   4  zero
//!   16  32  BLAKE3 of all from 128 on: the identity of the file
//!   48  80  left for a signature over bytes 0 to 48; neither read nor hashed, so that a file can be signed later
//!  128   8  length of the file
//!  136  12  bits of a digest that choose its bucket, 4 bytes for each table
//!  148  12  zero
//!  160 144  offset and length of each part, in the order of `Part`
//!  304  16  zero
//!  320      the parts, each from a multiple of 64 on, zeros between them
//! ```

use super::OpenError;
use crate::digest::Algorithm;
use std::ops::Range;

/// The first bytes of a file.
pub(crate) const MAGIC: [u8; 8] = *b"icaphash";

/// The only version that there is.
pub(crate) const VERSION: u32 = 1;

/// Length of what stands before the parts.
pub(crate) const HEADER: usize = 320;

/// From here on bytes are hashed.
pub(crate) const HASHED_FROM: usize = 128;

/// Parts begin at a multiple of this: a cache line.
pub(crate) const ALIGNMENT: usize = 64;

/// Enough for 100 million entries with their names; beyond it a file is refused before it is read.
pub(crate) const MAX_LENGTH: u64 = 8 << 30;

/// More bits would make more buckets than a file of the greatest length has records.
pub(crate) const MAX_INDEX_BITS: u32 = 24;

/// Where the BLAKE3 value stands.
pub(crate) const CONTENT: Range<usize> = 16..48;

const PLACES: usize = 160;

/// A part of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Entries by MD5, sorted.
    Md5,
    /// Entries by SHA-1, sorted.
    Sha1,
    /// Entries by SHA-256, sorted.
    Sha256,
    /// Where in the table each bucket begins.
    Md5Index,
    /// The same for SHA-1.
    Sha1Index,
    /// The same for SHA-256.
    Sha256Index,
    /// The filter over all digests.
    Filter,
    /// What entries are called, and whose they are.
    Names,
    /// The lists themselves.
    Lists,
}

/// How many parts there are.
pub(crate) const PARTS: usize = 9;

/// What stands before the parts, checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) content: [u8; 32],
    pub(crate) index_bits: [u32; Algorithm::ALL.len()],
    /// In bytes of the file; one after the other, the last of which ends with the file.
    pub(crate) parts: [Range<usize>; PARTS],
}

// === impl Part ===

impl Part {
    /// The table of digests of this algorithm, and its index.
    pub(crate) const fn of(algorithm: Algorithm) -> (Self, Self) {
        match algorithm {
            Algorithm::Md5 => (Self::Md5, Self::Md5Index),
            Algorithm::Sha1 => (Self::Sha1, Self::Sha1Index),
            Algorithm::Sha256 => (Self::Sha256, Self::Sha256Index),
        }
    }
}

// === impl Header ===

impl Header {
    pub(crate) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[CONTENT].copy_from_slice(&self.content);
        let length = self.parts.last().map_or(HEADER, |part| part.end);
        put(&mut bytes, 128, length as u64);
        for (nth, bits) in self.index_bits.iter().enumerate() {
            bytes[136 + nth * 4..140 + nth * 4].copy_from_slice(&bits.to_le_bytes());
        }
        for (nth, part) in self.parts.iter().enumerate() {
            put(&mut bytes, PLACES + nth * 16, part.start as u64);
            put(&mut bytes, PLACES + 8 + nth * 16, part.len() as u64);
        }
        bytes
    }

    /// Reads what stands before the parts of a file of `length` bytes. It is refused unless each part
    /// lies where [`Self::encode`] would say, so that no two overlap and none reaches beyond the file.
    pub(crate) fn decode(bytes: &[u8; HEADER], length: u64) -> Result<Self, OpenError> {
        if bytes[..8] != MAGIC {
            return Err(OpenError::NotAList);
        }
        let version = u32::from_le_bytes(array(bytes, 8));
        if version != VERSION {
            return Err(OpenError::Version(version));
        }
        let said = u64::from_le_bytes(array(bytes, 128));
        if said != length {
            return Err(OpenError::Length { said, found: length });
        }
        let zeros = [12..16, 148..PLACES, PLACES + 16 * PARTS..HEADER];
        if zeros.into_iter().any(|range| bytes[range].iter().any(|byte| *byte != 0)) {
            return Err(OpenError::Malformed("unknown fields in the header"));
        }
        let index_bits = [136, 140, 144].map(|at| u32::from_le_bytes(array(bytes, at)));
        if !index_bits.iter().all(|bits| (1..=MAX_INDEX_BITS).contains(bits)) {
            return Err(OpenError::Malformed("size of an index"));
        }
        let mut end = HEADER as u64;
        let mut parts = [const { 0..0 }; PARTS];
        for (nth, part) in parts.iter_mut().enumerate() {
            let start = u64::from_le_bytes(array(bytes, PLACES + nth * 16));
            let len = u64::from_le_bytes(array(bytes, PLACES + 8 + nth * 16));
            if start != end.next_multiple_of(ALIGNMENT as u64) {
                return Err(OpenError::Malformed("place of a part"));
            }
            end = start
                .checked_add(len)
                .filter(|end| *end <= length)
                .ok_or(OpenError::Malformed("length of a part"))?;
            *part = usize::try_from(start)
                .ok()
                .zip(usize::try_from(end).ok())
                .map_or(0..0, |(start, end)| start..end);
        }
        if end != length {
            return Err(OpenError::Malformed("bytes after the last part"));
        }
        Ok(Self { content: array(bytes, CONTENT.start), index_bits, parts })
    }

    pub(crate) fn part(&self, part: Part) -> Range<usize> {
        self.parts[part as usize].clone()
    }
}

fn put(bytes: &mut [u8; HEADER], at: usize, number: u64) {
    bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
}

/// The `N` bytes from `at` on, which is never beyond the header.
fn array<const N: usize>(bytes: &[u8; HEADER], at: usize) -> [u8; N] {
    let mut array = [0; N];
    array.copy_from_slice(&bytes[at..at + N]);
    array
}
