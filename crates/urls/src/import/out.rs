//! What a line yields, with the checks that all formats share.

use super::names::{Name, Place, name, place, without_scheme};
use super::report::Reason;
use crate::canonical::CanonicalUrl;
use crate::entry::{Action, Entry};
use crate::expressions::{MAX_FOLDERS, MAX_LABELS};
use psl::{List, Psl, Type};
use std::net::IpAddr;

/// What one line yields. Used again for the next line.
#[derive(Debug, Default)]
pub(super) struct Out {
    pub(super) entries: Vec<(Entry, Action)>,
    pub(super) problems: Vec<Reason>,
}

// === impl Out ===

impl Out {
    pub(super) fn put(&mut self, entry: Entry, action: Action) {
        self.entries.push((entry, action));
    }

    /// This name and all below it, or this address. Marks of "below" before it are ignored.
    pub(super) fn domain(&mut self, text: &[u8], action: Action) -> Result<(), Reason> {
        let text = text.strip_prefix(b"*.").or_else(|| text.strip_prefix(b".")).unwrap_or(text);
        match name(text)? {
            Name::Address(ip) => self.network(ip, bits(ip), action),
            Name::Name(name) => {
                self.check_suffix(&name)?;
                if name.split('.').count() > MAX_LABELS {
                    self.problems.push(Reason::TooDeep);
                }
                self.put(Entry::Expression(format!("{name}/").into()), action);
                Ok(())
            }
        }
    }

    /// This name alone, or this address.
    pub(super) fn host(&mut self, text: &[u8], action: Action) -> Result<(), Reason> {
        match name(text)? {
            Name::Address(ip) => self.network(ip, bits(ip), action),
            Name::Name(name) => {
                self.put(Entry::Host(name.into()), action);
                Ok(())
            }
        }
    }

    /// The addresses that share so many first bits with this one.
    pub(super) fn network(&mut self, ip: IpAddr, prefix: u8, action: Action) -> Result<(), Reason> {
        // As the canonical form has it, IPv4 in the clothes of IPv6 is IPv4.
        let (ip, prefix) = match (ip.to_canonical(), prefix) {
            (IpAddr::V4(mapped), 96..=128) if ip.is_ipv6() => (mapped.into(), prefix - 96),
            _ => (ip, prefix),
        };
        let host_bits = match ip {
            IpAddr::V4(ip) => u32::from(ip).checked_shl(prefix.into()).unwrap_or(0) != 0,
            IpAddr::V6(ip) => u128::from(ip).checked_shl(prefix.into()).unwrap_or(0) != 0,
        };
        match prefix {
            0 => return Err(Reason::Everything),
            _ if prefix > bits(ip) => return Err(Reason::BadAddress),
            _ if host_bits => return Err(Reason::HostBits),
            _ => {}
        }
        self.put(Entry::Network(ip, prefix), action);
        Ok(())
    }

    /// A URL with its scheme: if it names no path, that host.
    pub(super) fn url(&mut self, text: &[u8], action: Action) -> Result<(), Reason> {
        let url = url(text)?;
        if url.path() == "/" && url.query().is_none() {
            if place(without_scheme(text)).port {
                self.problems.push(Reason::AnyPort);
            }
            self.put(Entry::Host(url.host().into()), action);
        } else {
            self.put(Entry::Expression(url.as_str().into()), action);
        }
        Ok(())
    }

    /// A host and a path, without scheme: if there is no path, that domain; else that path and, if `below`,
    /// all below it.
    pub(super) fn path(&mut self, text: &[u8], below: bool, action: Action) -> Result<(), Reason> {
        let Place { host, path, port } = place(text);
        if port && path.len() <= 1 {
            if action == Action::Allow {
                return Err(Reason::PortException);
            }
            self.problems.push(Reason::AnyPort);
        }
        if path.len() <= 1 {
            return self.domain(host, action);
        }
        let host = host.strip_prefix(b"*.").unwrap_or(host);
        let url = url(&[host, path].concat())?;
        if url.path() == "/" && url.query().is_none() {
            return self.domain(host, action);
        }
        if url.ip().is_none() {
            self.check_suffix(url.host())?;
        }
        let text = url.as_str();
        let closed = url.path().ends_with('/');
        let slashes = memchr::memchr_iter(b'/', url.path().as_bytes()).count() + usize::from(!closed);
        if below && url.query().is_none() && slashes > MAX_FOLDERS {
            self.problems.push(Reason::DeepFolder);
        }
        if below && url.query().is_none() && !closed {
            self.put(Entry::Expression(format!("{text}/").into()), action);
        }
        self.put(Entry::Expression(text.into()), action);
        Ok(())
    }

    /// Refuses to cover a public suffix, and remarks if it covers a private one.
    fn check_suffix(&mut self, name: &str) -> Result<(), Reason> {
        let Some(suffix) = List.suffix(name.as_bytes()) else { return Ok(()) };
        if suffix.as_bytes() != name.as_bytes() {
            return Ok(());
        }
        match suffix.typ() {
            Some(Type::Icann) => Err(Reason::PublicSuffix),
            Some(Type::Private) => {
                self.problems.push(Reason::PrivateSuffix);
                Ok(())
            }
            // A name of one label that nobody has registered: a host of the local net.
            None => Ok(()),
        }
    }
}

/// The canonical form of a URL whose host is a name that there can be, or an address.
fn url(text: &[u8]) -> Result<CanonicalUrl, Reason> {
    let url = CanonicalUrl::parse(text).map_err(|_| Reason::BadUrl)?;
    if url.is_cut() {
        return Err(Reason::TooLong);
    }
    if url.ip().is_none() {
        name(url.host().as_bytes())?;
    }
    Ok(url)
}

/// All bits of an address.
fn bits(ip: IpAddr) -> u8 {
    if ip.is_ipv4() { 32 } else { 128 }
}
