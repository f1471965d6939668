//! A list file, read into memory for lookups.
//!
//! In memory, because whoever shortens a mapped file kills the processes that read it (SIGBUS), and because
//! what has been checked must not change afterwards.

mod filter;
mod layout;
mod names;
mod table;

pub(crate) use filter::FilterBuilder;
pub(crate) use layout::{ALIGNMENT, CONTENT, HASHED_FROM, HEADER, Header, PARTS, Part};
pub(crate) use names::{ALLOWS, encode as encode_lists, encode_name};
pub use names::{MAX_LISTS, MAX_NAME};
pub(crate) use table::{IndexBuilder, RECORD, Row, width};

use crate::digest::{Algorithm, Digest};
use crate::lists::{List, Match};
use filter::Filter;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use table::Table;

/// Read at a time, in bytes.
const BLOCK: u64 = 1 << 20;

/// BLAKE3 of what is in a list file: files with the same lists and entries have the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub [u8; 32]);

/// A list file, read and checked. Nothing that happens to the file it was read from changes it.
pub struct ListFile {
    bytes: Vec<u8>,
    header: Header,
    lists: Box<[Arc<List>]>,
    entries: usize,
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The file is not to be read.
    #[error("cannot read the list file {}", path.display())]
    Open {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// There is no room for it in memory.
    #[error("there is no memory for the {0} bytes of the list file")]
    Memory(u64),
    /// Not a regular file, or one that begins differently.
    #[error("not a compiled file of hash lists")]
    NotAList,
    /// Made by another version of this program.
    #[error("format version {0} of the list file is unknown")]
    Version(u32),
    /// Longer than any file may be, shorter than all are, or not as long as it says.
    #[error("the list file has {found} bytes instead of {said}")]
    Length {
        /// What it should have.
        said: u64,
        /// What it has.
        found: u64,
    },
    /// What is in the file is not what was written.
    #[error("the checksum of the list file is wrong")]
    Checksum,
    /// The checksum is right and the file makes no sense.
    #[error("the list file is malformed: {0}")]
    Malformed(&'static str),
}

// === impl ListFile ===

impl ListFile {
    /// Reads and checks a file.
    ///
    /// What a search uses is checked again at each use, so that even a file made to do harm can at most
    /// have or lack entries.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let cannot = |source| OpenError::Open { path: path.to_path_buf(), source };
        // Opening a pipe would wait for somebody to write to it.
        if !std::fs::metadata(path).map_err(cannot)?.is_file() {
            return Err(OpenError::NotAList);
        }
        let mut source = File::open(path).map_err(cannot)?;
        let length = source.metadata().map_err(cannot)?.len();
        if length < HEADER as u64 {
            return Err(OpenError::Length { said: HEADER as u64, found: length });
        }
        if length > layout::MAX_LENGTH {
            return Err(OpenError::Length { said: layout::MAX_LENGTH, found: length });
        }
        let mut bytes = Vec::new();
        usize::try_from(length)
            .ok()
            .and_then(|length| bytes.try_reserve_exact(length).ok())
            .ok_or(OpenError::Memory(length))?;
        let mut hasher = blake3::Hasher::new();
        while (bytes.len() as u64) < length {
            let start = bytes.len();
            let wanted = BLOCK.min(length - start as u64);
            let count = source.by_ref().take(wanted).read_to_end(&mut bytes).map_err(cannot)?;
            if count == 0 {
                // It became shorter meanwhile.
                return Err(OpenError::Length { said: length, found: start as u64 });
            }
            hasher.update(&bytes[start.max(HASHED_FROM).min(bytes.len())..]);
        }
        let header = Header::decode(bytes.first_chunk().ok_or(OpenError::NotAList)?, length)?;
        if *hasher.finalize().as_bytes() != header.content {
            return Err(OpenError::Checksum);
        }
        Self::checked(bytes, header)
    }

    fn checked(bytes: Vec<u8>, header: Header) -> Result<Self, OpenError> {
        let lists = names::decode(&bytes[header.part(Part::Lists)])?;
        let mut file = Self { bytes, header, lists, entries: 0 };
        Filter::of(file.part(Part::Filter)).ok_or(OpenError::Malformed("filter"))?;
        for algorithm in Algorithm::ALL {
            file.entries += file.table(algorithm).ok_or(OpenError::Malformed("table"))?.len();
        }
        Ok(file)
    }

    /// The BLAKE3 of its content.
    pub const fn identity(&self) -> Identity {
        Identity(self.header.content)
    }

    /// Its lists, in the order in which they were given.
    pub fn lists(&self) -> &[Arc<List>] {
        &self.lists
    }

    /// How many entries it has; one that several lists have counts once.
    pub const fn entries(&self) -> usize {
        self.entries
    }

    /// How long it is.
    pub const fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether there is a digest of this algorithm.
    pub(crate) fn has(&self, algorithm: Algorithm) -> bool {
        self.table(algorithm).is_some_and(|table| table.len() > 0)
    }

    /// The entry with this digest and a size that `fits`: one that denies if there is one. Allocates only
    /// if there is any.
    pub(crate) fn find(&self, digest: &Digest, fits: impl Fn(Option<u32>) -> bool) -> Option<Match> {
        if !Filter::of(self.part(Part::Filter))?.contains(digest) {
            return None;
        }
        let rows = self.table(digest.algorithm())?.find(digest).filter(|row| fits(row.size()));
        let found = rows.filter_map(|row| names::name(self.part(Part::Names), row.name & !ALLOWS));
        let (list, name) = found.min_by_key(|(list, _)| self.lists.get(*list).map(|list| list.info.kind))?;
        let list = Arc::clone(self.lists.get(list)?);
        let name = if name.is_empty() { format!("Hash.{}", list.info.name).into() } else { name.into() };
        Some(Match { list, name, digest: *digest })
    }

    fn table(&self, algorithm: Algorithm) -> Option<Table<'_>> {
        let (records, index) = Part::of(algorithm);
        let bits = self.header.index_bits[algorithm as usize];
        Table::of(algorithm, self.part(records), self.part(index), bits)
    }

    fn part(&self, part: Part) -> &[u8] {
        &self.bytes[self.header.part(part)]
    }
}

impl fmt::Debug for ListFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListFile")
            .field("identity", &self.identity())
            .field("entries", &self.entries)
            .field("lists", &self.lists)
            .finish_non_exhaustive()
    }
}

// === impl Identity ===

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests;
