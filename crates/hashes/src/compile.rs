//! Entries of many lists into one file.
//!
//! ```text
//!  add ─┬─ records ─▶ sorter: runs of 2^20 in nameless files ─▶ merge ─▶ tables, indexes, filter
//!       └─ names ───▶ a nameless file ──────────────────────────────────────────┐   │
//!                     output: a file without a name yet ◀───────────────────────┴───┘
//!                       └─▶ header, checksum, fsync, rename, fsync of the folder
//! ```
//!
//! Memory: 33 MiB of unsorted records and as much again of names that were seen; afterwards 64 KiB for each
//! run of a million entries, 1.5 bytes for each entry (the filter) and half a byte (the index). Disk, beside
//! the file itself: 33 bytes for each entry, in the folder of the file.

mod output;
mod sorter;

use crate::digest::{Algorithm, Digest, Entry};
use crate::file::{
    ALLOWS, FilterBuilder, Header, Identity, IndexBuilder, MAX_LISTS, MAX_NAME, Part, RECORD, Row,
    encode_lists, encode_name, width,
};
use crate::lists::{Kind, List, ListInfo, MAX_ENTRY_NAME};
use output::Output;
use sorter::Sorter;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

/// More entries than this are refused.
pub const MAX_ENTRIES: u64 = 100_000_000;

/// More bytes of names than this are refused.
pub const MAX_NAMES: u64 = 2 << 30;

/// So many names are remembered, so that one that comes again is kept once.
const REMEMBERED: usize = 1 << 16;

/// Makes one file of the entries of many lists.
#[derive(Debug)]
pub struct Compiler {
    target: PathBuf,
    lists: Vec<List>,
    records: Sorter,
    counts: [u64; Algorithm::ALL.len()],
    names: Names,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The identity of the file.
    pub identity: Identity,
    /// Its length.
    pub bytes: u64,
    /// Its lists, in the order given.
    pub lists: Vec<List>,
}

/// Why nothing was written. A file that was there before still is.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The file or what is kept beside it meanwhile cannot be written.
    #[error("cannot write the list file {}", path.display())]
    Write {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// More lists than a file may have.
    #[error("{0} lists are more than {MAX_LISTS}")]
    TooManyLists(usize),
    /// Two lists have the same name.
    #[error("there are two lists with the name {0:?}")]
    SameName(Box<str>),
    /// A name or source is empty or too long.
    #[error("name or source of the list {0:?} is empty or longer than {MAX_NAME} bytes")]
    BadName(Box<str>),
    /// An entry for a list that is not there.
    #[error("there is no list number {0}")]
    NoSuchList(usize),
    /// An entry that allows by a digest that two files may have.
    #[error("{0} allows nothing: anybody can make two files that have it")]
    Weak(Algorithm),
    /// More entries than a file may have, or more names.
    #[error("more than {MAX_ENTRIES} entries, or than {MAX_NAMES} bytes of names")]
    TooMany,
}

/// Names, in a file without one.
#[derive(Debug)]
struct Names {
    file: BufWriter<File>,
    len: u64,
    known: HashMap<(u16, Box<str>), u32>,
}

// === impl Compiler ===

impl Compiler {
    /// For a file at `target`, whose folder must be there, with these lists. Of entries of one kind that
    /// several lists have, those of the first count.
    pub fn new(target: &Path, lists: Vec<ListInfo>) -> Result<Self, CompileError> {
        check(&lists)?;
        let folder = folder_of(target);
        let names = tempfile::tempfile_in(folder).map_err(|source| cannot_write(target, source))?;
        let lists = lists.into_iter().map(|info| List { info, entries: 0 }).collect();
        Ok(Self {
            target: target.to_path_buf(),
            lists,
            records: Sorter::new(folder),
            counts: [0; Algorithm::ALL.len()],
            names: Names { file: BufWriter::new(names), len: 0, known: HashMap::new() },
        })
    }

    /// Adds an entry to a list, the first of which is number 0. Without a name it has that of the list.
    pub fn add(&mut self, list: usize, entry: &Entry, name: &str) -> Result<(), CompileError> {
        let Some(known) = self.lists.get_mut(list) else { return Err(CompileError::NoSuchList(list)) };
        let rank = u16::try_from(list).map_err(|_| CompileError::NoSuchList(list))?;
        let algorithm = entry.digest.algorithm();
        let flag = match known.info.kind {
            Kind::Deny => 0,
            Kind::Allow if algorithm.is_strong() => ALLOWS,
            Kind::Allow => return Err(CompileError::Weak(algorithm)),
        };
        if self.counts.iter().sum::<u64>() >= MAX_ENTRIES {
            return Err(CompileError::TooMany);
        }
        let cannot = |source| cannot_write(&self.target, source);
        let name = self.names.place(rank, name).map_err(cannot)?.ok_or(CompileError::TooMany)?;
        let record = Row::new(entry.size, name | flag).record(&entry.digest);
        self.records.push(record).map_err(cannot)?;
        self.counts[algorithm as usize] += 1;
        known.entries += 1;
        Ok(())
    }

    /// Writes the file and puts it in the place of one that may be there.
    pub fn finish(mut self) -> Result<Compiled, CompileError> {
        let target = std::mem::take(&mut self.target);
        self.write(&target).map_err(|source| cannot_write(&target, source))
    }

    fn write(self, target: &Path) -> io::Result<Compiled> {
        let mut output = Output::new(folder_of(target))?;
        let mut filter = FilterBuilder::new(self.counts.iter().sum());
        let mut indexes = self.counts.map(IndexBuilder::new);
        let mut merged = self.records.merge()?;
        let mut next = merged.next()?;
        for algorithm in Algorithm::ALL {
            let (part, _) = Part::of(algorithm);
            output.start(part)?;
            while let Some(record) = next.filter(|record| record[0] == algorithm as u8) {
                let key = width(algorithm) - ROW;
                indexes[algorithm as usize].count(&record[1..]);
                filter.insert(&whole(algorithm, &record[1..=key]));
                output.write(&record[1..=key])?;
                output.write(&record[RECORD - ROW..])?;
                next = merged.next()?;
            }
            output.end(part);
        }
        for algorithm in Algorithm::ALL {
            output.part(Part::of(algorithm).1, indexes[algorithm as usize].numbers())?;
        }
        output.part(Part::Filter, filter.words())?;
        output.start(Part::Names)?;
        self.names.each(|bytes| output.write(bytes))?;
        output.end(Part::Names);
        output.part(Part::Lists, [encode_lists(&self.lists)])?;
        let (parts, bytes) = output.parts();
        let index_bits = [indexes[0].bits(), indexes[1].bits(), indexes[2].bits()];
        let identity = output.finish(&Header { content: [0; 32], index_bits, parts }, target)?;
        Ok(Compiled { identity, bytes, lists: self.lists })
    }
}

/// Bytes of a record behind the digest.
const ROW: usize = 8;

/// A digest that begins so: what the filter looks at is all there.
fn whole(algorithm: Algorithm, key: &[u8]) -> Digest {
    let mut bytes = [0; 32];
    bytes[..key.len()].copy_from_slice(key);
    Digest::new(algorithm, &bytes[..algorithm.bytes()]).expect("as long as it should be")
}

// === impl Names ===

impl Names {
    /// Where this name stands, which is written if it has to be; `None` if there is no room.
    fn place(&mut self, list: u16, name: &str) -> io::Result<Option<u32>> {
        let name = &name[..name.floor_char_boundary(MAX_ENTRY_NAME)];
        let key = (list, Box::from(name));
        if let Some(place) = self.known.get(&key) {
            return Ok(Some(*place));
        }
        let bytes = encode_name(list, name);
        let Some(place) = u32::try_from(self.len).ok().filter(|_| self.len + bytes.len() as u64 <= MAX_NAMES)
        else {
            return Ok(None);
        };
        self.file.write_all(&bytes)?;
        self.len += bytes.len() as u64;
        // Afterwards one that comes again is written again, which costs its bytes.
        if self.known.len() < REMEMBERED {
            self.known.insert(key, place);
        }
        Ok(Some(place))
    }

    /// Calls `each` with all bytes, in pieces.
    fn each(self, mut each: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        let mut file = self.file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.rewind()?;
        let mut buffer = vec![0; 256 << 10];
        loop {
            match file.read(&mut buffer)? {
                0 => return Ok(()),
                count => each(&buffer[..count])?,
            }
        }
    }
}

fn check(lists: &[ListInfo]) -> Result<(), CompileError> {
    if lists.len() > MAX_LISTS {
        return Err(CompileError::TooManyLists(lists.len()));
    }
    let mut names = HashSet::new();
    for list in lists {
        if !names.insert(&*list.name) {
            return Err(CompileError::SameName(list.name.clone()));
        }
        if list.name.is_empty() || list.name.len() > MAX_NAME || list.source.len() > MAX_NAME {
            return Err(CompileError::BadName(list.name.clone()));
        }
    }
    Ok(())
}

/// The folder of a file: the current one, if only a name was given.
fn folder_of(target: &Path) -> &Path {
    target.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

fn cannot_write(path: &Path, source: io::Error) -> CompileError {
    CompileError::Write { path: path.to_path_buf(), source }
}

#[cfg(test)]
mod tests;
