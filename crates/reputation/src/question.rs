//! What a service is asked.

use icapstan_urls::CanonicalUrl;
use serde::Serialize;

/// A URL, as much of it as the service may know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Question {
    /// Its canonical form: host and path, without scheme, port, user, query and fragment.
    pub url: String,
    /// Its host.
    pub host: String,
}

// === impl Question ===

impl Question {
    /// About `url`; without its path unless `send_path`.
    pub fn of(url: &CanonicalUrl, send_path: bool) -> Self {
        let host = url.host().to_owned();
        let path = if send_path { url.path() } else { "/" };
        Self { url: format!("{host}{path}"), host }
    }

    /// What tells it from other questions.
    pub(crate) fn key(&self) -> Key {
        *blake3::hash(self.url.as_bytes()).as_bytes()
    }
}

/// Of a question, always of the same size.
pub(crate) type Key = [u8; 32];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_private_is_told() {
        let url = b"https://ann:secret@WWW.o.test:8443/a/../b%20c;s=1?token=x#top";
        let url = CanonicalUrl::parse(url).unwrap();
        let question = Question::of(&url, true);
        assert_eq!((question.url.as_str(), question.host.as_str()), ("www.o.test/b%20c;s=1", "www.o.test"));
        assert_eq!(Question::of(&url, false).url, "www.o.test/");
    }
}
