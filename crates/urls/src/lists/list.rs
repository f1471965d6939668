//! What a list is, apart from its entries.

use std::fmt;
use std::str::FromStr;

/// What it means to be in a list. In the order of precedence: what comes first wins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Not to be blocked, whatever other lists say.
    Allow,
    /// Serves malware: the verdict DETECT.
    Malware,
    /// Feigns to be someone else: the verdict PHISHING.
    Phishing,
    /// Belongs to a category that is named beside it, as lists of gambling or of advertising do.
    Category,
}

/// What is said of a list where it is compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListInfo {
    /// Its name, unique in a file.
    pub name: Box<str>,
    /// What a match means.
    pub kind: Kind,
    /// The category; always there for [`Kind::Category`].
    pub category: Option<Box<str>>,
    /// Where the entries came from: an address or a file name, for people.
    pub source: Box<str>,
}

/// A list in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List {
    /// What was said of it.
    pub info: ListInfo,
    /// How many different hosts, expressions and hashes it has, exceptions among them.
    pub keys: u64,
    /// How many different networks it has, exceptions among them.
    pub networks: u64,
}

/// No such kind of list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a kind of list; there are allow, malware, phishing, category")]
pub struct UnknownKind;

// === impl Kind ===

impl Kind {
    /// All kinds, in the order of precedence.
    pub const ALL: [Self; 4] = [Self::Allow, Self::Malware, Self::Phishing, Self::Category];

    /// The word for it in settings, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Malware => "malware",
            Self::Phishing => "phishing",
            Self::Category => "category",
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

// === impl List ===

impl List {
    /// How many entries it has.
    pub const fn entries(&self) -> u64 {
        self.keys.saturating_add(self.networks)
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
        assert_eq!("Malware".parse::<Kind>(), Err(UnknownKind));
        assert!(Kind::ALL.is_sorted());
    }
}
