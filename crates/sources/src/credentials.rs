//! What is secret, and for whom.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hyper::header::{AUTHORIZATION, HeaderName, HeaderValue};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use thiserror::Error;
use url::Url;

/// What is said to certain hosts only.
#[derive(Clone, Debug)]
pub struct Credential {
    /// Which hosts: `mirror.example`, which is its port 443 (80 without TLS), or `mirror.example:8443`.
    pub hosts: Vec<String>,
    /// Whether it is said without TLS too.
    pub plain: bool,
    /// What is said.
    pub secret: Secret,
}

/// What is said. `Debug` does not say it.
#[derive(Clone)]
pub enum Secret {
    /// A name and a password.
    Basic {
        /// The name.
        user: String,
        /// The password.
        password: String,
    },
    /// A token.
    Bearer(String),
    /// A header field of any name.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

/// Why a file of credentials cannot be used.
#[derive(Debug, Error)]
pub enum DockerConfigError {
    /// No such JSON.
    #[error("it is no JSON of a .dockerconfigjson")]
    Json(#[source] serde_json::Error),
    /// An entry that nobody can read.
    #[error("the entry of {0} has neither a name with a password nor auth, which is both in base64")]
    Entry(String),
}

// === impl Credential ===

impl Credential {
    /// Those of a Secret of the type `kubernetes.io/dockerconfigjson`, each for its own host.
    pub fn from_docker_config(json: &[u8]) -> Result<Vec<Self>, DockerConfigError> {
        #[derive(Deserialize)]
        struct Config {
            #[serde(default)]
            auths: BTreeMap<String, Entry>,
        }
        #[derive(Deserialize)]
        struct Entry {
            username: Option<String>,
            password: Option<String>,
            auth: Option<String>,
        }
        // The error of serde_json tells where, and not what stands there.
        let config: Config = serde_json::from_slice(json).map_err(DockerConfigError::Json)?;
        let one = |(place, entry): (String, Entry)| {
            // Written as hosts, and as URLs of old.
            let host = place.trim_start_matches("https://").trim_start_matches("http://");
            let host = host.split('/').next().unwrap_or(host).to_owned();
            let both = entry.username.zip(entry.password).or_else(|| {
                let text = String::from_utf8(STANDARD.decode(entry.auth?).ok()?).ok()?;
                let (user, password) = text.split_once(':')?;
                Some((user.to_owned(), password.to_owned()))
            });
            let (user, password) = both.ok_or(DockerConfigError::Entry(place))?;
            Ok(Self { hosts: vec![host], plain: false, secret: Secret::Basic { user, password } })
        };
        config.auths.into_iter().map(one).collect()
    }

    /// Whether it is for who is asked at `url`.
    pub(crate) fn is_for(&self, url: &Url) -> bool {
        let Some(host) = url.host_str() else { return false };
        let is_there = self.hosts.iter().any(|entry| {
            let (name, port) = match entry.rsplit_once(':') {
                // An address of IPv6 without a port ends with its bracket.
                Some((name, port)) if !port.contains(']') => (name, port.parse().ok()),
                _ => (entry.as_str(), default_port(url.scheme())),
            };
            name.eq_ignore_ascii_case(host) && port.is_some() && port == url.port_or_known_default()
        });
        is_there && (self.plain || url.scheme() == "https")
    }

    /// The field that says it; `None` if it cannot be said.
    pub(crate) fn field(&self) -> Option<(HeaderName, HeaderValue)> {
        let (name, value) = match &self.secret {
            Secret::Basic { user, password } => (AUTHORIZATION, basic(user, password)),
            Secret::Bearer(token) => (AUTHORIZATION, format!("Bearer {token}")),
            Secret::Header { name, value } => (HeaderName::try_from(name).ok()?, value.clone()),
        };
        let mut value = HeaderValue::try_from(value).ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "https" => Some(443),
        "http" => Some(80),
        _ => None,
    }
}

/// RFC 7617.
pub(crate) fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Basic { user, .. } => f.debug_struct("Basic").field("user", user).finish_non_exhaustive(),
            Self::Bearer(_) => f.debug_struct("Bearer").finish_non_exhaustive(),
            Self::Header { name, .. } => f.debug_struct("Header").field("name", name).finish_non_exhaustive(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credential(host: &str, plain: bool) -> Credential {
        Credential { hosts: vec![host.to_owned()], plain, secret: Secret::Bearer("s3cr3t".to_owned()) }
    }

    #[test]
    fn a_secret_is_for_its_hosts_and_their_ports() {
        let is_for = |host, plain, url: &str| credential(host, plain).is_for(&url.parse().unwrap());
        assert!(is_for("a.example", false, "https://A.example/x"));
        assert!(is_for("a.example:8443", false, "https://a.example:8443/"));
        assert!(is_for("[::1]", true, "http://[::1]/") && is_for("[::1]:81", true, "http://[::1]:81/"));
        assert!(is_for("a.example", true, "http://a.example/"));
        for (host, url) in [
            ("a.example", "http://a.example/"),
            ("a.example", "https://a.example:8443/"),
            ("a.example", "https://b.a.example/"),
            ("a.example", "https://a.example.evil/"),
            ("a.example:", "https://a.example/"),
            ("", "https://a.example/"),
        ] {
            assert!(!is_for(host, false, url), "{host} {url}");
        }
        assert!(!format!("{:?}", credential("a", true)).contains("s3cr3t"));
        let basic = Secret::Basic { user: "u".to_owned(), password: "s3cr3t".to_owned() };
        assert!(!format!("{basic:?}").contains("s3cr3t"));
    }

    #[test]
    fn what_docker_login_writes_is_read() {
        let json = br#"{"auths": {"ghcr.io": {"auth": "dTpwOnc="}, "https://index.docker.io/v1/":
            {"username": "v", "password": "x"}}}"#;
        let found = Credential::from_docker_config(json).unwrap();
        let flat: Vec<_> = found.iter().map(|one| (one.hosts[0].as_str(), one.field().unwrap().1)).collect();
        assert_eq!(flat[0], ("ghcr.io", HeaderValue::from_str(&basic("u", "p:w")).unwrap()));
        assert_eq!(flat[1], ("index.docker.io", HeaderValue::from_str(&basic("v", "x")).unwrap()));
        for wrong in [&b"x"[..], br#"{"auths": {"a": {}}}"#, br#"{"auths": {"a": {"auth": "!"}}}"#] {
            assert!(Credential::from_docker_config(wrong).is_err());
        }
    }
}
