//! The secret that records are sealed with, and what is derived from it.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What all processes of a fleet have, and Redis has not.
#[derive(Clone)]
pub struct Secret {
    bytes: Vec<u8>,
    prefix: String,
}

/// Whoever has it can make entries that are believed.
#[derive(Clone)]
pub struct SealKey([u8; 32]);

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could be guessed.
    #[error("{0} has fewer than 32 bytes")]
    Short(PathBuf),
    /// It is something else.
    #[error("{0} has more than 4096 bytes")]
    Long(PathBuf),
}

/// Fewer could be guessed.
const LEAST: usize = 32;
/// More is no key.
const MOST: usize = 4096;

// === impl Secret ===

impl Secret {
    /// For keys of Redis that begin with `prefix`: what is derived for one prefix says nothing under another.
    /// `None` if there are fewer than 32 bytes.
    pub fn new(bytes: &[u8], prefix: &str) -> Option<Self> {
        (bytes.len() >= LEAST).then(|| Self { bytes: bytes.to_vec(), prefix: prefix.to_owned() })
    }

    /// From the file at `path`. Ends of lines behind the secret are not part of it.
    pub fn load(path: &Path, prefix: &str) -> Result<Self, KeyError> {
        let fault = |source| KeyError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(fault)?;
        file.take(MOST as u64 + 1).read_to_end(&mut bytes).map_err(fault)?;
        if bytes.len() > MOST {
            return Err(KeyError::Long(path.to_owned()));
        }
        while bytes.last().is_some_and(|byte| b"\r\n".contains(byte)) {
            bytes.pop();
        }
        Self::new(&bytes, prefix).ok_or_else(|| KeyError::Short(path.to_owned()))
    }

    /// A key for `purpose` alone.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key(purpose);
        hasher.update(&(self.bytes.len() as u64).to_be_bytes());
        hasher.update(&self.bytes);
        hasher.update(self.prefix.as_bytes());
        *hasher.finalize().as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

// === impl SealKey ===

impl SealKey {
    /// From a secret, for keys of Redis that begin with `prefix`. Records of one prefix are not believed
    /// under another. `None` if the secret has fewer than 32 bytes.
    pub fn new(secret: &[u8], prefix: &str) -> Option<Self> {
        Some(Self::of_urls(&Secret::new(secret, prefix)?))
    }

    /// That of blocked URLs.
    pub(crate) fn of_urls(secret: &Secret) -> Self {
        Self(secret.derive("icapstan blocked URLs v1: seal of records"))
    }

    /// That of verdicts.
    pub(crate) fn of_verdicts(secret: &Secret) -> Self {
        Self(secret.derive("icapstan fleet verdicts v1: seal of records"))
    }

    /// That of objects that take workers.
    pub(crate) fn of_poison(secret: &Secret) -> Self {
        Self(secret.derive("icapstan fleet poison v1: seal of records"))
    }

    /// From the file at `path`, for blocked URLs.
    pub fn load(path: &Path, prefix: &str) -> Result<Self, KeyError> {
        Ok(Self::of_urls(&Secret::load(path, prefix)?))
    }

    /// The seal of a record's bytes and of the key that they stand under. Compared in constant time.
    pub(crate) fn seal_under(&self, key: &[u8; 32], bytes: &[u8]) -> blake3::Hash {
        blake3::Hasher::new_keyed(&self.0).update(key).update(bytes).finalize()
    }

    /// The seal of a record's bytes. Compared in constant time.
    pub(crate) fn seal(&self, bytes: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, bytes)
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_a_secret_are_keys_and_others_are_not() {
        let dir = icapstan_testkit::tempdir();
        let path = dir.path().join("key");
        let load = |content: &[u8]| {
            std::fs::write(&path, content).unwrap();
            SealKey::load(&path, "icapstan:").map(|key| key.seal(b"x"))
        };
        let key = load(&[b'k'; 32]).unwrap();
        assert_eq!(load(&[&[b'k'; 32][..], b"\n"].concat()).unwrap(), key, "without the end of the line");
        assert_ne!(load(&[b'k'; 33]).unwrap(), key);
        assert!(matches!(load(&[b'\n'; 40]), Err(KeyError::Short(_))));
        assert!(matches!(load(&[b'k'; 31]), Err(KeyError::Short(_))));
        assert!(matches!(load(&[b'k'; 5000]), Err(KeyError::Long(_))));
        let missing = SealKey::load(&dir.path().join("no"), "");
        assert!(matches!(missing, Err(KeyError::Read { .. })));
        assert!(!format!("{:?}", SealKey::new(&[b'k'; 32], "")).contains('k'));
    }
}
