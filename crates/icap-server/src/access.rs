//! Which ICAP clients are served: by their address, and by a name and a password.

mod basic;
mod gate;
mod users;

pub use basic::Authentication;
pub(crate) use basic::{Checked, Credentials, Proven};
pub(crate) use gate::Gate;
pub use users::{Users, UsersError};

use crate::network::is_in;
use arc_swap::ArcSwap;
use ipnet::IpNet;
use std::net::IpAddr;
use std::sync::Arc;

/// Who is served. Clones share it; it may be changed while requests go on.
#[derive(Clone, Debug, Default)]
pub struct AccessControl(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    rules: ArcSwap<AccessRules>,
    gate: Gate,
}

/// What decides.
#[derive(Clone, Debug, Default)]
pub struct AccessRules {
    /// Networks whose connections are served; with none, all are.
    pub allow: Vec<IpNet>,
    /// Networks whose connections are not, whatever else is allowed.
    pub deny: Vec<IpNet>,
    /// How a client says who it is, if it has to.
    pub authentication: Option<Arc<Authentication>>,
}

// === impl AccessControl ===

impl AccessControl {
    /// Begins with these rules.
    pub fn new(rules: AccessRules) -> Self {
        let control = Self::default();
        control.put(rules);
        control
    }

    /// Connections and requests are judged by these rules from now on. A connection that is there stays.
    pub fn put(&self, mut rules: AccessRules) {
        // What was proven to the same users stays proven.
        let former = self.authentication();
        rules.authentication = rules
            .authentication
            .map(|new| former.map_or_else(|| Arc::clone(&new), |former| new.after(&former)));
        self.0.rules.store(Arc::new(rules));
    }

    /// Whether a connection from there is served.
    pub(crate) fn admits(&self, address: IpAddr) -> bool {
        let rules = self.0.rules.load();
        !is_in(&rules.deny, address) && (rules.allow.is_empty() || is_in(&rules.allow, address))
    }

    pub(crate) fn authentication(&self) -> Option<Arc<Authentication>> {
        self.0.rules.load().authentication.clone()
    }

    pub(crate) fn gate(&self) -> &Gate {
        &self.0.gate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn networks(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn what_is_denied_is_denied_though_it_is_allowed() {
        let control = AccessControl::default();
        let admits = |text: &str| control.admits(text.parse().unwrap());
        assert!(admits("192.0.2.7") && admits("2001:db8::7"), "nothing is said");
        let deny = networks(&["10.1.0.0/16"]);
        control.put(AccessRules { deny: deny.clone(), ..AccessRules::default() });
        assert!(admits("10.2.0.1") && !admits("10.1.0.1") && !admits("::ffff:10.1.0.1"));
        control.put(AccessRules {
            allow: networks(&["10.0.0.0/8", "2001:db8::/32"]),
            deny,
            authentication: None,
        });
        assert!(admits("10.2.0.1") && admits("2001:db8::7"));
        assert!(!admits("10.1.0.1") && !admits("192.0.2.7") && !admits("2001:db9::7"));
    }
}
