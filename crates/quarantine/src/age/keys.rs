//! Keys, and the files that they stand in.

use super::primitives::{Key, random};
use aws_lc_rs::agreement::{PrivateKey, X25519};
use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32, Hrp};
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use thiserror::Error;

const PUBLIC: &str = "age";
const SECRET: &str = "age-secret-key-";

/// No file with keys is longer, in bytes.
const MAX_FILE: u64 = 64 * 1024;
/// No file has more keys.
const MAX_KEYS: usize = 16;

/// Whom a file is encrypted for: a public key.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Recipient(pub(super) Key);

/// What opens files: the secret key of a recipient.
pub struct Identity {
    pub(super) key: PrivateKey,
    recipient: Recipient,
    secret: Key,
}

/// Why there is no key.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file cannot be read.
    #[error("{path} cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// No text, or too much of it.
    #[error("{0} is no file of keys: it is longer than {MAX_FILE} bytes, or no text")]
    NoText(PathBuf),
    /// A line is none.
    #[error("{path}:{line}: no {what} of age (X25519): {hint}")]
    Line {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
        /// What was looked for.
        what: &'static str,
        /// What it may be instead.
        hint: &'static str,
    },
    /// Nothing stands in it, or too much.
    #[error("{0} holds no key, or more than {MAX_KEYS}")]
    Count(PathBuf),
    /// Nobody has one.
    #[error("no key can be made")]
    Random(#[from] io::Error),
}

/// All public keys in a file, one a line; `#` begins a comment.
pub fn read_recipients(path: &Path) -> Result<Vec<Recipient>, KeyError> {
    read(path, "public key", Recipient::parse)
}

/// All secret keys in a file, as `age-keygen` and `icapstan quarantine keygen` write it.
pub fn read_identities(path: &Path) -> Result<Vec<Identity>, KeyError> {
    read(path, "secret key", Identity::parse)
}

fn read<T>(path: &Path, what: &'static str, parse: fn(&str) -> Option<T>) -> Result<Vec<T>, KeyError> {
    let fault = |source| KeyError::Read { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    File::open(path).map_err(fault)?.take(MAX_FILE + 1).read_to_end(&mut bytes).map_err(fault)?;
    let text = String::from_utf8(bytes).ok().filter(|text| text.len() as u64 <= MAX_FILE);
    let text = text.ok_or_else(|| KeyError::NoText(path.to_owned()))?;
    let mut keys = Vec::new();
    for (line, text) in text.lines().enumerate() {
        let text = text.trim();
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        let line = line + 1;
        let fault = || KeyError::Line { path: path.to_owned(), line, what, hint: hint(text) };
        keys.push(parse(text).ok_or_else(fault)?);
        if keys.len() > MAX_KEYS {
            break;
        }
    }
    if (1..=MAX_KEYS).contains(&keys.len()) { Ok(keys) } else { Err(KeyError::Count(path.to_owned())) }
}

/// Never quotes what may be a secret.
fn hint(text: &str) -> &'static str {
    if text.to_ascii_lowercase().starts_with(SECRET) {
        "it looks like a secret key, which belongs with those who read, not here"
    } else if text.starts_with("age1") {
        "it looks like a public key that is damaged, too long, or of another kind"
    } else {
        "it looks like none at all"
    }
}

fn encode(prefix: &str, key: &Key) -> String {
    let prefix = Hrp::parse(prefix).expect("one of the two above");
    bech32::encode::<Bech32>(prefix, key).expect("52 characters are not too many")
}

fn decode(prefix: &str, text: &str) -> Option<Key> {
    let checked = CheckedHrpstring::new::<Bech32>(text).ok()?;
    let bytes: Vec<u8> = checked.byte_iter().collect();
    (checked.hrp().to_lowercase() == prefix).then_some(())?;
    Key::try_from(bytes).ok()
}

// === impl Recipient ===

impl Recipient {
    /// From `age1...`.
    pub fn parse(text: &str) -> Option<Self> {
        decode(PUBLIC, text).map(Self)
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&encode(PUBLIC, &self.0))
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Identity ===

impl Identity {
    /// A new one.
    pub fn generate() -> Result<Self, KeyError> {
        let fault = || io::Error::other("the system gives no random bytes");
        Ok(Self::new(random()?).ok_or_else(fault)?)
    }

    /// From `AGE-SECRET-KEY-1...`.
    pub fn parse(text: &str) -> Option<Self> {
        Self::new(decode(SECRET, text)?)
    }

    fn new(secret: Key) -> Option<Self> {
        let key = PrivateKey::from_private_key(&X25519, &secret).ok()?;
        let public = key.compute_public_key().ok()?;
        let recipient = Recipient(public.as_ref().try_into().ok()?);
        Some(Self { key, recipient, secret })
    }

    /// For whom to encrypt, so that this opens it.
    pub const fn recipient(&self) -> Recipient {
        self.recipient
    }

    /// The secret, as it is written in files.
    pub fn secret(&self) -> String {
        encode(SECRET, &self.secret).to_ascii_uppercase()
    }
}

impl fmt::Debug for Identity {
    /// Without the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Identity").field(&self.recipient).finish()
    }
}
