//! Hosts: names in lower case and punycode, addresses in their one usual spelling.

use super::UrlError;
use super::escape;
use idna::AsciiDenyList;
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// No host is longer, escaped as it stands in the canonical form. Names have up to 253 bytes.
const MAX_LEN: usize = 1024;

/// Appends the canonical form of a host, which stands without user and port. Yields its address, if it is one.
pub(super) fn push(raw: &[u8], text: &mut Vec<u8>) -> Result<Option<IpAddr>, UrlError> {
    let start = text.len();
    escape::decode(raw, text);
    if text.len() - start > MAX_LEN {
        return Err(UrlError::LongHost);
    }
    text[start..].make_ascii_lowercase();
    trim_dots(text, start);
    if !text[start..].is_ascii() {
        // What IDNA refuses stays as it is, to be escaped; nobody can have such a name.
        if let Ok(name) = idna::domain_to_ascii_cow(&text[start..], AsciiDenyList::URL) {
            let name = name.into_owned();
            text.truncate(start);
            text.extend_from_slice(name.as_bytes());
            trim_dots(text, start);
        }
    }
    if text.len() == start {
        return Err(UrlError::NoHost);
    }
    let ip = address(&text[start..]);
    if let Some(ip) = ip {
        text.truncate(start);
        push_address(ip, text);
    } else {
        escape::encode(text, start, |byte| escape::is_special(byte) || b"/\\?@:[]".contains(&byte));
        if text.len() - start > MAX_LEN {
            return Err(UrlError::LongHost);
        }
    }
    Ok(ip)
}

/// Whether this is an IPv6 address without its brackets.
pub(super) fn is_bare_ipv6(text: &[u8]) -> bool {
    ipv6(text).is_some()
}

/// Drops dots at either end, and all but one of several in a row.
fn trim_dots(text: &mut Vec<u8>, start: usize) {
    let host = &text[start..];
    let usual = host.first() != Some(&b'.')
        && host.last() != Some(&b'.')
        && !host.windows(2).any(|pair| pair == [b'.', b'.']);
    if usual {
        return;
    }
    let mut end = start;
    for at in start..text.len() {
        let byte = text[at];
        if byte != b'.' || (end > start && text[end - 1] != b'.') {
            text[end] = byte;
            end += 1;
        }
    }
    text.truncate(end);
    if text[start..].last() == Some(&b'.') {
        text.pop();
    }
}

fn push_address(ip: IpAddr, text: &mut Vec<u8>) {
    let written = match ip {
        IpAddr::V4(ip) => write!(text, "{ip}"),
        IpAddr::V6(ip) => write!(text, "[{ip}]"),
    };
    written.expect("a vector takes all");
}

/// The address that a host stands for.
fn address(host: &[u8]) -> Option<IpAddr> {
    let literal = host.strip_prefix(b"[").and_then(|host| host.strip_suffix(b"]"));
    match ipv6(literal.unwrap_or(host)) {
        Some(ip) => Some(unwrapped(ip)),
        None => ipv4(host).map(IpAddr::V4),
    }
}

fn ipv6(text: &[u8]) -> Option<Ipv6Addr> {
    if !text.contains(&b':') {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// IPv4 addresses in the clothes of IPv6: mapped ones, and those of NAT64 (RFC 6052, 2.1).
fn unwrapped(ip: Ipv6Addr) -> IpAddr {
    match ip.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Ipv4Addr::from(u32::from(high) << 16 | u32::from(low)).into()
        }
        _ => ip.into(),
    }
}

/// IPv4 addresses as browsers read them: one to four numbers, decimal, octal or hexadecimal, of which the
/// last one fills what the others left.
fn ipv4(host: &[u8]) -> Option<Ipv4Addr> {
    // Names end in a letter, all but a few; and the last part of an address begins with a digit.
    let last = memchr::memrchr(b'.', host).map_or(0, |at| at + 1);
    if !host.get(last)?.is_ascii_digit() {
        return None;
    }
    let mut parts = [0; 4];
    let mut count = 0;
    for part in host.split(|&byte| byte == b'.') {
        *parts.get_mut(count)? = number(part)?;
        count += 1;
    }
    let (&last, first) = parts[..count].split_last()?;
    let room = 8 * (4 - first.len());
    if u64::from(last) >> room != 0 || first.iter().any(|&part| part > 255) {
        return None;
    }
    let first = first.iter().enumerate().fold(0, |address, (nth, &part)| address | part << (24 - 8 * nth));
    Some(Ipv4Addr::from(first | last))
}

fn number(part: &[u8]) -> Option<u32> {
    let (digits, radix) = match part {
        [b'0', b'x', digits @ ..] => (digits, 16),
        [b'0', digits @ ..] => (digits, 8),
        [] => return None,
        digits => (digits, 10),
    };
    digits.iter().try_fold(0_u32, |value, &byte| {
        value.checked_mul(radix)?.checked_add(char::from(byte).to_digit(radix)?)
    })
}
