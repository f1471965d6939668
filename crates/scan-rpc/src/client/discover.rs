//! Where scanners are.

use icapstan_balance::EndpointId;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tracing::{info, warn};

/// Looks addresses up, and remembers what it found when it finds nothing.
pub(super) struct Lookup {
    names: Vec<Name>,
}

struct Name {
    address: String,
    host: Arc<str>,
    known: Vec<SocketAddr>,
    is_failing: bool,
}

// === impl Lookup ===

impl Lookup {
    pub(super) fn new(addresses: &[String]) -> Self {
        let name = |address: &String| {
            let host = address.rsplit_once(':').map_or(address.as_str(), |(host, _)| host);
            let host = host.trim_start_matches('[').trim_end_matches(']');
            Name { address: address.clone(), host: host.into(), known: Vec::new(), is_failing: false }
        };
        Self { names: addresses.iter().map(name).collect() }
    }

    /// Whether looking again could find anything else.
    pub(super) fn is_fixed(&self) -> bool {
        self.names.iter().all(|name| name.address.parse::<SocketAddr>().is_ok())
    }

    /// All addresses, each with the host that it is of.
    pub(super) async fn look(&mut self) -> BTreeMap<EndpointId, Arc<str>> {
        let mut found = BTreeMap::new();
        for name in &mut self.names {
            name.look().await;
            for address in &name.known {
                found.entry(EndpointId(*address)).or_insert_with(|| Arc::clone(&name.host));
            }
        }
        found
    }
}

// === impl Name ===

impl Name {
    async fn look(&mut self) {
        if let Ok(address) = self.address.parse() {
            self.known = vec![address];
            return;
        }
        // Without an answer, or with an empty one, those that were there may still be there: connections tell.
        match tokio::net::lookup_host(&self.address).await.map(Vec::from_iter) {
            Ok(found) if !found.is_empty() => {
                self.known = found;
                if std::mem::take(&mut self.is_failing) {
                    info!(address = self.address, "Scanners are found again.");
                }
            }
            outcome => {
                if !std::mem::replace(&mut self.is_failing, true) {
                    let error = outcome.err().map(|error| error.to_string()).unwrap_or_default();
                    warn!(
                        address = self.address,
                        error, "Scanners cannot be looked up; those that are known stay."
                    );
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_taken_as_they_are_and_names_looked_up() {
        let mut lookup = Lookup::new(&["127.0.0.1:1".to_owned(), "[::1]:2".to_owned()]);
        assert!(lookup.is_fixed());
        let found = lookup.look().await;
        let found: Vec<_> = found.iter().map(|(id, host)| (id.to_string(), &**host)).collect();
        assert_eq!(found, [("127.0.0.1:1".to_owned(), "127.0.0.1"), ("[::1]:2".to_owned(), "::1")]);
        let mut lookup = Lookup::new(&["localhost:3".to_owned(), "no-such-host.invalid:4".to_owned()]);
        assert!(!lookup.is_fixed());
        let found = lookup.look().await;
        assert!(found.keys().all(|id| id.0.ip().is_loopback() && id.0.port() == 3) && !found.is_empty());
    }
}
