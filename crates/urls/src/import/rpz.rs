//! Zones of DNS response policies (RPZ).
//!
//! ```text
//! $ORIGIN rpz.example.                          names are relative to it
//! @ SOA ...                                     here the zone begins
//! bad.test        CNAME .                       blocked: no such name; also *. (no data) and rpz-drop.
//! *.bad.test      CNAME .                       blocked: all below it (here: and itself)
//! good.test       CNAME rpz-passthru.           allowed; also the name itself as target
//! sink.test       A 0.0.0.0                     blocked: nothing there; 127.0.0.0/8, :: and ::1 too
//! 24.0.2.0.192.rpz-ip CNAME .                   addresses, first the prefix length, then from the right
//! ```
//!
//! Other data and targets rewrite answers, which is neither. Rules:
//! <https://datatracker.ietf.org/doc/html/draft-vixie-dnsop-dns-rpz-00>.

use super::hosts::is_sink;
use super::out::Out;
use super::report::Reason;
use crate::entry::Action;
use std::net::IpAddr;

/// What the directives and records read so far say about the next ones.
#[derive(Debug, Default)]
pub(super) struct Zone {
    /// What relative names are below of: without final dot, empty if nothing is known.
    origin: Vec<u8>,
    /// The name of the zone.
    apex: Vec<u8>,
    /// The name that lines without one are about.
    owner: Vec<u8>,
    /// Open parentheses: the record goes on.
    open: usize,
}

/// What a record says, as far as it matters.
enum Data {
    Policy(Action),
    /// Nothing about what is blocked: part of every zone.
    Administration,
}

// === impl Zone ===

impl Zone {
    pub(super) fn line(&mut self, line: &[u8], out: &mut Out) -> Result<(), Reason> {
        let (words, opened, closed) = words(line);
        let goes_on = self.open > 0;
        self.open = (self.open + opened).saturating_sub(closed);
        // Only records of administration fill several lines.
        if goes_on || words.is_empty() {
            return Ok(());
        }
        if let Some(directive) = words[0].strip_prefix(b"$") {
            return self.directive(directive, &words[1..]);
        }
        let rest = if line[0].is_ascii_whitespace() {
            &words[..]
        } else {
            self.owner = self.absolute(words[0]);
            &words[1..]
        };
        let (kind, data) = record(rest).ok_or(Reason::Malformed)?;
        if kind.eq_ignore_ascii_case(b"SOA") && self.apex.is_empty() {
            self.apex = without_dot(&self.owner).to_vec();
            if self.origin.is_empty() {
                self.origin.clone_from(&self.apex);
            }
        }
        match self.data(kind, data)? {
            Data::Administration => Ok(()),
            Data::Policy(action) => put(self.below_apex()?, action, out),
        }
    }

    fn directive(&mut self, directive: &[u8], words: &[&[u8]]) -> Result<(), Reason> {
        if directive.eq_ignore_ascii_case(b"TTL") {
            return Ok(());
        }
        match words {
            [name] if directive.eq_ignore_ascii_case(b"ORIGIN") => {
                self.origin = without_dot(&self.absolute(name)).to_vec();
                Ok(())
            }
            _ => Err(Reason::Malformed),
        }
    }

    /// The name in full, in lower case. It keeps its final dot while the zone has no known name.
    fn absolute(&self, name: &[u8]) -> Vec<u8> {
        let mut full = match name {
            b"@" => self.origin.clone(),
            [name @ .., b'.'] => {
                if self.apex.is_empty() && self.origin.is_empty() {
                    [name, b"."].concat()
                } else {
                    name.to_vec()
                }
            }
            _ if self.origin.is_empty() => name.to_vec(),
            _ => [name, b".", &self.origin].concat(),
        };
        full.make_ascii_lowercase();
        full
    }

    /// The owner without the name of the zone.
    fn below_apex(&self) -> Result<&[u8], Reason> {
        let zone = if self.apex.is_empty() { &self.origin } else { &self.apex };
        if zone.is_empty() {
            return if self.owner.ends_with(b".") { Err(Reason::OutOfZone) } else { Ok(&self.owner) };
        }
        match self.owner.strip_suffix(&zone[..]) {
            Some([name @ .., b'.']) => Ok(name),
            Some([]) => Err(Reason::Malformed),
            _ => Err(Reason::OutOfZone),
        }
    }

    fn data(&self, kind: &[u8], data: &[&[u8]]) -> Result<Data, Reason> {
        const ADMINISTRATION: [&[u8]; 9] =
            [b"SOA", b"NS", b"TXT", b"RRSIG", b"NSEC", b"NSEC3", b"NSEC3PARAM", b"DNSKEY", b"ZONEMD"];
        if ADMINISTRATION.iter().any(|known| kind.eq_ignore_ascii_case(known)) {
            return Ok(Data::Administration);
        }
        let &[data] = data else { return Err(Reason::Malformed) };
        if kind.eq_ignore_ascii_case(b"CNAME") {
            return self.target(data).map(Data::Policy).ok_or(Reason::Rewrite);
        }
        if kind.eq_ignore_ascii_case(b"A") || kind.eq_ignore_ascii_case(b"AAAA") {
            let ip: Option<IpAddr> = std::str::from_utf8(data).ok().and_then(|data| data.parse().ok());
            let sink = is_sink(ip.ok_or(Reason::BadAddress)?);
            return if sink { Ok(Data::Policy(Action::Block)) } else { Err(Reason::Rewrite) };
        }
        Err(Reason::Rewrite)
    }

    /// What a CNAME to this target says.
    fn target(&self, target: &[u8]) -> Option<Action> {
        let target = target.to_ascii_lowercase();
        match &target[..] {
            b"." | b"*." | b"rpz-drop." => Some(Action::Block),
            b"rpz-passthru." => Some(Action::Allow),
            // The old way of passing through.
            [name @ .., b'.'] if self.below_apex().is_ok_and(|owner| owner == name) => Some(Action::Allow),
            _ => None,
        }
    }
}

fn without_dot(name: &[u8]) -> &[u8] {
    name.strip_suffix(b".").unwrap_or(name)
}

/// Puts what the trigger names.
fn put(trigger: &[u8], action: Action, out: &mut Out) -> Result<(), Reason> {
    if let Some(address) = trigger.strip_suffix(b".rpz-ip") {
        let (ip, prefix) = network(address).ok_or(Reason::BadAddress)?;
        return out.network(ip, prefix, action);
    }
    if [&b".rpz-nsdname"[..], b".rpz-nsip", b".rpz-client-ip"].iter().any(|kind| trigger.ends_with(kind)) {
        return Err(Reason::Trigger);
    }
    match trigger {
        b"*" => Err(Reason::Everything),
        [b'*', b'.', ..] => out.domain(trigger, action),
        _ => out.host(trigger, action),
    }
}

/// Type and data of a record whose owner has been taken off: TTL and class may stand before them.
fn record<'a, 'b>(words: &'b [&'a [u8]]) -> Option<(&'a [u8], &'b [&'a [u8]])> {
    let is_class = |word: &[u8]| word.eq_ignore_ascii_case(b"IN");
    let is_ttl = |word: &[u8]| {
        word[0].is_ascii_digit()
            && word.iter().all(|byte| byte.is_ascii_digit() || b"smhdwSMHDW".contains(byte))
    };
    let skip = words.iter().take(2).take_while(|word| is_class(word) || is_ttl(word)).count();
    let (kind, data) = words[skip..].split_first()?;
    Some((kind, data))
}

/// `prefix.d.c.b.a`, or for IPv6 the words from the right, with `zz` for `::`.
fn network(text: &[u8]) -> Option<(IpAddr, u8)> {
    let text = std::str::from_utf8(text).ok()?;
    let (prefix, rest) = text.split_once('.')?;
    let prefix = prefix.parse().ok()?;
    let mut words: Vec<&str> = rest.split('.').collect();
    if words.len() > 8 {
        return None;
    }
    words.reverse();
    if words.len() == 4 && !words.contains(&"zz") {
        return Some((IpAddr::V4(words.join(".").parse().ok()?), prefix));
    }
    let mut address =
        words.iter().map(|&word| if word == "zz" { "" } else { word }).collect::<Vec<_>>().join(":");
    // At either end the empty word needs a second colon.
    if words.first() == Some(&"zz") {
        address.insert(0, ':');
    }
    if words.last() == Some(&"zz") {
        address.push(':');
    }
    Some((IpAddr::V6(address.parse().ok()?), prefix))
}

/// The words of a line without its comment, and how many parentheses it opens and closes. Strings in quotes
/// are words with what is between the quotes left out: nothing here needs it.
fn words(line: &[u8]) -> (Vec<&[u8]>, usize, usize) {
    let (mut words, mut opened, mut closed) = (Vec::new(), 0, 0);
    let mut at = 0;
    while at < line.len() {
        match line[at] {
            b';' => break,
            b'(' => opened += 1,
            b')' => closed += 1,
            b'"' => {
                let end = memchr::memchr(b'"', &line[at + 1..]).map_or(line.len() - 1, |len| at + 1 + len);
                words.push(&line[at..=end]);
                at = end;
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => {
                let len =
                    line[at..].iter().position(|byte| byte.is_ascii_whitespace() || b";()\"".contains(byte));
                let end = len.map_or(line.len(), |len| at + len);
                words.push(&line[at..end]);
                at = end - 1;
            }
        }
        at += 1;
    }
    (words, opened, closed)
}
