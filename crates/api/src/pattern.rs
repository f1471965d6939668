//! Patterns of hosts, URLs and names in rules.

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Text with `*` for any characters, also none; everything else stands for itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Glob {
    text: String,
    /// Where the first and the last wildcard stand, if there is one.
    stars: Option<(u16, u16)>,
}

/// A host: `example.com` is that one, `*.example.com` are all below it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern {
    /// In lower case, without the wildcard.
    name: String,
    below: bool,
}

/// Why a pattern cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// Nothing is matched.
    #[error("is empty")]
    Empty,
    /// Longer than [`Glob::MAX`].
    #[error("is longer than 1024 bytes")]
    TooLong,
    /// More than [`Glob::MAX_STARS`].
    #[error("has more than 16 wildcards")]
    TooMany,
    /// Not a host.
    #[error("is no host; write example.com, or *.example.com for all below it")]
    NoHost,
}

// === impl Glob ===

impl Glob {
    /// No pattern is longer, in bytes.
    pub const MAX: usize = 1024;
    /// No pattern has more wildcards.
    pub const MAX_STARS: usize = 16;

    /// The pattern as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it stands for `text`. At worst in time of both lengths multiplied.
    pub fn matches(&self, text: &str) -> bool {
        self.matches_by(text, |a, b| a == b)
    }

    /// The same, whether ASCII letters are upper or lower case.
    pub fn matches_ignoring_case(&self, text: &str) -> bool {
        self.matches_by(text, |a, b| a.eq_ignore_ascii_case(&b))
    }

    /// The front and the end are fixed; each piece between two wildcards is taken where it comes first,
    /// since whatever comes later could only be harder to match.
    fn matches_by(&self, text: &str, equal: impl Fn(u8, u8) -> bool) -> bool {
        let (text, pattern) = (text.as_bytes(), self.text.as_bytes());
        // From the right, where names and addresses differ most.
        let same = |part: &[u8], piece: &[u8]| {
            part.len() == piece.len() && part.iter().zip(piece).rev().all(|(a, b)| equal(*a, *b))
        };
        let Some((first, last)) = self.stars else { return same(text, pattern) };
        let (first, last) = (usize::from(first), usize::from(last));
        let (front, end) = (&pattern[..first], &pattern[last + 1..]);
        if text.len() < front.len() + end.len()
            || !same(&text[text.len() - end.len()..], end)
            || !same(&text[..front.len()], front)
        {
            return false;
        }
        let mut rest = &text[front.len()..text.len() - end.len()];
        let pieces = pattern[first..last].split(|byte| *byte == b'*');
        for piece in pieces.filter(|piece| !piece.is_empty()) {
            let Some(at) = rest.windows(piece.len()).position(|window| same(window, piece)) else {
                return false;
            };
            rest = &rest[at + piece.len()..];
        }
        true
    }
}

impl TryFrom<String> for Glob {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        match text.len() {
            0 => Err(PatternError::Empty),
            len if len > Self::MAX => Err(PatternError::TooLong),
            _ if text.matches('*').count() > Self::MAX_STARS => Err(PatternError::TooMany),
            _ => {
                let star = |at: usize| u16::try_from(at).expect("no longer than MAX");
                let stars =
                    text.find('*').zip(text.rfind('*')).map(|(first, last)| (star(first), star(last)));
                Ok(Self { text, stars })
            }
        }
    }
}

impl From<Glob> for String {
    fn from(glob: Glob) -> Self {
        glob.text
    }
}

// === impl HostPattern ===

impl HostPattern {
    /// Whether it stands for `host`, which is in lower case, without a port or a dot at its end.
    pub fn matches(&self, host: &str) -> bool {
        if !self.below {
            return host == self.name;
        }
        // The dot first: at most hosts there is none at that place.
        let (host, name) = (host.as_bytes(), self.name.as_bytes());
        host.len() > name.len() + 1 && host[host.len() - name.len() - 1] == b'.' && host.ends_with(name)
    }
}

impl TryFrom<String> for HostPattern {
    type Error = PatternError;

    fn try_from(text: String) -> Result<Self, PatternError> {
        let below = text.strip_prefix("*.");
        let name = below.unwrap_or(&text);
        if name.is_empty() {
            return Err(PatternError::Empty);
        }
        // Names, and addresses as they stand in a URL.
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
        if name.len() > 255 || !name.chars().all(allowed) || name.starts_with('.') || name.ends_with('.') {
            return Err(PatternError::NoHost);
        }
        Ok(Self { name: name.to_ascii_lowercase(), below: below.is_some() })
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.to_string()
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let front = if self.below { "*." } else { "" };
        write!(f, "{front}{}", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn glob(text: &str) -> Glob {
        Glob::try_from(text.to_owned()).unwrap()
    }

    fn host(text: &str) -> Result<HostPattern, PatternError> {
        HostPattern::try_from(text.to_owned())
    }

    #[test]
    fn a_star_is_any_text_and_all_else_is_itself() {
        for (pattern, text, matches) in [
            ("abc", "abc", true),
            ("abc", "abcd", false),
            ("abc", "ABC", false),
            ("*", "", true),
            ("a*", "a", true),
            ("*.exe", "x.exe", true),
            ("*.exe", "x.exe?", false),
            ("a*a", "a", false),
            ("a*b*a", "aba", true),
            ("*ab*ab*", "ab", false),
            ("*ab*ab*", "xabyabz", true),
            ("a?c", "abc", false),
            ("http*://h/*", "https://h/x", true),
        ] {
            assert_eq!(glob(pattern).matches(text), matches, "{pattern} {text}");
        }
        assert!(glob("ANN*").matches_ignoring_case("annabel"));
        assert_eq!(Glob::try_from(String::new()), Err(PatternError::Empty));
        assert_eq!(Glob::try_from("a".repeat(1025)), Err(PatternError::TooLong));
        assert_eq!(Glob::try_from("*".repeat(17)), Err(PatternError::TooMany));
    }

    #[test]
    fn a_wildcard_host_is_what_lies_below_it_and_never_what_only_ends_alike() {
        let (one, below) = (host("Example.COM").unwrap(), host("*.example.com").unwrap());
        for (name, is_one, is_below) in [
            ("example.com", true, false),
            ("www.example.com", false, true),
            ("a.b.example.com", false, true),
            ("badexample.com", false, false),
            (".example.com", false, false),
            ("example.com.evil.test", false, false),
        ] {
            assert_eq!((one.matches(name), below.matches(name)), (is_one, is_below), "{name}");
        }
        assert!(host("192.0.2.1").unwrap().matches("192.0.2.1"));
        for wrong in ["*", "*.", "a*b.com", "http://x", "x/y", "x.", ".x", "ex ample"] {
            assert!(host(wrong).is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn a_pattern_made_from_a_text_matches_it(
            text in "[ab.]{0,12}",
            stars in proptest::collection::vec((0..13usize, 0..13usize), 0..4),
        ) {
            // Any stretch may be replaced by a star.
            let mut pattern = text.clone();
            for (from, to) in stars {
                let (from, to) = (from.min(pattern.len()), to.min(pattern.len()));
                pattern.replace_range(from.min(to)..from.max(to), "*");
            }
            prop_assume!(!pattern.is_empty());
            prop_assert!(glob(&pattern).matches(&text), "{} {}", pattern, text);
        }
    }
}
