//! Where processes share what they remember (`redis`).

use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv6Addr};
use std::path::PathBuf;
use std::time::Duration;

/// A Redis, and how it is reached. Without a URL nothing is shared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct RedisSettings {
    /// The server: `redis://host:port/database`, or `rediss://` for TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Several, instead of that: Sentinels, or nodes of a cluster.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// What is found there.
    pub mode: RedisMode,
    /// What Sentinels call the master.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master_name: Option<String>,
    /// The user of Redis's access lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// A file with the password, which is read for each connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_file: Option<PathBuf>,
    /// The user that Sentinels know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel_username: Option<String>,
    /// A file with the password for Sentinels.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sentinel_password_file: Option<PathBuf>,
    /// The certificates, in PEM, one of which has to have signed the server's. Default: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The certificate that this process shows, in PEM, with those between it and its authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Its private key, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// What servers' certificates have to be for. Default: the host that is connected to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// What the names of all keys begin with.
    pub key_prefix: String,
    /// A file with the secret that entries are sealed with: who does not have it cannot make any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac_key_file: Option<PathBuf>,
    /// How long a connection may take to come about.
    #[serde(with = "crate::duration")]
    pub connect_timeout: Duration,
    /// How long an answer may take.
    #[serde(with = "crate::duration")]
    pub command_timeout: Duration,
}

/// What kind of Redis it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RedisMode {
    /// One server.
    #[default]
    Standalone,
    /// A master that Sentinels know.
    Sentinel,
    /// Redis Cluster.
    Cluster,
}

/// Where a server is, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisEndpoint {
    /// `rediss`.
    pub is_secure: bool,
    /// The name, or the address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
    /// The number of the database.
    pub database: u32,
}

// === impl RedisSettings ===

impl RedisSettings {
    /// Where to connect to. Empty: nowhere, or one of the URLs is none.
    pub fn endpoints(&self) -> Vec<RedisEndpoint> {
        let urls = self.url.iter().chain(&self.urls);
        urls.map(|url| RedisEndpoint::parse(url)).collect::<Option<_>>().unwrap_or_default()
    }

    /// Whether anything is shared.
    pub fn is_set(&self) -> bool {
        self.url.is_some() || !self.urls.is_empty()
    }
}

impl Default for RedisSettings {
    fn default() -> Self {
        Self {
            url: None,
            urls: Vec::new(),
            mode: RedisMode::default(),
            master_name: None,
            username: None,
            password_file: None,
            sentinel_username: None,
            sentinel_password_file: None,
            ca_file: None,
            cert_file: None,
            key_file: None,
            server_name: None,
            key_prefix: "icapstan:".to_owned(),
            mac_key_file: None,
            connect_timeout: Duration::from_secs(1),
            command_timeout: Duration::from_secs(1),
        }
    }
}

// === impl RedisEndpoint ===

impl RedisEndpoint {
    /// From `redis://host[:port][/database]` or the same with `rediss`. No user, no password, no options.
    pub fn parse(text: &str) -> Option<Self> {
        let (is_secure, rest) = match (text.strip_prefix("rediss://"), text.strip_prefix("redis://")) {
            (Some(rest), _) => (true, rest),
            (None, Some(rest)) => (false, rest),
            (None, None) => return None,
        };
        let (authority, database) = rest.split_once('/').unwrap_or((rest, ""));
        let database = match database {
            "" => 0,
            digits if digits.len() <= 5 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok()?
            }
            _ => return None,
        };
        let colon = authority.rfind(':').filter(|at| !authority[*at..].contains(']'));
        let (host, port) = match colon {
            Some(at) => (&authority[..at], authority[at + 1..].parse().ok().filter(|port| *port > 0)?),
            None => (authority, 6379),
        };
        let host = match host.strip_prefix('[') {
            Some(inner) => inner.strip_suffix(']').filter(|inner| inner.parse::<Ipv6Addr>().is_ok())?,
            None => Some(host).filter(|host| is_host(host))?,
        };
        Some(Self { is_secure, host: host.to_owned(), port, database })
    }
}

/// Whether a name or an address can be connected to, and a certificate be for it.
pub(crate) fn is_host(host: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    host.parse::<IpAddr>().is_ok() || ((1..=253).contains(&host.len()) && host.bytes().all(is_plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        for (text, expected) in [
            ("redis://r.test", Some((false, "r.test", 6379, 0))),
            ("rediss://r.test:7/15", Some((true, "r.test", 7, 15))),
            ("redis://[::1]:9/", Some((false, "::1", 9, 0))),
            ("redis://[::1]", Some((false, "::1", 6379, 0))),
            ("redis://127.0.0.1:1", Some((false, "127.0.0.1", 1, 0))),
            ("redis://:secret@r.test", None),
            ("redis://ann:secret@r.test:1", None),
            ("redis://r.test:0", None),
            ("redis://r.test/x", None),
            ("redis://r.test/-1", None),
            ("redis://r.test?db=1", None),
            ("redis://", None),
            ("redis://::1", None),
            ("unix:///x", None),
            ("r.test:6379", None),
        ] {
            let found = RedisEndpoint::parse(text);
            let found = found.as_ref().map(|it| (it.is_secure, it.host.as_str(), it.port, it.database));
            assert_eq!(found, expected, "{text}");
        }
    }
}
