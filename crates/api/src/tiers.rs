//! Gateways and scanners as processes of their own.

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// What a process is called among others (`instance`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct InstanceSettings {
    /// Its name. Default: that of the host, and the number of the process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The zone that it runs in. Gateways prefer scanners of their own while these have room.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<String>,
}

/// The scanners that `icapstan gateway` asks (`scanners`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ScannersSettings {
    /// Where they are: `HOST:PORT`. All addresses of a host are scanners.
    pub addresses: Vec<String>,
    /// With what connections are secured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ScannersTls>,
    /// Whether objects may go over the network as they are. On this machine they always may.
    pub plaintext: bool,
    /// A scanner from which nothing was heard for so long has its scans taken away.
    #[serde(with = "crate::duration")]
    pub silence: Duration,
    /// How often the addresses of hosts are looked up.
    #[serde(with = "crate::duration")]
    pub lookup_interval: Duration,
}

/// With what a gateway secures its connections to scanners (`scanners.tls`). The files are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScannersTls {
    /// The certificates, in PEM, one of which has to have signed those of scanners.
    pub ca_file: PathBuf,
    /// The certificate to show, in PEM, with those between it and its authority.
    pub cert_file: PathBuf,
    /// Its key, in PEM.
    pub key_file: PathBuf,
    /// What scanners' certificates have to be for. Default: the host of their address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// Where `icapstan scanner` is asked (`scanServer`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanServerSettings {
    /// Where gateways connect to.
    #[serde(with = "crate::address")]
    pub listen: SocketAddr,
    /// With what connections are secured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ScanServerTls>,
    /// Whether objects may go over the network as they are. On this machine they always may.
    pub plaintext: bool,
    /// The most connections at once.
    pub connections: u32,
}

/// With what a scanner secures its connections (`scanServer.tls`). The files are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScanServerTls {
    /// The certificate to show, in PEM, with those between it and its authority.
    pub cert_file: PathBuf,
    /// Its key, in PEM.
    pub key_file: PathBuf,
    /// The certificates, in PEM, one of which has to have signed a gateway's.
    pub client_ca_file: PathBuf,
    /// Names, one of which a gateway's certificate has to have: `dns:gateway.example`, `uri:spiffe://example/gateway`,
    /// `cn:gateway`. Without any, all may connect whose certificate was signed.
    #[serde(default)]
    pub client_names: Vec<String>,
}

/// Where `icapstan scaler` is asked (`scaler`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalerSettings {
    /// Where autoscalers connect to.
    #[serde(with = "crate::address")]
    pub listen: SocketAddr,
    /// With what connections are secured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ScalerTls>,
    /// Whether figures may go over the network as they are. On this machine they always may.
    pub plaintext: bool,
}

/// With what a scaler secures its connections (`scaler.tls`). The files are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScalerTls {
    /// The certificate to show, in PEM, with those between it and its authority.
    pub cert_file: PathBuf,
    /// Its key, in PEM.
    pub key_file: PathBuf,
    /// The certificates, in PEM, one of which has to have signed an autoscaler's. Without it autoscalers need none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca_file: Option<PathBuf>,
    /// Names, one of which an autoscaler's certificate has to have; any, if there are none.
    #[serde(default)]
    pub client_names: Vec<String>,
}

// === impl InstanceSettings ===

impl InstanceSettings {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

// === impl ScannersSettings ===

impl ScannersSettings {
    /// The most addresses.
    pub const MAX_ADDRESSES: usize = 256;

    /// The first of the addresses that is, as far as one can tell, not of this machine.
    pub fn remote(&self) -> Option<&String> {
        self.addresses.iter().find(|address| !is_local(address))
    }
}

/// Whether it is an address, or a name, of this machine for certain.
fn is_local(address: &str) -> bool {
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

impl Default for ScannersSettings {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            tls: None,
            plaintext: false,
            silence: Duration::from_secs(1),
            lookup_interval: Duration::from_secs(5),
        }
    }
}

// === impl ScanServerSettings ===

impl Default for ScanServerSettings {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 7344).into(), tls: None, plaintext: false, connections: 1024 }
    }
}

// === impl ScalerSettings ===

impl Default for ScalerSettings {
    fn default() -> Self {
        Self { listen: (Ipv4Addr::LOCALHOST, 7346).into(), tls: None, plaintext: false }
    }
}
