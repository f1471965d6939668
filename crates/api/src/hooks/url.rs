//! URLs that are called, and hosts that may be.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv6Addr;
use thiserror::Error;

/// An absolute URL without variables, user and fragment.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HookUrl {
    text: String,
    is_secured: bool,
    authority: Authority,
    /// Where path and query begin in `text`; at its end if there are none.
    path: usize,
}

/// A host that may be called, at one port or at those that `http` and `https` have by default.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HookHost(Authority);

/// Why such a URL cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HookUrlError {
    /// Relative, or of another scheme.
    #[error("is no absolute URL; begin with http:// or https:// and a host")]
    NotAbsolute,
    /// Longer than [`HookUrl::MAX`].
    #[error("is longer than 2048 bytes")]
    TooLong,
    /// A character that cannot stand in a URL.
    #[error("has {0:?}, which cannot stand there; variables are for arguments of programs only")]
    Character(char),
    /// A user or a password.
    #[error("has a user in front of its host")]
    User,
    /// A fragment.
    #[error("has a fragment, which no server gets")]
    Fragment,
    /// No host, or one that is none.
    #[error("has no host's name or IP address, with a port from 1 to 65535 or without one")]
    Authority,
}

/// Why such a host cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "is no host's name or IP address with or without a port, such as hooks.example or [2001:db8::1]:8443"
)]
pub struct HookHostError;

/// `host` or `host:port`; the host in lower case, an IPv6 address without brackets and as short as it can be.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Authority {
    host: String,
    port: Option<u16>,
}

// === impl HookUrl ===

impl HookUrl {
    /// No such URL is longer, in bytes.
    pub const MAX: usize = 2048;

    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is one of https.
    pub const fn is_secured(&self) -> bool {
        self.is_secured
    }

    /// The host in lower case, an IPv6 address without brackets.
    pub fn host(&self) -> &str {
        &self.authority.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.authority.port.unwrap_or(if self.is_secured { 443 } else { 80 })
    }

    /// What `Host` says.
    pub fn authority(&self) -> String {
        self.authority.to_string()
    }

    /// What a request asks for.
    pub fn path_and_query(&self) -> String {
        let rest = &self.text[self.path..];
        if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") }
    }
}

impl TryFrom<String> for HookUrl {
    type Error = HookUrlError;

    fn try_from(text: String) -> Result<Self, HookUrlError> {
        if text.len() > Self::MAX {
            return Err(HookUrlError::TooLong);
        }
        if let Some(odd) = text.chars().find(|c| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(*c)) {
            return Err(HookUrlError::Character(odd));
        }
        let (is_secured, start) = match &text {
            text if text.starts_with("https://") => (true, "https://".len()),
            text if text.starts_with("http://") => (false, "http://".len()),
            _ => return Err(HookUrlError::NotAbsolute),
        };
        if text.contains('#') {
            return Err(HookUrlError::Fragment);
        }
        let path = text[start..].find(['/', '?']).map_or(text.len(), |at| start + at);
        if text[start..path].contains('@') {
            return Err(HookUrlError::User);
        }
        let authority = Authority::parse(&text[start..path]).ok_or(HookUrlError::Authority)?;
        Ok(Self { text, is_secured, authority, path })
    }
}

impl From<HookUrl> for String {
    fn from(url: HookUrl) -> Self {
        url.text
    }
}

// === impl HookHost ===

impl HookHost {
    /// Whether it is the host of `url`, and the port too.
    pub fn allows(&self, url: &HookUrl) -> bool {
        let default = if url.is_secured { 443 } else { 80 };
        self.0.host == url.authority.host && self.0.port.unwrap_or(default) == url.port()
    }
}

impl TryFrom<String> for HookHost {
    type Error = HookHostError;

    fn try_from(text: String) -> Result<Self, HookHostError> {
        Authority::parse(&text).map(Self).ok_or(HookHostError)
    }
}

impl From<HookHost> for String {
    fn from(host: HookHost) -> Self {
        host.to_string()
    }
}

impl fmt::Display for HookHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

// === impl Authority ===

impl Authority {
    fn parse(text: &str) -> Option<Self> {
        let (host, port) = match text.strip_prefix('[') {
            Some(inner) => {
                let (address, rest) = inner.split_once(']')?;
                let port = if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) };
                (address.parse::<Ipv6Addr>().ok()?.to_string(), port)
            }
            None => match text.split_once(':') {
                Some((host, port)) => (host.to_ascii_lowercase(), Some(port)),
                None => (text.to_ascii_lowercase(), None),
            },
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_host = text.starts_with('[') || host.chars().all(is_name);
        let port = match port {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok().filter(|port| *port > 0)?)
            }
            Some(_) => return None,
            None => None,
        };
        (is_host && (1..=253).contains(&host.len())).then_some(Self { host, port })
    }
}

impl fmt::Display for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') { write!(f, "[{}]", self.host) } else { f.write_str(&self.host) }?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Result<HookUrl, HookUrlError> {
        HookUrl::try_from(text.to_owned())
    }

    fn host(text: &str) -> Result<HookHost, HookHostError> {
        HookHost::try_from(text.to_owned())
    }

    #[test]
    fn a_url_is_taken_apart() {
        for (text, secured, name, port, authority, path) in [
            ("http://Hooks.test", false, "hooks.test", 80, "hooks.test", "/"),
            ("https://h.test:8443/a?b=c", true, "h.test", 8443, "h.test:8443", "/a?b=c"),
            ("https://[2001:DB8::1]:1/", true, "2001:db8::1", 1, "[2001:db8::1]:1", "/"),
            ("https://h?x", true, "h", 443, "h", "/?x"),
        ] {
            let url = url(text).unwrap();
            assert_eq!((url.is_secured(), url.host(), url.port()), (secured, name, port), "{text}");
            assert_eq!((url.authority().as_str(), url.path_and_query().as_str()), (authority, path));
        }
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for (text, error) in [
            ("ftp://h/", HookUrlError::NotAbsolute),
            ("/x", HookUrlError::NotAbsolute),
            ("http:///x", HookUrlError::Authority),
            ("http://a:b/", HookUrlError::Authority),
            ("http://a:/", HookUrlError::Authority),
            ("http://a:0/", HookUrlError::Authority),
            ("http://a:+1/", HookUrlError::Authority),
            ("http://a%20b/", HookUrlError::Authority),
            ("http://ann@h/", HookUrlError::User),
            ("http://ok.test@evil.test/", HookUrlError::User),
            ("http://h/#x", HookUrlError::Fragment),
            ("http://{url}/", HookUrlError::Character('{')),
            ("http://h/ x", HookUrlError::Character(' ')),
            ("http://h\\@evil/", HookUrlError::Character('\\')),
        ] {
            assert_eq!(url(text), Err(error), "{text}");
        }
        assert_eq!(url(&format!("http://h/{}", "x".repeat(2048))), Err(HookUrlError::TooLong));
    }

    #[test]
    fn a_host_allows_its_own_urls_and_ports_only() {
        for (allowed, text, expected) in [
            ("hooks.test", "http://HOOKS.test/x", true),
            ("hooks.test", "https://hooks.test:443/x", true),
            ("hooks.test", "https://hooks.test:80/", false),
            ("hooks.test", "http://hooks.test:8080/", false),
            ("hooks.test:8080", "http://hooks.test:8080/", true),
            ("hooks.test:8080", "http://hooks.test/", false),
            ("hooks.test", "http://evil.hooks.test/", false),
            ("[2001:db8:0::1]:5", "http://[2001:DB8::1]:5/", true),
        ] {
            assert_eq!(host(allowed).unwrap().allows(&url(text).unwrap()), expected, "{allowed} {text}");
        }
        for wrong in ["", "http://h", "h/x", "*.h", "h:", "h:0", "h:70000", "2001:db8::1", "[x]:1", "a b"] {
            assert_eq!(host(wrong), Err(HookHostError), "{wrong}");
        }
    }
}
