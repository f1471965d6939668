//! The secret that records are sealed with.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use thiserror::Error;

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

// === impl SealKey ===

impl SealKey {
    /// From a secret, for keys of Redis that begin with `prefix`. Records of one prefix are not believed
    /// under another. `None` if the secret has fewer than 32 bytes.
    pub fn new(secret: &[u8], prefix: &str) -> Option<Self> {
        (secret.len() >= LEAST).then(|| {
            let mut hasher = blake3::Hasher::new_derive_key("icapstan blocked URLs v1: seal of records");
            hasher.update(&(secret.len() as u64).to_be_bytes());
            hasher.update(secret);
            hasher.update(prefix.as_bytes());
            Self(*hasher.finalize().as_bytes())
        })
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
