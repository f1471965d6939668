//! Where ICAP clients connect to, and which of them are served.

use crate::settings::Settings;
use anyhow::Context;
use icapstan_api::{Config, IcapClients};
use icapstan_icap_server::{AccessRules, Authentication, Entrance, Server, Users, UsersError};
use icapstan_tls::Acceptor;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::sync::Arc;
use thiserror::Error;

/// Addresses that are listened on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bound {
    pub(crate) icap: Option<SocketAddr>,
    pub(crate) icaps: Option<SocketAddr>,
    pub(crate) proxied: Option<SocketAddr>,
}

/// Clients could not be told from each other.
#[derive(Debug, Error)]
#[error("clients.authentication cannot be used")]
pub(crate) struct ClientsError(#[from] UsersError);

// === impl Bound ===

impl Bound {
    /// Binds all addresses of the settings.
    pub(crate) fn bind(
        settings: &Settings,
        server: &mut Server,
        acceptor: Option<&Acceptor>,
    ) -> anyhow::Result<Self> {
        let Config { listen, tls, proxy_protocol, .. } = &settings.config;
        let mut bind = |address: SocketAddr, entrance| {
            server.listen(address, entrance).with_context(|| format!("{address} cannot be listened on"))
        };
        let proxies = proxy_protocol.as_ref().map(|proxy| Arc::from(proxy.trusted_peers.as_slice()));
        let icap = listen.map(|address| bind(address, Entrance::default())).transpose()?;
        let icaps = tls.as_ref().map(|tls| {
            let proxies = proxies.clone().filter(|_| tls.proxy_protocol);
            bind(tls.listen, Entrance { proxies, tls: acceptor.cloned() })
        });
        let icaps = icaps.transpose()?;
        let proxied = proxy_protocol.as_ref().and_then(|proxy| proxy.listen);
        let proxied = proxied.map(|address| bind(address, Entrance { proxies, tls: None })).transpose()?;
        Ok(Self { icap, icaps, proxied })
    }

    /// All of them, for people.
    pub(crate) fn shown(&self) -> String {
        let all = [self.icap, self.icaps, self.proxied];
        all.into_iter().flatten().map(|address| address.to_string()).collect::<Vec<_>>().join(", ")
    }

    /// For `/version`.
    pub(crate) fn put(&self, document: &mut Value) {
        let texts = [("icap", self.icap), ("icaps", self.icaps), ("icapProxyProtocol", self.proxied)];
        for (name, address) in texts {
            document[name] = json!(address.map(|address| address.to_string()));
        }
    }
}

/// Reads who may come in.
pub(crate) fn access(clients: &IcapClients) -> Result<AccessRules, ClientsError> {
    let IcapClients { allow, deny, authentication } = clients;
    let authentication = authentication.as_ref().map(|settings| {
        let users = Users::load(&settings.users_file)?;
        Ok::<_, UsersError>(Arc::new(Authentication::new(&settings.realm, users)))
    });
    Ok(AccessRules { allow: allow.clone(), deny: deny.clone(), authentication: authentication.transpose()? })
}
