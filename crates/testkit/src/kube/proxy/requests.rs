//! Requests as a test tells them apart.

use http::Uri;
use std::time::Instant;

/// Which requests are meant. All, until it is narrowed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Which {
    verb: Option<String>,
    prefix: String,
    part: String,
}

/// A request that came.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its method, or `WATCH` for a GET that is one.
    pub verb: String,
    /// Its path, without the query.
    pub path: String,
    /// The query, where there is one.
    pub query: String,
    /// When it had come wholly.
    pub at: Instant,
    /// The status that it was answered with; none as long as it is not, or if it never was.
    pub answer: Option<u16>,
}

// === impl Which ===

impl Which {
    /// All requests.
    pub fn all() -> Self {
        Self::default()
    }

    /// Those with this method; `WATCH` for watches, which are no `GET` here.
    pub fn verb(verb: &str) -> Self {
        Self { verb: Some(verb.to_owned()), ..Self::default() }
    }

    /// Of these the ones whose path begins so.
    #[must_use]
    pub fn under(self, prefix: &str) -> Self {
        Self { prefix: prefix.to_owned(), ..self }
    }

    /// Of these the ones whose path has this in it, such as `/leases`.
    #[must_use]
    pub fn containing(self, part: &str) -> Self {
        Self { part: part.to_owned(), ..self }
    }

    pub(super) fn has(&self, seen: &Seen) -> bool {
        self.verb.as_ref().is_none_or(|verb| *verb == seen.verb)
            && seen.path.starts_with(&self.prefix)
            && seen.path.contains(&self.part)
    }
}

// === impl Seen ===

impl Seen {
    pub(super) fn new(method: &http::Method, uri: &Uri) -> Self {
        let query = uri.query().unwrap_or_default();
        let is_watch = *method == http::Method::GET
            && query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1"));
        let verb = if is_watch { "WATCH".to_owned() } else { method.to_string() };
        Self { verb, path: uri.path().to_owned(), query: query.to_owned(), at: Instant::now(), answer: None }
    }

    /// Whether it is a watch.
    pub fn is_watch(&self) -> bool {
        self.verb == "WATCH"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Method;

    #[test]
    fn a_watch_is_no_get() {
        let get = |uri: &'static str| Seen::new(&Method::GET, &Uri::from_static(uri));
        let watch = get("/api/v1/namespaces/a/pods?resourceVersion=1&watch=true");
        assert!(Which::verb("WATCH").has(&watch) && !Which::verb("GET").has(&watch));
        let list = get("/api/v1/namespaces/a/pods?watchful=true");
        assert!(Which::verb("GET").under("/api/v1/").containing("/pods").has(&list));
        assert!(!Which::all().under("/apis/").has(&list) && !Which::all().containing("/leases").has(&list));
    }
}
