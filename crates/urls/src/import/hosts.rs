//! Hosts files: `0.0.0.0 name name # comment`.

use super::out::Out;
use super::report::Reason;
use crate::entry::Action;
use std::net::IpAddr;

/// Names that such files map to their usual addresses, for the sake of those who install them as they are.
const LOCAL: [&str; 13] = [
    "localhost",
    "localhost.localdomain",
    "localhost4",
    "localhost6",
    "local",
    "broadcasthost",
    "ip6-localhost",
    "ip6-loopback",
    "ip6-localnet",
    "ip6-mcastprefix",
    "ip6-allnodes",
    "ip6-allrouters",
    "ip6-allhosts",
];

pub(super) fn line(line: &[u8], out: &mut Out) -> Result<(), Reason> {
    let line = &line[..memchr::memchr(b'#', line).unwrap_or(line.len())];
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let Some(address) = words.next() else { return Ok(()) };
    let mut words = words.peekable();
    words.peek().ok_or(Reason::Malformed)?;
    let mut names = words.filter(|name| !is_local(name)).peekable();
    let address = ip(address).ok_or(Reason::BadAddress)?;
    if names.peek().is_some() && !is_sink(address) {
        return Err(Reason::RealAddress);
    }
    for name in names {
        // Such files also block addresses by mapping them to themselves: `0.0.0.0 0.0.0.0`.
        if ip(name).is_some_and(is_sink) {
            continue;
        }
        if let Err(reason) = out.host(name, Action::Block) {
            out.problems.push(reason);
        }
    }
    Ok(())
}

/// The address, without the zone that link-local ones may have.
pub(super) fn ip(text: &[u8]) -> Option<IpAddr> {
    let text = &text[..memchr::memchr(b'%', text).unwrap_or(text.len())];
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// Whether nothing is to be found at this address.
pub(super) fn is_sink(ip: IpAddr) -> bool {
    ip.is_unspecified() || ip.is_loopback()
}

fn is_local(name: &[u8]) -> bool {
    LOCAL.iter().any(|local| name.eq_ignore_ascii_case(local.as_bytes()))
}
