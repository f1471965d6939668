//! Which lists have something, and which of them makes an exception of it.

use super::List;
use crate::entry::Action;
use crate::file::MAX_LISTS;
use std::sync::Arc;

/// How many ids one key can have. More are only in files that were made to take time, and are not looked at.
pub(crate) const MAX_IDS: usize = 2 * MAX_LISTS;

/// How a list and what it says of an entry are stored: twice the rank of the list, and 1 for an exception.
/// The rank is the place in the order of precedence.
pub(crate) const fn id(rank: u16, action: Action) -> u16 {
    rank * 2 + matches!(action, Action::Allow) as u16
}

/// The numbers from [`id`] at the end of records.
#[derive(Clone, Debug)]
pub(crate) struct ListIds<'a>(&'a [u8], usize);

/// The lists that have a URL, under any of its keys.
#[derive(Debug, Default)]
pub(crate) struct Found {
    listed: Ranks,
    excepted: Ranks,
}

#[derive(Debug, Default)]
struct Ranks([u64; MAX_LISTS / 64]);

// === impl ListIds ===

impl<'a> ListIds<'a> {
    /// Of these records, each of which ends with an id.
    pub(crate) fn of<const N: usize>(records: &'a [[u8; N]]) -> Self {
        Self(records.as_flattened(), N)
    }

    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn contains(&self, id: u16) -> bool {
        self.clone().any(|other| other == id)
    }
}

impl Iterator for ListIds<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        let (record, rest) = self.0.split_at_checked(self.1)?;
        self.0 = rest;
        record.last_chunk().copied().map(u16::from_be_bytes)
    }
}

// === impl Found ===

impl Found {
    /// Takes note of the lists that have a key.
    pub(crate) fn add(&mut self, ids: ListIds<'_>) {
        for id in ids {
            let ranks = if id % 2 == 0 { &mut self.listed } else { &mut self.excepted };
            ranks.set(id / 2);
        }
    }

    /// The first of `lists` that has the URL and makes no exception of it: an exception holds for the list
    /// that makes it and for no other.
    pub(crate) fn first<'l>(&self, lists: &'l [Arc<List>]) -> Option<(u16, &'l Arc<List>)> {
        let rank = self.listed.first_without(&self.excepted)?;
        lists.get(usize::from(rank)).map(|list| (id(rank, Action::Block), list))
    }

    /// All of `lists` that have the URL and make no exception of it.
    pub(crate) fn of<'l>(&self, lists: &'l [Arc<List>]) -> impl Iterator<Item = &'l Arc<List>> {
        let has = |rank| self.listed.has(rank) && !self.excepted.has(rank);
        lists.iter().enumerate().filter(move |(rank, _)| has(*rank)).map(|(_, list)| list)
    }
}

// === impl Ranks ===

impl Ranks {
    fn set(&mut self, rank: u16) {
        if let Some(word) = self.0.get_mut(usize::from(rank) / 64) {
            *word |= 1 << (rank % 64);
        }
    }

    fn has(&self, rank: usize) -> bool {
        self.0.get(rank / 64).is_some_and(|word| word & (1 << (rank % 64)) != 0)
    }

    #[expect(clippy::cast_possible_truncation, reason = "below MAX_LISTS")]
    fn first_without(&self, others: &Self) -> Option<u16> {
        let words = self.0.iter().zip(&others.0).map(|(word, other)| word & !other);
        let (nth, word) = words.enumerate().find(|(_, word)| *word != 0)?;
        Some(nth as u16 * 64 + word.trailing_zeros() as u16)
    }
}
