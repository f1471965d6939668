//! What has to hold for where clients connect to, and for who they are.

use super::Checker;
use super::identity::check_networks;
use crate::{ClientAuthentication, ClientCertificateMode, Config, IcapClients, ProxyListener, TlsListener};
use std::net::SocketAddr;
use std::path::Path;

// === impl Config ===

impl Config {
    /// All addresses, and what belongs to each.
    pub(super) fn check_listeners(&self, root: &mut Checker<'_>) {
        let proxy = self.proxy_protocol.as_ref();
        let listeners = [
            ("listen", self.listen),
            ("tls.listen", self.tls.as_ref().map(|tls| tls.listen)),
            ("proxyProtocol.listen", proxy.and_then(|proxy| proxy.listen)),
            ("admin", Some(self.admin)),
        ];
        let mut taken: Vec<(&str, SocketAddr)> = Vec::new();
        for (field, address) in listeners {
            let Some(address) = address else { continue };
            let is_taken = |other: &&(&str, SocketAddr)| address.port() != 0 && overlap(other.1, address);
            if let Some((by, other)) = taken.iter().find(is_taken) {
                root.report(field, format!("{address} is taken by `{by}` ({other})"));
            }
            taken.push((field, address));
        }
        if taken.len() == 1 {
            let message = "is none, and neither tls nor proxyProtocol listens: no client could connect";
            root.report("listen", message);
        }
        if let Some(tls) = &self.tls {
            tls.check(&mut root.at("tls"), proxy.is_some());
        }
        if let Some(proxy) = proxy {
            proxy.check(&mut root.at("proxyProtocol"), self.tls.as_ref());
        }
        self.clients.check(&mut root.at("clients"));
    }
}

/// Whether two listeners cannot both have these addresses. `[::]` takes IPv4 addresses too.
fn overlap(one: SocketAddr, two: SocketAddr) -> bool {
    let covers =
        |one: SocketAddr, two: SocketAddr| one.ip().is_unspecified() && (one.is_ipv6() || two.is_ipv4());
    one.port() == two.port() && (one.ip() == two.ip() || covers(one, two) || covers(two, one))
}

// === impl TlsListener ===

impl TlsListener {
    fn check(&self, here: &mut Checker<'_>, has_proxies: bool) {
        check_file(here, "certFile", &self.cert_file);
        check_file(here, "keyFile", &self.key_file);
        match (&self.client_ca_file, self.client_certificates) {
            (None, ClientCertificateMode::Optional | ClientCertificateMode::Required) => {
                here.report("clientCaFile", "is needed to tell which clients' certificates to believe");
            }
            (Some(_), ClientCertificateMode::None) => {
                let message = "stands beside `clientCertificates: none`, by which no client is asked for one";
                here.report("clientCaFile", message);
            }
            (Some(file), _) => check_file(here, "clientCaFile", file),
            (None, ClientCertificateMode::None) => {}
        }
        if self.proxy_protocol && !has_proxies {
            let message = "needs proxyProtocol.trustedPeers, which say whose headers to believe";
            here.report("proxyProtocol", message);
        }
    }
}

// === impl ProxyListener ===

impl ProxyListener {
    fn check(&self, here: &mut Checker<'_>, tls: Option<&TlsListener>) {
        if self.listen.is_none() && !tls.is_some_and(|tls| tls.proxy_protocol) {
            here.report("listen", "is none, and tls.proxyProtocol is not set: nobody would use it");
        }
        here.count("trustedPeers", self.trusted_peers.len(), 1, Config::MAX_CONDITIONS);
        check_networks(here, "trustedPeers", &self.trusted_peers);
    }
}

// === impl IcapClients ===

impl IcapClients {
    fn check(&self, here: &mut Checker<'_>) {
        for (field, networks) in [("allow", &self.allow), ("deny", &self.deny)] {
            here.count(field, networks.len(), 0, Config::MAX_CONDITIONS);
            check_networks(here, field, networks);
        }
        if let Some(authentication) = &self.authentication {
            authentication.check(&mut here.at("authentication"));
        }
    }
}

// === impl ClientAuthentication ===

impl ClientAuthentication {
    fn check(&self, here: &mut Checker<'_>) {
        here.count("realm", self.realm.len(), 1, 64);
        let is_plain = |c: char| (c == ' ' || c.is_ascii_graphic()) && c != '"' && c != '\\';
        if !self.realm.chars().all(is_plain) {
            here.report("realm", "is made of printable ASCII without quotes and backslashes");
        }
        check_file(here, "usersFile", &self.users_file);
    }
}

fn check_file(here: &mut Checker<'_>, field: &str, path: &Path) {
    if !path.is_absolute() {
        here.report(field, "is not an absolute path");
    }
}
