//! The head of a CVD, ClamAV's container of signatures.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// What the first 512 bytes of a `.cvd`, `.cld` or `.cud` say.
///
/// Nothing here is proven but [`Self::md5`], which whoever makes this compares. The RSA signature over it is checked by
/// libclamav when the file is loaded: it knows ClamAV's key, and a file with a wrong one is not loaded. So
/// [`Self::is_signed`] says that there is a signature, and not that it is a good one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CvdHeader {
    /// When it was built, as it is written there.
    pub built: String,
    /// The same as a time, if it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_at: Option<Timestamp>,
    /// One more with each release.
    pub version: u32,
    /// How many signatures there are.
    pub signatures: u32,
    /// What an engine has to be able to do for all of them.
    pub functionality_level: u32,
    /// The MD5 of what follows the head, in hexadecimal.
    pub md5: String,
    /// Whether there is something in the place of the signature.
    pub is_signed: bool,
    /// Who built it.
    pub builder: String,
}

/// Why bytes are no head of a CVD.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CvdHeaderError {
    /// It is too short for one.
    #[error("it has fewer than 512 bytes")]
    Short,
    /// It begins with something else.
    #[error("it does not begin with ClamAV-VDB")]
    Magic,
    /// It is damaged.
    #[error("its head has no {0}")]
    Field(&'static str),
}

const MAGIC: &str = "ClamAV-VDB:";

// === impl CvdHeader ===

impl CvdHeader {
    /// How long a head is.
    pub const LEN: usize = 512;

    /// Whether bytes begin as a CVD does.
    pub fn is_likely(bytes: &[u8]) -> bool {
        bytes.starts_with(MAGIC.as_bytes())
    }

    /// Reads the head of a file that begins so.
    pub fn parse(bytes: &[u8]) -> Result<Self, CvdHeaderError> {
        let head = bytes.get(..Self::LEN).ok_or(CvdHeaderError::Short)?;
        if !Self::is_likely(head) {
            return Err(CvdHeaderError::Magic);
        }
        let text = std::str::from_utf8(head).map_err(|_| CvdHeaderError::Field("plain text"))?;
        let text = text.trim_end_matches(['\n', '\r', ' ', '\0']);
        if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
            return Err(CvdHeaderError::Field("plain text"));
        }
        let mut fields = text[MAGIC.len()..].split(':');
        let mut field =
            |name| fields.next().filter(|field| !field.is_empty()).ok_or(CvdHeaderError::Field(name));
        let built = field("time")?.to_owned();
        let version = number(field("version")?, "version")?;
        let signatures = number(field("number of signatures")?, "number of signatures")?;
        let functionality_level = number(field("functionality level")?, "functionality level")?;
        let md5 = field("MD5")?.to_ascii_lowercase();
        if md5.len() != 32 || !md5.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(CvdHeaderError::Field("MD5"));
        }
        // sigtool writes an X where it does not sign. A signature is some hundred letters long.
        let is_signed = field("signature")?.len() > 32;
        let builder = field("builder")?.trim().to_owned();
        if builder.is_empty() {
            return Err(CvdHeaderError::Field("builder"));
        }
        let built_at = fields.next().and_then(|seconds| seconds.trim().parse().ok());
        let built_at = built_at.and_then(|seconds| Timestamp::from_second(seconds).ok());
        Ok(Self { built, built_at, version, signatures, functionality_level, md5, is_signed, builder })
    }
}

fn number(text: &str, name: &'static str) -> Result<u32, CvdHeaderError> {
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_err(|_| CvdHeaderError::Field(name))
    } else {
        Err(CvdHeaderError::Field(name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Vec<u8> {
        format!("{text:<512}").into_bytes()
    }

    const DAILY: &str = "ClamAV-VDB:16 Nov 2026 08-25 +0000:27100:2070000:90:F9825b3312138d99c41d61c43b6e8a55:\
        wlRqbKdEj5Dx1w6yyvJbDdMnVEN1s3Vj9N0rnHtnvOnWsAgxWvgZEoUcqMVYbGyE:raynman:1794817500";

    #[test]
    fn a_head_says_what_sigtool_shows() {
        let found = CvdHeader::parse(&head(DAILY)).unwrap();
        assert_eq!((found.version, found.signatures, found.functionality_level), (27100, 2_070_000, 90));
        assert_eq!((found.md5.as_str(), found.is_signed), ("f9825b3312138d99c41d61c43b6e8a55", true));
        assert_eq!((found.built.as_str(), found.builder.as_str()), ("16 Nov 2026 08-25 +0000", "raynman"));
        assert_eq!(found.built_at, Some("2026-11-16T08:25:00Z".parse().unwrap()));
        let old = CvdHeader::parse(&head(DAILY.rsplit_once(':').unwrap().0)).unwrap();
        assert_eq!((old.built_at, old.version), (None, 27100));
    }

    #[test]
    fn other_heads_are_none() {
        let wrong = |text: &str| CvdHeader::parse(&head(text)).unwrap_err();
        assert_eq!(CvdHeader::parse(DAILY.as_bytes()), Err(CvdHeaderError::Short));
        assert_eq!(wrong("<html>"), CvdHeaderError::Magic);
        assert_eq!(wrong(&DAILY.replace(":27100:", ":-7:")), CvdHeaderError::Field("version"));
        assert_eq!(wrong(&DAILY.replace(":27100:", "::")), CvdHeaderError::Field("version"));
        assert_eq!(wrong(&DAILY.replace(":27100:", ":99999999999:")), CvdHeaderError::Field("version"));
        assert_eq!(wrong(&DAILY.replace("6e8a55", "6e8a5x")), CvdHeaderError::Field("MD5"));
        assert_eq!(wrong(&DAILY.replace("6e8a55", "")), CvdHeaderError::Field("MD5"));
        assert_eq!(wrong("ClamAV-VDB:a:1:1:1"), CvdHeaderError::Field("MD5"));
        assert_eq!(wrong(&DAILY.replace("raynman", "r\u{1b}")), CvdHeaderError::Field("plain text"));
    }
}
