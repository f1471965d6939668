//! What one line of a list stands for.

use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// The first byte of the keys of [`Entry::Host`]. No canonical URL has it, so that no expression is mistaken
/// for a host.
pub const HOST_PREFIX: u8 = 0;

/// What one line of a list stands for.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Entry {
    /// A lookup expression in canonical form: `host/path`, `host/path?query`, `host/dir/` (all below that
    /// folder) or `host/` (that host, all of it, and the hosts below it). Covers the hosts below its own,
    /// by the host suffixes of [`expressions`](crate::expressions).
    Expression(Box<str>),
    /// All of this host, and of no host below it, as hosts files mean it. In canonical form, without a slash.
    Host(Box<str>),
    /// The SHA-256 of a key that the list does not disclose: expressions of Safe Browsing, as in ClamAV's
    /// `.gdb` files. Found if the list stores SHA-256 hashes of keys.
    Hash([u8; 32]),
    /// Addresses that share the first bits of this one: network address (all other bits are 0) and prefix
    /// length. Matches URLs whose host is an address, never names.
    Network(IpAddr, u8),
}

/// Whether what is listed is to be blocked, or exempt from blocking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// The list says: bad.
    Block,
    /// The list says: an exception from what it blocks.
    Allow,
}

// === impl Entry ===

impl Entry {
    /// The bytes that are looked up, of which the hash is stored; [`None`] for hashes and networks.
    ///
    /// [`expressions`](crate::expressions) yields the same bytes for the URLs that are covered.
    pub fn key(&self) -> Option<Cow<'_, [u8]>> {
        match self {
            Self::Expression(text) => Some(Cow::Borrowed(text.as_bytes())),
            Self::Host(host) => {
                let mut key = Vec::with_capacity(1 + host.len());
                key.push(HOST_PREFIX);
                key.extend_from_slice(host.as_bytes());
                Some(Cow::Owned(key))
            }
            Self::Hash(_) | Self::Network(..) => None,
        }
    }

    /// The SHA-256 of the key, or the one that the list gave; [`None`] for networks.
    pub fn hash(&self) -> Option<[u8; 32]> {
        match self {
            Self::Hash(hash) => Some(*hash),
            _ => self.key().map(|key| hash_key(&key)),
        }
    }
}

impl fmt::Display for Entry {
    /// For people: `host/path`, `=host` for a host alone, hexadecimal digits, `address/length`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expression(text) => f.write_str(text),
            Self::Host(host) => write!(f, "={host}"),
            Self::Hash(hash) => hash.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Network(address, length) => write!(f, "{address}/{length}"),
        }
    }
}

/// The hash under which a key is stored: SHA-256, as in Safe Browsing, whose lists can therefore be stored
/// beside all others.
pub fn hash_key(key: &[u8]) -> [u8; 32] {
    Sha256::digest(key).into()
}
