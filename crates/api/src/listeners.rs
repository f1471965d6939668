//! Where ICAP clients connect to besides `listen`, and which of them are served.

use ipnet::IpNet;
use serde::{Deserialize, Serialize};
use std::net::SocketAddr;
use std::path::PathBuf;

/// ICAP over TLS (`tls`). The files are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TlsListener {
    /// Where clients connect to.
    #[serde(default = "default_tls_listen", with = "crate::address")]
    pub listen: SocketAddr,
    /// The certificate to show, in PEM, with those between it and its authority.
    pub cert_file: PathBuf,
    /// Its key, in PEM.
    pub key_file: PathBuf,
    /// Whether clients show one.
    #[serde(default)]
    pub client_certificates: ClientCertificateMode,
    /// The certificates, in PEM, one of which has to have signed a client's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<PathBuf>,
    /// The oldest version that is spoken.
    #[serde(default)]
    pub min_version: TlsVersion,
    /// Whether each connection begins with a PROXY header, in front of TLS (`proxyProtocol`).
    #[serde(default)]
    pub proxy_protocol: bool,
}

/// Whether clients show a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClientCertificateMode {
    /// They are not asked for one.
    #[default]
    None,
    /// They may. One that cannot be believed is refused.
    Optional,
    /// They have to.
    Required,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246.
    #[default]
    #[serde(rename = "1.2")]
    V12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    V13,
}

/// Load balancers that tell whose connection they pass on (`proxyProtocol`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProxyListener {
    /// Where they connect to, for ICAP without TLS.
    #[serde(default, with = "crate::address::optional")]
    pub listen: Option<SocketAddr>,
    /// Their networks. Nobody else may connect.
    pub trusted_peers: Vec<IpNet>,
}

/// Which ICAP clients are served (`clients`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct IcapClients {
    /// Networks that may connect; with none, all may.
    pub allow: Vec<IpNet>,
    /// Networks that may not, whatever else is allowed.
    pub deny: Vec<IpNet>,
    /// How clients say who they are, beside their address and their certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authentication: Option<ClientAuthentication>,
}

/// Basic authentication of ICAP clients (RFC 7617).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientAuthentication {
    /// What clients are told that they need a name for.
    #[serde(default = "default_realm")]
    pub realm: String,
    /// Names and hashes of passwords, as `htpasswd -B` writes them.
    pub users_file: PathBuf,
}

fn default_tls_listen() -> SocketAddr {
    ([127, 0, 0, 1], 11344).into()
}

fn default_realm() -> String {
    "icapstan".to_owned()
}
