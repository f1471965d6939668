//! Digests: how they are written, and how those of an object are computed.

use md5::Md5;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};
use std::fmt;

/// How a digest is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Algorithm {
    /// MD5 (RFC 1321), 16 bytes.
    Md5,
    /// SHA-1 (FIPS 180-4), 20 bytes.
    Sha1,
    /// SHA-256 (FIPS 180-4), 32 bytes.
    Sha256,
}

/// One digest of some bytes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest {
    algorithm: Algorithm,
    /// As many as the algorithm has, then zeros.
    bytes: [u8; 32],
}

/// What a list says of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Entry {
    /// Its digest.
    pub digest: Digest,
    /// Its length in bytes, if the list has that; below [`Entry::MAX_SIZE`].
    pub size: Option<u32>,
}

/// Computes those digests of an object that somebody asks for.
#[derive(Clone, Debug, Default)]
pub struct Hasher {
    md5: Option<Md5>,
    sha1: Option<Sha1>,
    sha256: Option<Sha256>,
    len: u64,
}

/// The digests of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Digests {
    digests: [Option<Digest>; Algorithm::ALL.len()],
    len: u64,
}

// === impl Algorithm ===

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Md5, Self::Sha1, Self::Sha256];

    /// Bytes of a digest.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
        }
    }

    /// Whether nobody is known to be able to make two files with one digest.
    pub const fn is_strong(self) -> bool {
        matches!(self, Self::Sha256)
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

// === impl Digest ===

impl Digest {
    /// Of these bytes, if they are as many as the algorithm has.
    pub fn new(algorithm: Algorithm, digest: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        bytes.get_mut(..digest.len()).filter(|_| digest.len() == algorithm.bytes())?.copy_from_slice(digest);
        Some(Self { algorithm, bytes })
    }

    /// Reads hexadecimal digits of either case. Their number tells the algorithm.
    pub fn parse(digits: &[u8]) -> Option<Self> {
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| 2 * algorithm.bytes() == digits.len())?;
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(digits.as_chunks::<2>().0) {
            *byte = value(pair[0])? << 4 | value(pair[1])?;
        }
        Some(Self { algorithm, bytes })
    }

    /// How it was computed.
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Its bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.algorithm.bytes()]
    }

    /// Whether it is that of nothing: what empty files have, and lists by mistake.
    pub fn is_of_nothing(&self) -> bool {
        let bytes = self.as_bytes();
        match self.algorithm {
            Algorithm::Md5 => bytes == Md5::digest([]).as_slice(),
            Algorithm::Sha1 => bytes == Sha1::digest([]).as_slice(),
            Algorithm::Sha256 => bytes == Sha256::digest([]).as_slice(),
        }
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What a hexadecimal digit stands for.
fn value(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

// === impl Entry ===

impl Entry {
    /// No entry is about a file of this length or a longer one.
    pub const MAX_SIZE: u32 = u32::MAX;
}

// === impl Hasher ===

impl Hasher {
    /// One that computes digests of these algorithms.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        let mut hasher = Self::default();
        for algorithm in algorithms {
            match algorithm {
                Algorithm::Md5 => hasher.md5 = Some(Md5::new()),
                Algorithm::Sha1 => hasher.sha1 = Some(Sha1::new()),
                Algorithm::Sha256 => hasher.sha256 = Some(Sha256::new()),
            }
        }
        hasher
    }

    /// Takes the next bytes of the object.
    pub fn update(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        if let Some(md5) = &mut self.md5 {
            md5.update(bytes);
        }
        if let Some(sha1) = &mut self.sha1 {
            sha1.update(bytes);
        }
        if let Some(sha256) = &mut self.sha256 {
            sha256.update(bytes);
        }
    }

    /// The digests of all bytes that came.
    pub fn finish(self) -> Digests {
        let of = |algorithm, bytes: Option<&[u8]>| bytes.and_then(|bytes| Digest::new(algorithm, bytes));
        let md5 = self.md5.map(Md5::finalize);
        let sha1 = self.sha1.map(Sha1::finalize);
        let sha256 = self.sha256.map(Sha256::finalize);
        let digests = [
            of(Algorithm::Md5, md5.as_deref()),
            of(Algorithm::Sha1, sha1.as_deref()),
            of(Algorithm::Sha256, sha256.as_deref()),
        ];
        Digests { digests, len: self.len }
    }
}

// === impl Digests ===

impl Digests {
    /// Of an object of this length, computed elsewhere.
    pub fn of(len: u64, digests: impl IntoIterator<Item = Digest>) -> Self {
        let mut all = Self { digests: [None; Algorithm::ALL.len()], len };
        for digest in digests {
            all.digests[digest.algorithm() as usize] = Some(digest);
        }
        all
    }

    /// Each that was computed.
    pub fn iter(&self) -> impl Iterator<Item = &Digest> {
        self.digests.iter().flatten()
    }

    /// How long the object is.
    pub const fn len(&self) -> u64 {
        self.len
    }

    /// Whether the object is empty.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_the_standards() {
        let mut hasher = Hasher::new(Algorithm::ALL);
        hasher.update(b"a");
        hasher.update(b"bc");
        let digests = hasher.finish();
        let shown: Vec<_> = digests.iter().map(ToString::to_string).collect();
        assert_eq!(
            shown,
            [
                "900150983cd24fb0d6963f7d28e17f72",
                "a9993e364706816aba3e25717850c26c9cd0d89d",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ]
        );
        assert_eq!(digests.len(), 3);
        assert!(digests.iter().all(|digest| Digest::parse(digest.to_string().as_bytes()) == Some(*digest)));
    }

    #[test]
    fn what_is_no_digest_is_none_and_only_what_was_asked_for_is_computed() {
        for text in
            ["", "0", "g0015098", "90015098 cd24fb0d6963f7d28e17f72", "900150983cd24fb0d6963f7d28e17f7"]
        {
            assert_eq!(Digest::parse(text.as_bytes()), None, "{text}");
        }
        assert_eq!(
            Digest::parse(b"900150983CD24FB0D6963F7D28E17F72"),
            Digest::parse(b"900150983cd24fb0d6963f7d28e17f72")
        );
        let of_sha1 = Hasher::new([Algorithm::Sha1]).finish();
        assert_eq!(of_sha1.iter().map(Digest::algorithm).collect::<Vec<_>>(), [Algorithm::Sha1]);
    }

    #[test]
    fn the_digest_of_nothing_is_known() {
        assert!(Hasher::new(Algorithm::ALL).finish().iter().all(Digest::is_of_nothing));
        let mut hasher = Hasher::new(Algorithm::ALL);
        hasher.update(b"x");
        assert!(!hasher.finish().iter().any(Digest::is_of_nothing));
    }
}
