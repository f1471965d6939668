//! What is computed of a key, where it is stored and where it is looked up.

use crate::entry::{HOST_PREFIX, hash_key};
use twox_hash::XxHash3_64;

/// What is stored of a SHA-256: 128 bits, so that nobody finds a second key for a listed one (that would
/// take 2^105 tries even with 8 million keys to choose from).
pub(crate) type Digest = u128;

/// What the bytes of a key say of themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape<'a> {
    /// That host and none below it.
    Alone(&'a [u8]),
    /// `host/`.
    Host(&'a [u8]),
    /// A key below this host.
    Below(&'a [u8]),
}

// === impl Shape ===

impl<'a> Shape<'a> {
    pub(crate) fn of(key: &'a [u8]) -> Self {
        if let Some((&HOST_PREFIX, host)) = key.split_first() {
            return Self::Alone(host);
        }
        match memchr::memchr(b'/', key) {
            Some(slash) if slash + 1 == key.len() => Self::Host(&key[..slash]),
            Some(slash) => Self::Below(&key[..slash]),
            None => Self::Below(key),
        }
    }
}

/// The hash for the filter. Fast, and no defence: whoever knows the seed can make keys that the filter takes
/// for listed ones. That costs the time to look into the table, no more.
pub(crate) fn quick(seed: u64, bytes: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(seed, bytes)
}

/// The digest of a key.
pub(crate) fn digest(key: &[u8]) -> Digest {
    truncated(&hash_key(key))
}

/// What is stored of a SHA-256.
pub(crate) fn truncated(hash: &[u8; 32]) -> Digest {
    u128::from_be_bytes(*hash.first_chunk().expect("16 of 32 bytes"))
}

/// The hash of a digest for the filter of digests: some of its bits.
#[expect(clippy::cast_possible_truncation, reason = "that is what is meant")]
pub(crate) const fn of_digest(digest: Digest) -> u64 {
    digest as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_tell_their_host() {
        assert_eq!(Shape::of(b"\0example.com"), Shape::Alone(b"example.com"));
        assert_eq!(Shape::of(b"example.com/"), Shape::Host(b"example.com"));
        assert_eq!(Shape::of(b"example.com/a/?b/"), Shape::Below(b"example.com"));
        assert_eq!(Shape::of(b"example.com//"), Shape::Below(b"example.com"));
        assert_eq!(Shape::of(b"example.com"), Shape::Below(b"example.com"));
        assert_eq!(Shape::of(b""), Shape::Below(b""));
    }
}
