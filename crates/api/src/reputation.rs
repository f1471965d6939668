//! The service that is asked about URLs (`reputation`).

use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// Who is asked about URLs in no list, by services that scan `url` or `all`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ReputationSettings {
    /// Where the service is asked: `https://host/path`. Without it nobody is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// How long a message waits for an answer.
    #[serde(with = "crate::duration")]
    pub timeout: Duration,
    /// How many answers are remembered.
    pub cache_entries: u32,
    /// How long at most.
    #[serde(with = "crate::duration")]
    pub cache_ttl: Duration,
    /// Whether a message without an answer is one whose scan has failed.
    pub required: bool,
    /// Whether the path is told too, or the host only. Queries never are.
    pub send_path: bool,
    /// The certificates, in PEM, one of which has to have signed the service's. Default: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

/// Where a service is asked, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReputationEndpoint {
    /// `https`.
    pub is_secure: bool,
    /// The name, or the address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// As `Host` has it: with brackets, and with the port if that was written.
    pub authority: String,
    /// The path and the query.
    pub target: String,
}

// === impl ReputationSettings ===

impl ReputationSettings {
    /// Where to ask. `None`: nowhere, or the URL is none.
    pub fn endpoint(&self) -> Option<ReputationEndpoint> {
        ReputationEndpoint::parse(self.url.as_ref()?)
    }
}

impl Default for ReputationSettings {
    fn default() -> Self {
        Self {
            url: None,
            timeout: Duration::from_millis(100),
            cache_entries: 10_000,
            cache_ttl: Duration::from_mins(10),
            required: false,
            send_path: true,
            ca_file: None,
        }
    }
}

// === impl ReputationEndpoint ===

impl ReputationEndpoint {
    /// The longest URL, in bytes.
    pub const MAX_LEN: usize = 2048;

    /// From `http://host[:port][/path]` or the same with `https`. No user, no fragment.
    pub fn parse(text: &str) -> Option<Self> {
        let (is_secure, rest) = match (text.strip_prefix("https://"), text.strip_prefix("http://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let (authority, target) = rest.find(['/', '?']).map_or((rest, ""), |at| rest.split_at(at));
        let default = if is_secure { 443 } else { 80 };
        let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let (host, port) = match colon {
            Some(at) => {
                (bare_host(&authority[..at])?, authority[at + 1..].parse().ok().filter(|port| *port > 0)?)
            }
            None => (bare_host(authority)?, default),
        };
        let is_plain = |c: char| c.is_ascii_graphic() && !"\"<>\\^`{|}#".contains(c);
        let fits =
            (1..=253).contains(&host.len()) && text.len() <= Self::MAX_LEN && target.chars().all(is_plain);
        let target = if target.starts_with('/') { target.to_owned() } else { format!("/{target}") };
        fits.then(|| Self { is_secure, host, port, authority: authority.to_owned(), target })
    }
}

/// A name as it is, an address without its brackets.
fn bare_host(host: &str) -> Option<String> {
    if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']')?;
        return inner.parse::<std::net::Ipv6Addr>().ok().map(|_| inner.to_owned());
    }
    let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    host.chars().all(is_name).then(|| host.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, expected) in [
            ("https://rep.test/v1?k=1", Some((true, "rep.test", 443, "rep.test", "/v1?k=1"))),
            ("http://127.0.0.1:8080", Some((false, "127.0.0.1", 8080, "127.0.0.1:8080", "/"))),
            ("https://[::1]:9/x", Some((true, "::1", 9, "[::1]:9", "/x"))),
            ("https://[::1]", Some((true, "::1", 443, "[::1]", "/"))),
            ("http://h?x", Some((false, "h", 80, "h", "/?x"))),
            ("rep.test/v1", None),
            ("ftp://rep.test/", None),
            ("https://", None),
            ("https://ann:pw@rep.test/", None),
            ("https://rep.test:0/", None),
            ("https://rep.test:x/", None),
            ("https://[rep.test]/", None),
            ("https://rep.test/a#b", None),
            ("https://rep.test/a b", None),
            ("https://rep.test/\r\nX: y", None),
        ] {
            let found = ReputationEndpoint::parse(text);
            let found = found.as_ref().map(|it| {
                (it.is_secure, it.host.as_str(), it.port, it.authority.as_str(), it.target.as_str())
            });
            assert_eq!(found, expected, "{text}");
        }
    }
}
