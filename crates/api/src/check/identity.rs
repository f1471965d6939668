//! What has to hold for fields of ICAP and for who is believed.

use super::Checker;
use crate::{Config, DetectionHeaders, IdentitySettings, is_field_name};
use ipnet::IpNet;

// === impl IdentitySettings ===

impl IdentitySettings {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        here.count("trustedPeers", self.trusted_peers.len(), 0, Config::MAX_CONDITIONS);
        check_networks(here, "trustedPeers", &self.trusted_peers);
        for (field, name) in [("addressHeader", &self.address_header), ("userHeader", &self.user_header)] {
            check_field_name(here, field, name);
        }
    }
}

/// A name of reasonable length.
fn check_field_name(here: &mut Checker<'_>, field: &str, name: &str) {
    here.count(field, name.len(), 1, 64);
    if !name.is_empty() && !is_field_name(name) {
        here.report(field, "is no name of a header field, such as X-Client-IP");
    }
}

// === impl DetectionHeaders ===

impl DetectionHeaders {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        let time = self.database_time.as_ref().map(|name| ("databaseTime", name));
        for (field, name) in std::iter::once(("threat", &self.threat)).chain(time) {
            check_field_name(here, field, name);
            if !name.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("X-")) {
                here.report(field, "has to begin with X-: other names have a meaning of their own in ICAP");
            } else if let Some(own) = Self::OWN.iter().find(|own| own.eq_ignore_ascii_case(name)) {
                here.report(field, format!("{own} is a field with another meaning"));
            }
        }
        if self.database_time.as_ref().is_some_and(|name| name.eq_ignore_ascii_case(&self.threat)) {
            here.report("databaseTime", format!("{} is the field with the threat", self.threat));
        }
    }
}

pub(super) fn check_networks(here: &mut Checker<'_>, field: &str, networks: &[IpNet]) {
    for (index, network) in networks.iter().enumerate().take(Config::MAX_CONDITIONS) {
        if *network != network.trunc() {
            let message = format!("{network} has bits behind its length; did you mean {}?", network.trunc());
            here.report(&format!("{field}[{index}]"), message);
        }
    }
}
