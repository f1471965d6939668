//! One canonical form for all spellings of a URL: the form of Safe Browsing, so that its lists and ours
//! share keys.
//!
//! ```text
//!  request: target + Host ─┐
//!  URL of a list ──────────┴─▶ authority ──▶ host (host.rs) ──┐
//!                          └─▶ path and query (path.rs) ──────┴─▶ "\0" host path [ "?" query ]
//! ```
//!
//! Scheme, user, port and fragment are dropped; escapes are undone until none is left, and then put back for
//! what must not stand bare. Rules and examples:
//! <https://developers.google.com/safe-browsing/v4/urls-hashing#canonicalization>. Where these are silent we
//! do as browsers do (<https://url.spec.whatwg.org/>), since they decide where a user ends up.
//!
//! Invariants
//! 1. Any bytes are taken without panic, in time and memory linear in the first [`MAX_URL`] of them.
//! 2. The form is ASCII without spaces and control characters, and its own canonical form.
//! 3. The host has no `/ ? # @ : \`, the path no `? #`: what is what can be told from the text alone.

mod escape;
mod host;
mod path;

use crate::entry::HOST_PREFIX;
use memchr::memmem;
use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;

/// Of longer URLs only so many bytes are read; see [`CanonicalUrl::is_cut`].
pub const MAX_URL: usize = 32 * 1024;

/// A URL in canonical form: `host/path` or `host/path?query`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct CanonicalUrl {
    /// [`HOST_PREFIX`] and the URL: every key of it is a slice of this.
    text: Vec<u8>,
    /// Where the host ends, and the path begins.
    host_end: usize,
    path_end: usize,
    ip: Option<IpAddr>,
    cut: bool,
}

/// Why there is no canonical form. None of these URLs can be fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// No host, neither in the URL nor beside it.
    #[error("no host")]
    NoHost,
    /// A host longer than any name can be.
    #[error("host too long")]
    LongHost,
    /// Something other than a number stands behind the host's colon.
    #[error("port is no number")]
    BadPort,
}

// === impl CanonicalUrl ===

impl CanonicalUrl {
    /// The canonical form of a URL as it stands in a list or in an address bar. The scheme may be missing:
    /// `host/path` and `host:8080` are understood.
    pub fn parse(url: &[u8]) -> Result<Self, UrlError> {
        let (url, cut) = bounded(trim(url));
        Self::of_absolute(url, cut, is_slash)
    }

    /// The canonical form of the URL that an HTTP request is about, from its method, its target as it
    /// stands in the request line (absolute, a path, `*`, or with CONNECT an authority), and its `Host`.
    ///
    /// As HTTP has it, an absolute target counts more than `Host`. CONNECT has no path: `/` is taken. And
    /// unlike in lists, no backslash ends the authority: browsers send none, and where others do
    /// (`http://this\@that/`), proxies go to what stands behind it.
    pub fn of_request(method: &[u8], target: &[u8], host: Option<&[u8]>) -> Result<Self, UrlError> {
        let (target, cut) = bounded(target);
        let host = host.map(trim).filter(|host| !host.is_empty());
        if method == b"CONNECT" {
            let scheme = |at: &usize| target[..*at].iter().all(|byte| is_scheme(*byte));
            let authority = match memmem::find(target, b"://").filter(scheme) {
                Some(at) => &target[at + 3..],
                None if target.is_empty() => host.unwrap_or_default(),
                None => target,
            };
            return Self::of_parts(split_authority(authority, is_rfc_slash).0, b"", false);
        }
        if let Some(host) = host
            && (target.starts_with(b"/") || after_scheme(&without_breaks(trim(target))).is_none())
        {
            let path = if target == b"*" { b"" } else { target };
            return Self::of_parts(
                split_authority(bounded(host).0, is_rfc_slash).0,
                &without_breaks(path),
                cut,
            );
        }
        if target.starts_with(b"/") || target == b"*" {
            return Err(UrlError::NoHost);
        }
        Self::of_absolute(trim(target), cut, is_rfc_slash)
    }

    /// The form of this host, with path `/`.
    pub(crate) fn of_host(host: &[u8]) -> Result<Self, UrlError> {
        Self::of_parts(bounded(trim(host)).0, b"", false)
    }

    fn of_absolute(url: &[u8], cut: bool, is_slash: fn(u8) -> bool) -> Result<Self, UrlError> {
        let url = without_breaks(url);
        let (authority, path) = split_authority(after_scheme(&url).unwrap_or(&url), is_slash);
        Self::of_parts(authority, path, cut)
    }

    fn of_parts(authority: &[u8], path: &[u8], cut: bool) -> Result<Self, UrlError> {
        let authority = without_breaks(authority);
        let mut text = Vec::with_capacity(2 + authority.len() + path.len());
        text.push(HOST_PREFIX);
        let ip = host::push(host_of(&authority)?, &mut text)?;
        let host_end = text.len();
        let path_end = path::push(path, &mut text);
        Ok(Self { text, host_end, path_end, ip, cut })
    }

    /// The host: a name in lower case and punycode, or an address (IPv6 in brackets).
    pub fn host(&self) -> &str {
        ascii(&self.text[1..self.host_end])
    }

    /// The address, if the host is one; IPv4 addresses that are written as IPv6 (mapped, NAT64) are IPv4.
    pub fn ip(&self) -> Option<IpAddr> {
        self.ip
    }

    /// The path; it begins with a slash.
    pub fn path(&self) -> &str {
        ascii(&self.text[self.host_end..self.path_end])
    }

    /// What follows the first question mark, if there is one.
    pub fn query(&self) -> Option<&str> {
        self.text.get(self.path_end + 1..).map(ascii)
    }

    /// All of it: `host/path?query`.
    pub fn as_str(&self) -> &str {
        ascii(&self.text[1..])
    }

    /// Whether the URL was longer than [`MAX_URL`]. Its end is missing then, so that it is looked up under
    /// its host, its folders and, if the query was cut, its path, but not under itself.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// [`HOST_PREFIX`] and the text, where its host ends, and where its path ends.
    pub(crate) fn raw(&self) -> (&[u8], usize, usize) {
        (&self.text, self.host_end, self.path_end)
    }
}

impl fmt::Display for CanonicalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for CanonicalUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CanonicalUrl").field(&self.as_str()).finish()
    }
}

/// The text as such; everything else has been escaped.
fn ascii(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("all else is escaped")
}

/// The first [`MAX_URL`] bytes, and whether there are more.
fn bounded(bytes: &[u8]) -> (&[u8], bool) {
    (&bytes[..bytes.len().min(MAX_URL)], bytes.len() > MAX_URL)
}

/// Without spaces and control characters around it.
fn trim(bytes: &[u8]) -> &[u8] {
    let start = bytes.iter().position(|&byte| byte > b' ').unwrap_or(bytes.len());
    let end = bytes.iter().rposition(|&byte| byte > b' ').map_or(start, |at| at + 1);
    &bytes[start..end]
}

/// Without tabs and line breaks, which browsers drop wherever they stand.
fn without_breaks(bytes: &[u8]) -> Cow<'_, [u8]> {
    match memchr::memchr3(b'\t', b'\r', b'\n', bytes) {
        None => Cow::Borrowed(bytes),
        Some(_) => bytes.iter().copied().filter(|byte| !matches!(byte, b'\t' | b'\r' | b'\n')).collect(),
    }
}

/// What follows scheme and slashes; [`None`] if there is no scheme. Browsers take any number of slashes, and
/// backslashes too, after the schemes that they know best.
fn after_scheme(url: &[u8]) -> Option<&[u8]> {
    let colon = url.iter().position(|byte| !is_scheme(*byte))?;
    let (scheme, rest) = (&url[..colon], url[colon..].strip_prefix(b":")?);
    if [&b"http"[..], b"https", b"ws", b"wss", b"ftp"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
    {
        let slashes = rest.iter().take_while(|&&byte| is_slash(byte)).count();
        return Some(&rest[slashes..]);
    }
    rest.strip_prefix(b"//").filter(|_| scheme.first().is_some_and(u8::is_ascii_alphabetic))
}

/// Whether a byte may stand in the name of a scheme (RFC 3986 section 3.1).
fn is_scheme(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"+-.".contains(&byte)
}

/// Authority and what follows it.
fn split_authority(rest: &[u8], is_slash: fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = rest.iter().position(|&byte| is_slash(byte) || byte == b'?' || byte == b'#');
    rest.split_at(end.unwrap_or(rest.len()))
}

/// The host of an authority, without user and port.
fn host_of(authority: &[u8]) -> Result<&[u8], UrlError> {
    let user = memchr::memrchr(b'@', authority).map_or(0, |at| at + 1);
    let authority = &authority[user..];
    let end_of_literal = if authority.starts_with(b"[") { memchr::memchr(b']', authority) } else { None };
    let name_at = end_of_literal.unwrap_or(0);
    let (host, port) = match memchr::memchr(b':', &authority[name_at..]) {
        None => (authority, &b""[..]),
        Some(colon) => (&authority[..name_at + colon], &authority[name_at + colon + 1..]),
    };
    if port.iter().all(u8::is_ascii_digit) {
        Ok(host)
    } else if host::is_bare_ipv6(authority) {
        Ok(authority)
    } else {
        Err(UrlError::BadPort)
    }
}

/// What browsers take for a slash.
fn is_slash(byte: u8) -> bool {
    byte == b'/' || byte == b'\\'
}

/// What RFC 3986 takes for one.
fn is_rfc_slash(byte: u8) -> bool {
    byte == b'/'
}

#[cfg(test)]
mod tests;
