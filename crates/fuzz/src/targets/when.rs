//! What rules ask of a message.

use crate::input::Input;
use icapstan_api::{BodySize, Facts, Glob, HostPattern, SizeRange, When};
use ipnet::IpNet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Reads patterns, and conditions as they stand in a configuration, and asks them of a message.
///
/// - A pattern matches what a matcher that tries everything matches, in bounded time.
/// - Hosts below a name are those that have a label more in front.
/// - Conditions are written so that they read as the same, and hold where each field holds by itself.
/// - With nothing known of a message, only what asks for nothing about it holds.
pub fn when(data: &[u8]) {
    let mut input = Input::new(data);
    let facts = Message::new(&mut input);
    let texts: [String; 2] = std::array::from_fn(|_| String::from_utf8_lossy(input.text()).into_owned());
    let [pattern, text] = &texts;
    glob(pattern, text);
    host(pattern, text);
    let Ok(yaml) = std::str::from_utf8(input.rest()) else { return };
    let Ok(when) = serde_yaml::from_str::<When>(yaml) else { return };
    let written = serde_yaml::to_string(&when).expect("conditions can be written");
    assert_eq!(serde_yaml::from_str::<When>(&written).expect("what was written"), when, "{written}");
    assert_eq!(when.holds(&facts), holds(&when, &facts), "{written}");
    let asks = When { services: Vec::new(), clients: Vec::new(), size: None, ..when.clone() };
    let unknown = Message { client: facts.client, size: facts.size, ..Message::default() };
    let is_named = !asks.methods.iter().any(String::is_empty);
    assert!(asks.is_empty() || !is_named || !asks.holds(&unknown), "{written}");
}

fn glob(pattern: &str, text: &str) {
    let Ok(glob) = Glob::try_from(pattern.to_owned()) else {
        assert!(
            pattern.is_empty() || pattern.len() > Glob::MAX || pattern.matches('*').count() > Glob::MAX_STARS
        );
        return;
    };
    assert_eq!(glob.as_str(), pattern);
    assert_eq!(glob.matches(text), tried(pattern, text), "{pattern:?} {text:?}");
    let lower = |text: &str| text.to_ascii_lowercase();
    assert_eq!(
        glob.matches_ignoring_case(text),
        tried(&lower(pattern), &lower(text)),
        "{pattern:?} {text:?}"
    );
}

/// By trying: row by row, which beginnings of the text the beginning of the pattern stands for.
fn tried(pattern: &str, text: &str) -> bool {
    let text = text.as_bytes();
    let mut fits = vec![false; text.len() + 1];
    fits[0] = true;
    for byte in pattern.bytes() {
        if byte == b'*' {
            let first = fits.iter().position(|fit| *fit).unwrap_or(fits.len());
            fits[first..].fill(true);
        } else {
            for at in (0..text.len()).rev() {
                fits[at + 1] = fits[at] && text[at] == byte;
            }
            fits[0] = false;
        }
    }
    fits[text.len()]
}

fn host(pattern: &str, host: &str) {
    let Ok(parsed) = HostPattern::try_from(pattern.to_owned()) else { return };
    let shown = parsed.to_string();
    assert_eq!(HostPattern::try_from(shown.clone()), Ok(parsed.clone()));
    assert_eq!(shown, pattern.to_ascii_lowercase());
    assert_eq!(parsed.matches(host), is_host(&shown, host), "{pattern:?} {host:?}");
}

fn is_host(pattern: &str, host: &str) -> bool {
    match pattern.strip_prefix("*.") {
        None => pattern == host,
        Some(name) => {
            let front = host.strip_suffix(name).and_then(|front| front.strip_suffix('.'));
            front.is_some_and(|front| !front.is_empty())
        }
    }
}

/// Field by field.
fn holds(when: &When, facts: &Message) -> bool {
    let lower = |text: &str| text.to_ascii_lowercase();
    let tried_any =
        |globs: &[Glob], name: &str| globs.iter().any(|glob| tried(&lower(glob.as_str()), &lower(name)));
    let one_of = |list: &[String], text: &str| list.is_empty() || list.iter().any(|entry| entry == text);
    let user =
        when.users.is_empty() || facts.user.as_deref().is_some_and(|user| tried_any(&when.users, user));
    let group = when.groups.is_empty() || facts.groups.iter().any(|group| tried_any(&when.groups, group));
    let shown = |name: &str| when.client_certificates.iter().any(|glob| tried(glob.as_str(), name));
    let certificate = when.client_certificates.is_empty() || facts.certificate.iter().any(|name| shown(name));
    let listed = |wanted: &String| facts.categories.iter().any(|known| **known == **wanted);
    one_of(&when.services, &facts.service)
        && one_of(&when.methods, &facts.method)
        && (when.categories.is_empty() || when.categories.iter().any(listed))
        && (when.hosts.is_empty() || when.hosts.iter().any(|host| is_host(&host.to_string(), &facts.host)))
        && (when.urls.is_empty()
            || !facts.url.is_empty() && when.urls.iter().any(|url| tried(url.as_str(), &facts.url)))
        && (when.clients.is_empty() || when.clients.iter().any(|network| is_in(facts.client, network)))
        && certificate
        && user
        && group
        && when.size.is_none_or(|range| fits(range, facts.size))
        && (when.types.is_empty()
            || facts
                .media_type
                .is_some_and(|told| when.types.iter().any(|range| is_of(&range.to_string(), told))))
}

fn is_of(range: &str, told: &str) -> bool {
    match range.strip_suffix("/*") {
        Some("*") => true,
        Some(family) => told.split('/').next() == Some(family),
        None => told == range,
    }
}

fn is_in(client: IpAddr, network: &IpNet) -> bool {
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => (4, u128::from(address.to_bits()) << 96),
        IpAddr::V6(address) => (6, address.to_bits()),
    };
    let ((family, first), (other, second)) = (bits(client.to_canonical()), bits(network.addr()));
    let differ = (first ^ second).checked_shr(128 - u32::from(network.prefix_len())).unwrap_or_default();
    family == other && differ == 0
}

fn fits(range: SizeRange, size: BodySize) -> bool {
    let (least, most) = match size {
        BodySize::Whole(bytes) => (bytes, Some(bytes)),
        BodySize::AtLeast(bytes) => (bytes, None),
    };
    range.min.is_none_or(|min| min.bytes() <= least)
        && range.max.is_none_or(|max| most.is_some_and(|most| most <= max.bytes()))
}

/// A message of which anything may be known.
struct Message {
    service: String,
    client: IpAddr,
    user: Option<String>,
    certificate: Vec<Box<str>>,
    groups: Vec<String>,
    host: String,
    url: String,
    categories: Vec<Box<str>>,
    method: String,
    size: BodySize,
    media_type: Option<&'static str>,
}

// === impl Message ===

impl Message {
    fn new(input: &mut Input<'_>) -> Self {
        let choice = input.byte();
        let size = input.long();
        let client: IpAddr = if choice & 1 == 0 {
            Ipv4Addr::from(u32::from(input.word()) << 16 | 7).into()
        } else {
            Ipv6Addr::from(u128::from(input.long()) << 64 | 7).into()
        };
        let client = match client {
            IpAddr::V4(address) if choice & 2 != 0 => address.to_ipv6_mapped().into(),
            client => client,
        };
        let mut text = || String::from_utf8_lossy(input.text()).into_owned();
        Self {
            client,
            size: if choice & 4 == 0 { BodySize::Whole(size) } else { BodySize::AtLeast(size) },
            user: (choice & 8 == 0).then(&mut text),
            certificate: (0..choice >> 6).map(|_| text().into()).collect(),
            groups: (0..choice >> 6).map(|_| text()).collect(),
            categories: (0..choice >> 6).map(|_| text().into()).collect(),
            service: text(),
            host: text(),
            url: text(),
            method: text(),
            media_type: (choice & 16 != 0).then_some("image/png"),
        }
    }
}

impl Default for Message {
    fn default() -> Self {
        Self {
            service: String::new(),
            client: Ipv4Addr::LOCALHOST.into(),
            user: None,
            certificate: Vec::new(),
            groups: Vec::new(),
            host: String::new(),
            url: String::new(),
            categories: Vec::new(),
            method: String::new(),
            size: BodySize::AtLeast(0),
            media_type: None,
        }
    }
}

impl Facts for Message {
    fn service(&self) -> &str {
        &self.service
    }

    fn client(&self) -> Option<IpAddr> {
        Some(self.client)
    }

    fn client_certificate(&self) -> &[Box<str>] {
        &self.certificate
    }

    fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    fn groups(&self) -> &[String] {
        &self.groups
    }

    fn host(&self) -> &str {
        &self.host
    }

    fn url(&self) -> &str {
        &self.url
    }

    fn categories(&self) -> &[Box<str>] {
        &self.categories
    }

    fn method(&self) -> &str {
        &self.method
    }

    fn size(&self) -> BodySize {
        self.size
    }

    fn media_type(&self) -> Option<&str> {
        self.media_type
    }
}
