//! What a certificate says of who shows it.

use icapstan_model::is_deceptive;
use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use thiserror::Error;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

/// The names in a certificate, each behind its kind: `cn:proxy1`, `dns:proxy1.example`,
/// `uri:spiffe://example/proxy`, `email:ops@example.com`, `ip:192.0.2.7`. Clones share them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names(Arc<[Box<str>]>);

/// When a certificate holds, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Not before this.
    pub not_before: i64,
    /// Not after this.
    pub not_after: i64,
}

/// The bytes are no certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("it is no X.509 certificate")]
pub struct NamesError;

// === impl Names ===

impl Names {
    /// So many names of a certificate are kept.
    pub const MOST: usize = 64;
    /// A longer one is left out, in bytes: cut, it would be another name.
    pub const MAX_LEN: usize = 1024;

    /// What the certificate in `der` is called: the common names of its subject, and its alternative
    /// names.
    pub fn read(der: &[u8]) -> Result<(Self, Validity), NamesError> {
        let (_, certificate) = X509Certificate::from_der(der).map_err(|_| NamesError)?;
        let validity = Validity {
            not_before: certificate.validity().not_before.timestamp(),
            not_after: certificate.validity().not_after.timestamp(),
        };
        let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        let common = common.map(|name| format!("cn:{name}"));
        // A certificate that has the field twice is refused by the reader of the chain.
        let others = certificate.subject_alternative_name().ok().flatten();
        let others = others.into_iter().flat_map(|field| &field.value.general_names).filter_map(alternative);
        let mut seen = BTreeSet::new();
        let names = common
            .chain(others)
            .filter(|name| name.len() <= Self::MAX_LEN)
            .map(|name| inert(&name))
            .filter(|name| seen.insert(name.clone()))
            .take(Self::MOST);
        Ok((Self(names.collect()), validity))
    }

    /// All of them.
    pub fn all(&self) -> &[Box<str>] {
        &self.0
    }

    /// The one for logs: the first alternative name, else the first of all; empty without any.
    pub fn first(&self) -> &str {
        let alternative = self.0.iter().find(|name| !name.starts_with("cn:"));
        alternative.or_else(|| self.0.first()).map_or("", |name| name)
    }
}

/// The kinds that name machines and programs.
fn alternative(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some(format!("dns:{}", name.to_ascii_lowercase())),
        GeneralName::URI(uri) => Some(format!("uri:{uri}")),
        GeneralName::RFC822Name(address) => Some(format!("email:{address}")),
        GeneralName::IPAddress(bytes) => {
            let v4 = <[u8; 4]>::try_from(*bytes).map(|bytes| Ipv4Addr::from(bytes).to_string());
            let v6 = || <[u8; 16]>::try_from(*bytes).map(|bytes| Ipv6Addr::from(bytes).to_string());
            v4.or_else(|_| v6()).ok().map(|address| format!("ip:{address}"))
        }
        _ => None,
    }
}

/// Without characters that are invisible or change how others are arranged.
fn inert(name: &str) -> Box<str> {
    name.chars().map(|c| if is_deceptive(c) { '\u{fffd}' } else { c }).collect::<String>().into()
}

// === impl Validity ===

impl Validity {
    /// Whether the certificate holds at `time`.
    pub fn holds_at(self, time: SystemTime) -> bool {
        let now = time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        (self.not_before..=self.not_after).contains(&i64::try_from(now).unwrap_or(i64::MAX))
    }

    /// What is left of it at `time`; nothing if it is over.
    pub fn left_at(self, time: SystemTime) -> Duration {
        let end = Duration::from_secs(u64::try_from(self.not_after).unwrap_or(0));
        let end = UNIX_EPOCH.checked_add(end).unwrap_or(UNIX_EPOCH);
        end.duration_since(time).unwrap_or_default()
    }
}
