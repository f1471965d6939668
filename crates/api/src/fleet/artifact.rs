//! Bytes that are named by what they are.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A SHA-256, written `sha256:` and 64 lower-case hexadecimal digits, as OCI does.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ContentDigest(pub [u8; 32]);

/// Why a text is no [`ContentDigest`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a digest is sha256: and 64 digits of 0-9 and a-f")]
pub struct ContentDigestError;

/// Bytes that the operator's artifact server has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "kube", derive(schemars::JsonSchema))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Artifact {
    /// What they are.
    pub digest: ContentDigest,
    /// How many there are.
    pub size: u64,
}

// === impl ContentDigest ===

impl ContentDigest {
    const PREFIX: &'static str = "sha256:";

    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The digits, without what names the algorithm: for file names.
    pub fn hex(&self) -> String {
        self.to_string().split_off(Self::PREFIX.len())
    }

    /// The first twelve digits: enough to tell revisions apart in names of objects and in columns.
    pub fn short(&self) -> String {
        let mut hex = self.hex();
        hex.truncate(12);
        hex
    }
}

impl fmt::Display for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ContentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ContentDigest {
    type Err = ContentDigestError;

    fn from_str(text: &str) -> Result<Self, ContentDigestError> {
        let hex = text.strip_prefix(Self::PREFIX).ok_or(ContentDigestError)?.as_bytes();
        if hex.len() != 64 {
            return Err(ContentDigestError);
        }
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            _ => Err(ContentDigestError),
        };
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            *byte = digit(pair[0])? << 4 | digit(pair[1])?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for ContentDigest {
    type Error = ContentDigestError;

    fn try_from(text: String) -> Result<Self, ContentDigestError> {
        text.parse()
    }
}

impl From<ContentDigest> for String {
    fn from(digest: ContentDigest) -> Self {
        digest.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_as_oci_does_and_reads_back() {
        let digest = ContentDigest::of(b"");
        let text = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(digest.to_string(), text);
        assert_eq!(text.parse(), Ok(digest));
        assert_eq!((digest.short().as_str(), digest.hex().len()), ("e3b0c44298fc", 64));
    }

    #[test]
    fn other_texts_are_no_digests() {
        let good = ContentDigest::of(b"").to_string();
        let odd = [&good[7..], &good[..70], &good.to_uppercase(), &format!("{good}0"), "sha256:é", ""];
        for text in odd {
            assert_eq!(text.parse::<ContentDigest>(), Err(ContentDigestError), "{text}");
        }
    }
}
