//! Entries of many lists into one file.
//!
//! ```text
//!  add ─┬─ keys ───▶ spool (a nameless file) ─────────────────────────────┐ read again, hashed
//!       ├─ digests ─▶ sorter: runs of 2^20 in nameless files ─▶ merge ─▶ table, index ─▶ seed ─▶ filter
//!       └─ networks ─▶ sorted in memory                                        │           │
//!                              output: a file without a name yet ◀─────────────┴───────────┘
//!                                └─▶ header, checksum, fsync, rename, fsync of the folder
//! ```
//!
//! Memory: 32 MiB of unsorted digests; afterwards 64 KiB for each run of a million entries, 1.5 to 3 bytes for
//! each entry (the filter) and half a byte (the index); some 120 bytes for each network. That is 35 MB at
//! 5 million entries, and at most 400 MB at a hundred million. Disk, beside the file itself: 22 bytes and the
//! length of the key for each entry, in the folder of the file.
//!
//! The same entries in the same lists give the same bytes, in whatever order the entries came.

mod output;
mod sorter;
mod spool;

use crate::entry::{Action, Entry, hash_key};
use crate::file::{
    Digest, FilterBuilder, Header, Identity, IndexBuilder, MAX_LISTS, MAX_NAME, Mark, Part, Shape,
    encode_lists, of_digest, quick, record, truncated,
};
use crate::lists::{Kind, List, ListInfo, id};
use crate::networks::{self, Network};
use output::Output;
use sorter::Sorter;
use spool::Spool;
use std::io;
use std::path::{Path, PathBuf};

/// More entries than this are refused.
pub const MAX_ENTRIES: u64 = 100_000_000;

/// More networks than this are refused. All that is routed in the world is about as many.
pub const MAX_NETWORKS: usize = 1 << 20;

/// Makes one file of the entries of many lists.
#[derive(Debug)]
pub struct Compiler {
    target: PathBuf,
    /// In the order of precedence.
    lists: Vec<List>,
    /// The place of each list, as given, in that order.
    ranks: Vec<u16>,
    digests: Sorter,
    keys: Spool,
    hashes: Spool,
    /// How many of the keys have a path.
    paths: u64,
    networks: Vec<(Network, u16)>,
}

/// What was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiled {
    /// The identity of the file.
    pub identity: Identity,
    /// Its length.
    pub bytes: u64,
    /// Its lists, in the order of precedence, with as many entries as each has without repetitions.
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
    /// A list of the kind that has to have a category does not.
    #[error("the list {0:?} names no category")]
    NoCategory(Box<str>),
    /// A name, category or source is empty or too long.
    #[error("name, category or source of the list {0:?} is empty or longer than {MAX_NAME} bytes")]
    BadName(Box<str>),
    /// An entry for a list that is not there.
    #[error("there is no list number {0}")]
    NoSuchList(usize),
    /// A prefix longer than the address.
    #[error("no network has this prefix length: {0:?}")]
    BadNetwork(Entry),
    /// More entries, or networks, than a file may have.
    #[error("more than {MAX_ENTRIES} entries or {MAX_NETWORKS} networks")]
    TooMany,
}

// === impl Compiler ===

impl Compiler {
    /// For a file at `target`, whose folder must be there, with these lists. Within a kind, lists that
    /// stand first win.
    pub fn new(target: &Path, lists: Vec<ListInfo>) -> Result<Self, CompileError> {
        check(&lists)?;
        let folder = folder_of(target);
        let mut order: Vec<usize> = (0..lists.len()).collect();
        order.sort_by_key(|nth| lists[*nth].kind);
        let mut ranks = vec![0; lists.len()];
        for (rank, nth) in (0..).zip(&order) {
            ranks[*nth] = rank;
        }
        let spool = || Spool::new(folder).map_err(|source| cannot_write(target, source));
        let (keys, hashes) = (spool()?, spool()?);
        let mut lists: Vec<_> = lists.into_iter().map(|info| List { info, keys: 0, networks: 0 }).collect();
        lists.sort_by_key(|list| list.info.kind);
        let digests = Sorter::new(folder);
        Ok(Self {
            target: target.to_path_buf(),
            lists,
            ranks,
            digests,
            keys,
            hashes,
            paths: 0,
            networks: Vec::new(),
        })
    }

    /// Adds an entry to a list, the first of which is number 0. An exception holds for its own list only.
    pub fn add(&mut self, list: usize, action: Action, entry: &Entry) -> Result<(), CompileError> {
        let rank = *self.ranks.get(list).ok_or(CompileError::NoSuchList(list))?;
        let id = id(rank, action);
        match entry {
            Entry::Network(address, prefix) => {
                let bad = || CompileError::BadNetwork(entry.clone());
                let network = Network::of(*address, *prefix).ok_or_else(bad)?;
                self.networks.push((network, id));
                // Not sooner: sorting for each of a million repetitions would take for ever.
                if self.networks.len() < 2 * MAX_NETWORKS { Ok(()) } else { self.sort_networks() }
            }
            _ if self.digests.len() == MAX_ENTRIES => Err(CompileError::TooMany),
            _ => self.add_key(entry, id).map_err(|source| cannot_write(&self.target, source)),
        }
    }

    /// Writes the file and puts it in the place of one that may be there.
    pub fn finish(mut self) -> Result<Compiled, CompileError> {
        self.sort_networks()?;
        let target = std::mem::take(&mut self.target);
        self.write(&target).map_err(|source| cannot_write(&target, source))
    }

    fn add_key(&mut self, entry: &Entry, id: u16) -> io::Result<()> {
        if let Some(key) = entry.key() {
            self.paths += u64::from(matches!(Shape::of(&key), Shape::Below(_)));
            self.keys.push(&key)?;
            return self.digests.push((truncated(&hash_key(&key)), id));
        }
        let Some(hash) = entry.hash() else { return Ok(()) };
        let digest = truncated(&hash);
        self.hashes.push(&digest.to_be_bytes())?;
        self.digests.push((digest, id))
    }

    fn sort_networks(&mut self) -> Result<(), CompileError> {
        self.networks.sort_unstable();
        self.networks.dedup();
        if self.networks.len() <= MAX_NETWORKS { Ok(()) } else { Err(CompileError::TooMany) }
    }

    fn write(mut self, target: &Path) -> io::Result<Compiled> {
        let mut output = Output::new(folder_of(target))?;
        let (index, seed) = write_table(&mut output, self.digests, &mut self.lists)?;
        output.part(Part::Index, index.numbers())?;
        output.part(Part::Filter, filter(seed, self.keys, self.paths)?.words())?;
        output.part(Part::HashFilter, hash_filter(self.hashes)?.words())?;
        for (_, id) in &self.networks {
            self.lists[usize::from(id / 2)].networks += 1;
        }
        output.part(Part::Networks, [networks::encode(&self.networks)])?;
        output.part(Part::Lists, [encode_lists(&self.lists)])?;
        let (parts, bytes) = output.parts();
        let header = Header { content: [0; 32], seed, index_bits: index.bits(), parts };
        let identity = output.finish(&header, target)?;
        Ok(Compiled { identity, bytes, lists: self.lists })
    }
}

/// Writes the table, counts what each list has, and returns the index and the seed of the filter.
///
/// The seed is a hash of the table: nobody knows it who does not know each entry of each list.
fn write_table(output: &mut Output, digests: Sorter, lists: &mut [List]) -> io::Result<(IndexBuilder, u64)> {
    let mut hasher = blake3::Hasher::new();
    let mut index = IndexBuilder::new(digests.len());
    let mut merged = digests.merge()?;
    output.start(Part::Table)?;
    while let Some((digest, id)) = merged.next()? {
        index.count(digest);
        lists[usize::from(id / 2)].keys += 1;
        let record = record(digest, id);
        hasher.update(&record);
        output.write(&record)?;
    }
    output.end(Part::Table);
    let seed = hasher.finalize();
    Ok((index, u64::from_le_bytes(*seed.as_bytes().first_chunk().expect("8 of 32 bytes"))))
}

/// The filter over all keys, and over the hosts of those that have a path.
fn filter(seed: u64, keys: Spool, paths: u64) -> io::Result<FilterBuilder> {
    let mut filter = FilterBuilder::new(keys.len() + paths);
    keys.each(|key| match Shape::of(key) {
        Shape::Alone(host) => filter.insert(quick(seed, host), Mark::Alone),
        Shape::Host(host) => filter.insert(quick(seed, host), Mark::Host),
        Shape::Below(host) => {
            filter.insert(quick(seed, host), Mark::Below);
            filter.insert(quick(seed, key), Mark::Key);
        }
    })?;
    Ok(filter)
}

/// The filter over those digests that came without their key.
fn hash_filter(hashes: Spool) -> io::Result<FilterBuilder> {
    let mut filter = FilterBuilder::new(hashes.len());
    hashes.each(|hash| {
        let digest = hash.first_chunk().copied().map_or(0, Digest::from_be_bytes);
        filter.insert(of_digest(digest), Mark::Key);
    })?;
    Ok(filter)
}

fn check(lists: &[ListInfo]) -> Result<(), CompileError> {
    if lists.len() > MAX_LISTS {
        return Err(CompileError::TooManyLists(lists.len()));
    }
    let mut names = std::collections::HashSet::new();
    for list in lists {
        if !names.insert(&*list.name) {
            return Err(CompileError::SameName(list.name.clone()));
        }
        if list.kind == Kind::Category && list.category.is_none() {
            return Err(CompileError::NoCategory(list.name.clone()));
        }
        let has_bad = |text: &str| text.is_empty() || text.len() > MAX_NAME;
        if has_bad(&list.name)
            || list.category.as_deref().is_some_and(has_bad)
            || list.source.len() > MAX_NAME
        {
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
pub(crate) mod fixture;
#[cfg(test)]
mod tests;
