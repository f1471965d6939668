//! Types of bodies in conditions.

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// `image/png`, `image/*` or `*/*`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MediaRange {
    text: String,
}

/// Why a text is no type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("is no type; write image/png, image/* or */*")]
pub struct MediaRangeError;

// === impl MediaRange ===

impl MediaRange {
    /// Whether a body of this type is meant.
    pub fn includes(&self, media_type: &str) -> bool {
        match self.text.strip_suffix('*') {
            Some("*/") => true,
            Some(front) => media_type.starts_with(front),
            None => media_type == self.text,
        }
    }

    /// The type, if it is one and no range.
    pub fn exact(&self) -> Option<&str> {
        Some(self.text.as_str()).filter(|text| !text.ends_with('*'))
    }

    /// As it was written, in lower case.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl TryFrom<String> for MediaRange {
    type Error = MediaRangeError;

    fn try_from(mut text: String) -> Result<Self, MediaRangeError> {
        // RFC 6838 section 4.2.
        let is_name = |name: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "!#$&-^_.+".contains(c);
            (1..=127).contains(&name.len())
                && name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.chars().all(allowed)
        };
        let (top, sub) = text.split_once('/').ok_or(MediaRangeError)?;
        let is_right = match (top, sub) {
            ("*", sub) => sub == "*",
            (top, "*") => is_name(top),
            (top, sub) => is_name(top) && is_name(sub),
        };
        text.make_ascii_lowercase();
        if is_right { Ok(Self { text }) } else { Err(MediaRangeError) }
    }
}

impl From<MediaRange> for String {
    fn from(range: MediaRange) -> Self {
        range.text
    }
}

impl fmt::Display for MediaRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> Result<MediaRange, MediaRangeError> {
        MediaRange::try_from(text.to_owned())
    }

    #[test]
    fn a_star_is_any_type_of_a_kind_and_nothing_else() {
        for (text, media_type, includes) in [
            ("image/png", "image/png", true),
            ("IMAGE/PNG", "image/png", true),
            ("image/png", "image/jpeg", false),
            ("image/*", "image/svg+xml", true),
            ("image/*", "imagery/x", false),
            ("image/*", "application/octet-stream", false),
            ("*/*", "application/octet-stream", true),
        ] {
            assert_eq!(range(text).unwrap().includes(media_type), includes, "{text} {media_type}");
        }
        for wrong in
            ["", "*", "image", "image/", "/png", "*/png", "im*/png", "image/p*", "a/b/c", "a/b; c=d", "a b/c"]
        {
            assert_eq!(range(wrong), Err(MediaRangeError), "{wrong}");
        }
    }
}
