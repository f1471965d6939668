//! Names, addresses and ranges as lists write them.

use super::report::Reason;
use crate::canonical::CanonicalUrl;
use std::net::IpAddr;

/// What can stand where a host is expected.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A name in canonical form.
    Name(String),
    Address(IpAddr),
}

/// `host:port/path` in its parts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place<'a> {
    pub(super) host: &'a [u8],
    pub(super) path: &'a [u8],
    pub(super) port: bool,
}

/// A host name that there can be, in canonical form, or an address in its usual spelling. A bare number is
/// neither, though a URL may have one for its host: in a list it is something else that went astray.
pub(super) fn name(text: &[u8]) -> Result<Name, Reason> {
    if let Some(ip) = address(text) {
        return Ok(Name::Address(ip));
    }
    if text.iter().any(|byte| b"/\\?#@:%[]".contains(byte) || byte.is_ascii_whitespace()) {
        return Err(Reason::BadName);
    }
    let url = CanonicalUrl::of_host(text).map_err(|_| Reason::BadName)?;
    let host = url.host();
    if url.ip().is_some() || host.len() > 253 || !host.split('.').all(is_label) {
        return Err(Reason::BadName);
    }
    Ok(Name::Name(host.to_owned()))
}

/// An address in its usual spelling, IPv6 with or without brackets.
pub(super) fn address(text: &[u8]) -> Option<IpAddr> {
    let text = text.strip_prefix(b"[").and_then(|text| text.strip_suffix(b"]")).unwrap_or(text);
    // As the canonical form has it: IPv4 in the clothes of IPv6 is IPv4.
    let ip: IpAddr = std::str::from_utf8(text).ok()?.parse().ok()?;
    match ip {
        IpAddr::V4(_) => Some(ip),
        IpAddr::V6(_) => CanonicalUrl::of_host(text).ok()?.ip(),
    }
}

/// `address/bits`.
pub(super) fn range(text: &[u8]) -> Option<(IpAddr, u8)> {
    let slash = memchr::memchr(b'/', text)?;
    let ip = std::str::from_utf8(&text[..slash]).ok()?.parse().ok()?;
    let prefix = &text[slash + 1..];
    if prefix.len() > 3 || !prefix.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some((ip, std::str::from_utf8(prefix).ok()?.parse().ok()?))
}

/// The parts of `host:port/path`.
pub(super) fn place(text: &[u8]) -> Place<'_> {
    let end = text.iter().position(|byte| b"/?".contains(byte)).unwrap_or(text.len());
    let (host, path) = text.split_at(end);
    if address(host).is_none()
        && let Some(colon) = memchr::memrchr(b':', host)
        && host[colon + 1..].iter().all(u8::is_ascii_digit)
    {
        return Place { host: &host[..colon], path, port: true };
    }
    Place { host, path, port: false }
}

/// Whether the text begins with a scheme.
pub(super) fn has_scheme(text: &[u8]) -> bool {
    without_scheme(text).len() < text.len()
}

/// What follows the scheme; all of it if there is none.
pub(super) fn without_scheme(text: &[u8]) -> &[u8] {
    let is_scheme =
        |scheme: &[u8]| scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte));
    match memchr::memmem::find(text, b"://") {
        Some(at) if at > 0 && is_scheme(&text[..at]) => &text[at + 3..],
        _ => text,
    }
}

fn is_label(label: &str) -> bool {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
    (1..=63).contains(&label.len()) && label.as_bytes().iter().all(plain)
}
