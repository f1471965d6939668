//! What an artifact is called.

use icapstan_api::fleet::ContentDigest;
use std::str::FromStr;
use thiserror::Error;

/// `registry.example:5000/team/signatures:daily@sha256:...`: who has it, what it is called there, and which one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// Host and port, if it has one.
    pub registry: String,
    /// The name there.
    pub repository: String,
    /// Which one, by a name that may come to mean another.
    pub tag: Option<String>,
    /// Which one for ever.
    pub digest: Option<ContentDigest>,
}

/// Why a text is no reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "an artifact is REGISTRY/NAME:TAG, REGISTRY/NAME@sha256:DIGITS or both; the registry is always written"
)]
pub struct ReferenceError;

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        if text.len() > 512 {
            return Err(ReferenceError);
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse().map_err(|_| ReferenceError)?)),
            None => (text, None),
        };
        let (registry, rest) = rest.split_once('/').ok_or(ReferenceError)?;
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        let is_known = tag.is_some() || digest.is_some();
        if !is_known || !is_registry(registry) || !is_repository(repository) || !tag.is_none_or(is_tag) {
            return Err(ReferenceError);
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

// === impl Reference ===

impl Reference {
    /// What is asked for: the digest if there is one.
    pub(super) fn wanted(&self) -> String {
        let digest = self.digest.map(|digest| digest.to_string());
        digest.or_else(|| self.tag.clone()).unwrap_or_default()
    }
}

/// A name with a dot or a port, or `localhost`: without that it would be a name on somebody's default registry.
fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (text, None),
    };
    let is_host = !host.is_empty()
        && host.len() <= 253
        && !host.starts_with(['-', '.'])
        && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-'));
    let is_port = port.is_none_or(|port| {
        port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    is_host && is_port && (host.contains('.') || port.is_some() || host == "localhost")
}

fn is_repository(text: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|c: char| c.is_ascii_alphanumeric())
            && part.ends_with(|c: char| c.is_ascii_alphanumeric())
            && !part.contains("..")
            && part.bytes().all(|byte| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-')
            })
    };
    text.len() <= 255 && text.split('/').all(is_part)
}

fn is_tag(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_name_their_registry_and_which_one() {
        let digest = ContentDigest::of(b"");
        let one: Reference = format!("ghcr.io/a/b_c:v1@{digest}").parse().unwrap();
        assert_eq!((one.registry.as_str(), one.repository.as_str()), ("ghcr.io", "a/b_c"));
        assert_eq!(
            (one.tag.as_deref(), one.digest, one.wanted()),
            (Some("v1"), Some(digest), digest.to_string())
        );
        for good in ["localhost/a:b", "r:5000/a:b", "10.0.0.1:1/a/b/c:D.e-f", "r.example/a:1"] {
            assert!(good.parse::<Reference>().is_ok(), "{good}");
        }
        for wrong in [
            "",
            "a:b",
            "library/a:b",
            "r.example/a",
            "r.example/A:b",
            "r.example/a:",
            "r.example/a:-b",
            "r.example/../a:b",
            "r.example/a//b:c",
            "r.example:0/a:b",
            "r.example:99999/a:b",
            "r.example/a@sha256:1",
            "http://r.example/a:b",
            "u@r.example/a:b",
            "r.example/a..b:c",
            "r.example/a/:b",
            "[::1]:5/a:b",
        ] {
            assert_eq!(wrong.parse::<Reference>(), Err(ReferenceError), "{wrong}");
        }
    }
}
