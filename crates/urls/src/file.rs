//! A list file, opened for lookups.

mod filter;
mod key;
mod layout;
mod map;
mod names;
mod probe;
mod table;

pub(crate) use filter::{FilterBuilder, Mark};
pub(crate) use key::{Digest, Shape, of_digest, quick, truncated};
pub(crate) use layout::{ALIGNMENT, CONTENT, HASHED_FROM, HEADER, Header, PARTS, Part};
pub(crate) use names::encode as encode_lists;
pub use names::{MAX_LISTS, MAX_NAME};
pub(crate) use probe::Probe;
pub(crate) use table::{IndexBuilder, RECORD, parts as record_parts, record};

use crate::lists::List;
use crate::networks::Networks;
use filter::Filter;
use map::Map;
use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use table::Table;

/// Where the private copy of an open file is kept.
///
/// A copy, because whoever shortens a mapped file kills the processes that read it (SIGBUS), and because
/// what has been checked must not change afterwards. `cp new.list in-use.list` does both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// In memory of its own: as much as the file is long, in large pages where the system has them.
    #[default]
    Memory,
    /// In a file without a name, in this folder. Takes disk instead: of memory only what lookups touch, which
    /// the kernel may take back. A disk that fails to read kills the process.
    Folder(PathBuf),
}

/// BLAKE3 of what is in a list file: files with the same lists and entries have the same.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Identity(pub [u8; 32]);

/// A list file, open and checked. Nothing that happens to the file it was opened from changes it.
pub struct ListFile {
    map: Map,
    header: Header,
    lists: Box<[Arc<List>]>,
    records: usize,
    networks: usize,
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
    /// Reading stopped in the middle; a file that became shorter meanwhile ends here, too.
    #[error("cannot read all of the list file")]
    Read(#[source] io::Error),
    /// There is no room for the private copy.
    #[error("cannot make a private copy of the list file")]
    Copy(#[source] io::Error),
    /// Not a regular file, or one that begins differently.
    #[error("not a compiled list file")]
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
    /// Opens, copies and checks a file.
    ///
    /// All of it is read once, and its BLAKE3 verified on the way. What a search uses is checked again at
    /// each use, so that even a file made to do harm can at most have or lack entries.
    pub fn open(path: &Path, keep: &Keep) -> Result<Self, OpenError> {
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
        let bytes = usize::try_from(length).ok().filter(|_| length <= layout::MAX_LENGTH);
        let bytes = bytes.ok_or(OpenError::Length { said: layout::MAX_LENGTH, found: length })?;
        let mut hasher = blake3::Hasher::new();
        let mut at = 0;
        let map = Map::copy(&mut source, bytes, keep, |block| {
            hasher.update(&block[HASHED_FROM.saturating_sub(at).min(block.len())..]);
            at += block.len();
        })?;
        let header = map.first_chunk().ok_or(OpenError::NotAList)?;
        let header = Header::decode(header, length)?;
        if *hasher.finalize().as_bytes() != header.content {
            return Err(OpenError::Checksum);
        }
        Self::checked(map, header)
    }

    fn checked(map: Map, header: Header) -> Result<Self, OpenError> {
        let lists = names::decode(&map[header.part(Part::Lists)])?;
        let mut file = Self { map, header, lists, networks: 0, records: 0 };
        file.networks =
            Networks::of(file.part(Part::Networks)).ok_or(OpenError::Malformed("networks"))?.len();
        file.records =
            file.table_if_sound().filter(Table::is_whole).ok_or(OpenError::Malformed("table"))?.len();
        for part in [Part::Filter, Part::HashFilter] {
            Filter::of(file.part(part)).ok_or(OpenError::Malformed("filter"))?;
            file.map.populate(file.header.part(part));
        }
        file.map.populate(file.header.part(Part::Index));
        Ok(file)
    }

    /// The BLAKE3 of its content.
    pub const fn identity(&self) -> Identity {
        Identity(self.header.content)
    }

    /// Its lists, in the order of precedence.
    pub fn lists(&self) -> &[Arc<List>] {
        &self.lists
    }

    /// How many entries it has; one that several lists have counts for each.
    pub const fn entries(&self) -> usize {
        self.records + self.networks
    }

    /// How long it is.
    pub fn bytes(&self) -> usize {
        self.map.len()
    }

    /// The networks.
    pub(crate) fn networks(&self) -> Networks<'_> {
        Networks::of(self.part(Part::Networks)).expect("checked when the file was opened")
    }

    /// What keys are looked up in.
    pub(crate) fn probe(&self) -> Probe<'_> {
        let filter = |part| Filter::of(self.part(part)).expect("checked when the file was opened");
        let (filter, hashes) = (filter(Part::Filter), filter(Part::HashFilter));
        let table = self.table_if_sound().expect("checked when the file was opened");
        Probe { seed: self.header.seed, filter, hashes, table }
    }

    fn table_if_sound(&self) -> Option<Table<'_>> {
        Table::of(self.part(Part::Table), self.part(Part::Index), self.header.index_bits)
    }

    fn part(&self, part: Part) -> &[u8] {
        &self.map[self.header.part(part)]
    }
}

impl fmt::Debug for ListFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ListFile")
            .field("identity", &self.identity())
            .field("entries", &self.entries())
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
