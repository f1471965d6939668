//! The ICAP service tag (RFC 3507 section 4.7).

use crate::GenerationId;
use std::fmt;
use thiserror::Error;

/// Raised by one whenever a change to this program can change a verdict: it goes into every tag,
/// so that caching clients forget what an older program said.
pub const VERDICT_VERSION: u32 = 5;

/// 1 to 32 characters of `[A-Za-z0-9-]`: what the RFC's prose and its examples both allow.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct IsTag {
    len: u8,
    bytes: [u8; 32],
}

/// Why a text is no service tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IsTagError {
    /// Empty or longer than 32 characters.
    #[error("an ISTag has 1 to 32 characters, not {0}")]
    Length(usize),
    /// A character outside `[A-Za-z0-9-]`.
    #[error("an ISTag consists of letters, digits and hyphens, not {0:?}")]
    Character(char),
}

// === impl IsTag ===

impl IsTag {
    /// The tag of one service: equal for equal signatures, equal policy and equal program, on every
    /// replica and after every restart.
    pub fn derive(generation: &GenerationId, policy: &[u8; 32], service: &str) -> Self {
        Self::derive_for(VERDICT_VERSION, generation, policy, service)
    }

    /// The same of programs of another verdict version: whoever names tags for a fleet goes by what its
    /// processes say, not by what it is itself.
    pub fn derive_for(
        verdict_version: u32,
        generation: &GenerationId,
        policy: &[u8; 32],
        service: &str,
    ) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("icapstan ISTag v1");
        hasher.update(&generation.0);
        hasher.update(policy);
        hasher.update(&verdict_version.to_le_bytes());
        hasher.update(service.as_bytes());
        let digest = hasher.finalize();
        let mut text = String::with_capacity(32);
        text.push_str("ICS-");
        for byte in &digest.as_bytes()[..14] {
            use fmt::Write;
            let _ = write!(text, "{byte:02X}");
        }
        Self::new(&text).expect("4 + 28 characters of the allowed set")
    }

    /// Checks a tag that came from elsewhere.
    pub fn new(text: &str) -> Result<Self, IsTagError> {
        let count = text.chars().count();
        if !(1..=32).contains(&count) {
            return Err(IsTagError::Length(count));
        }
        if let Some(odd) = text.chars().find(|c| !(c.is_ascii_alphanumeric() || *c == '-')) {
            return Err(IsTagError::Character(odd));
        }
        let mut bytes = [0; 32];
        bytes[..count].copy_from_slice(text.as_bytes());
        Ok(Self { len: u8::try_from(count).expect("at most 32"), bytes })
    }

    /// Without the quotes.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[..usize::from(self.len)]).expect("checked to be ASCII")
    }
}

impl fmt::Display for IsTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for IsTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3507_4_7_tag_changes_with_signatures_policy_and_service_only() {
        let base = IsTag::derive(&GenerationId([1; 32]), &[2; 32], "respmod");
        assert_eq!(base, IsTag::derive(&GenerationId([1; 32]), &[2; 32], "respmod"));
        assert_ne!(base, IsTag::derive(&GenerationId([9; 32]), &[2; 32], "respmod"));
        assert_ne!(base, IsTag::derive(&GenerationId([1; 32]), &[9; 32], "respmod"));
        assert_ne!(base, IsTag::derive(&GenerationId([1; 32]), &[2; 32], "reqmod"));
        assert_eq!(base.as_str().len(), 32);
        let of = |version| IsTag::derive_for(version, &GenerationId([1; 32]), &[2; 32], "respmod");
        assert_eq!(of(VERDICT_VERSION), base);
        assert_ne!(of(VERDICT_VERSION + 1), base);
    }

    #[test]
    fn texts_that_are_no_tag_are_refused_with_the_cause() {
        assert_eq!(IsTag::new(""), Err(IsTagError::Length(0)));
        assert_eq!(IsTag::new(&"a".repeat(33)), Err(IsTagError::Length(33)));
        assert_eq!(IsTag::new("a\"b"), Err(IsTagError::Character('"')));
        assert_eq!(IsTag::new("ä"), Err(IsTagError::Character('ä')));
    }
}
