//! The lists that digests are looked up in.

use crate::digest::{Algorithm, Digest, Digests, Hasher};
use crate::file::{Identity, ListFile};
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

/// The name of an entry is cut after so many bytes.
pub const MAX_ENTRY_NAME: usize = 200;

/// What it means to be in a list. What comes first wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Malware.
    Deny,
    /// Known to be fine.
    Allow,
}

/// What is said of a list where it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListInfo {
    /// Its name, unique in a file.
    pub name: Box<str>,
    /// What a match means.
    pub kind: Kind,
    /// Where the entries came from, for people.
    pub source: Box<str>,
}

/// A list in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What was said of it.
    pub info: ListInfo,
    /// How many entries it gave, repetitions included.
    pub entries: u64,
}

/// No such kind of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of list; there are deny, allow")]
pub struct UnknownKind;

/// The lists of one file. They never change: others take their place, as a whole.
#[derive(Clone, Debug, Default)]
pub struct Lists {
    file: Option<Arc<ListFile>>,
    built: Option<SystemTime>,
}

/// The entry that an object has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Match {
    /// The list that has it.
    pub list: Arc<List>,
    /// What the list calls it; else `Hash.` and the name of the list.
    pub name: Box<str>,
    /// By which digest.
    pub digest: Digest,
}

// === impl Kind ===

impl Kind {
    /// All kinds, in the order of precedence.
    pub const ALL: [Self; 2] = [Self::Deny, Self::Allow];

    /// The word for it in settings, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Deny => "deny",
            Self::Allow => "allow",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(word: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word).ok_or(UnknownKind)
    }
}

// === impl Lists ===

impl Lists {
    /// No lists, in which nothing is found.
    pub const NONE: Self = Self { file: None, built: None };

    /// The lists of a file that was built at this time, as whoever delivered it says.
    pub fn new(file: ListFile, built: SystemTime) -> Self {
        Self { file: Some(Arc::new(file)), built: Some(built) }
    }

    /// What computes the digests that these lists have.
    pub fn hasher(&self) -> Hasher {
        Hasher::new(self.algorithms())
    }

    /// The algorithms of the digests that these lists have.
    pub fn algorithms(&self) -> impl Iterator<Item = Algorithm> {
        let has = |algorithm: &Algorithm| self.file.as_ref().is_some_and(|file| file.has(*algorithm));
        Algorithm::ALL.into_iter().filter(has)
    }

    /// The entry that an object with these digests has, if any: one that denies if there is one.
    pub fn lookup(&self, digests: &Digests) -> Option<Match> {
        let file = self.file.as_deref()?;
        let size = u32::try_from(digests.len()).ok();
        let mut allowed = None;
        for digest in digests.iter() {
            match file.find(digest, |listed| listed.is_none() || listed == size) {
                Some(found) if found.list.info.kind == Kind::Deny => return Some(found),
                Some(found) => allowed = allowed.or(Some(found)),
                None => {}
            }
        }
        allowed
    }

    /// The entry that has this digest, whatever its size.
    pub fn lookup_digest(&self, digest: &Digest) -> Option<Match> {
        self.file.as_deref()?.find(digest, |_| true)
    }

    /// How many entries there are; one that several lists have counts once.
    pub fn entries(&self) -> usize {
        self.file.as_deref().map_or(0, ListFile::entries)
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.entries() == 0
    }

    /// When they were built.
    pub const fn built(&self) -> Option<SystemTime> {
        self.built
    }

    /// Each of them, in the order in which they were given.
    pub fn lists(&self) -> &[Arc<List>] {
        self.file.as_deref().map_or(&[], ListFile::lists)
    }

    /// What tells them from others: [`None`] if there are none.
    pub fn identity(&self) -> Option<Identity> {
        self.file.as_deref().map(ListFile::identity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_read_as_they_are_written_and_stand_in_the_order_of_precedence() {
        for kind in Kind::ALL {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        assert_eq!("Deny".parse::<Kind>(), Err(UnknownKind));
        assert!(Kind::ALL.is_sorted());
    }

    #[test]
    fn in_no_lists_nothing_is_found_and_nothing_is_computed() {
        let mut hasher = Lists::NONE.hasher();
        hasher.update(b"x");
        let digests = hasher.finish();
        assert_eq!((digests.iter().count(), Lists::NONE.lookup(&digests)), (0, None));
        assert!(Lists::NONE.is_empty() && Lists::NONE.identity().is_none());
    }
}
