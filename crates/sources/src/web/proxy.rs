//! Through whom servers are asked.

use crate::SourceError;
use crate::credentials::basic;
use crate::spec::check_url;
use ipnet::IpNet;
use std::fmt;
use std::net::IpAddr;
use url::Url;

/// An HTTP proxy: `https` goes through it by CONNECT, `http` by its whole URL. It resolves the names itself, so that
/// where they lead is for the proxy to say; names that lead to what is refused here are not even asked for.
#[derive(Clone)]
pub struct Proxy {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) authorization: Option<String>,
    direct: Vec<String>,
}

// === impl Proxy ===

impl Proxy {
    /// By a URL such as `http://user:password@proxy.example:3128`. `direct` has who is asked without it, as `NO_PROXY`
    /// does: names, with all below them; addresses and networks; `*`.
    pub fn parse(url: &str, direct: &[String]) -> Result<Self, SourceError> {
        let fault = || SourceError::Invalid("the URL of the proxy is none with http".to_owned());
        let mut url: Url = url.parse().map_err(|_| fault())?;
        let authorization = if url.username().is_empty() {
            None
        } else {
            let user = percent_decode(url.username()).ok_or_else(fault)?;
            let password = percent_decode(url.password().unwrap_or("")).ok_or_else(fault)?;
            Some(basic(&user, &password))
        };
        url.set_username("").and_then(|()| url.set_password(None)).map_err(|()| fault())?;
        check_url(&url).map_err(|_| fault())?;
        if url.scheme() != "http" {
            return Err(fault());
        }
        Ok(Self {
            host: host_of(&url),
            port: url.port_or_known_default().unwrap_or(80),
            authorization,
            direct: direct.iter().map(|entry| entry.trim().to_ascii_lowercase()).collect(),
        })
    }

    /// Whether that host is asked through it.
    pub(super) fn is_for(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        let address: Option<IpAddr> = host.parse().ok();
        !self.direct.iter().any(|entry| {
            let net = entry.parse::<IpNet>().or_else(|_| entry.parse::<IpAddr>().map(IpNet::from));
            match (net, address) {
                _ if entry == "*" => true,
                (Ok(net), Some(address)) => net.contains(&address),
                (Ok(_), None) | (Err(_), Some(_)) => false,
                (Err(_), None) => {
                    let name = entry.trim_start_matches('.');
                    !name.is_empty()
                        && host.strip_suffix(name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                }
            }
        })
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// The host as it is connected to: without brackets.
pub(super) fn host_of(url: &Url) -> String {
    let host = url.host_str().unwrap_or("");
    host.trim_start_matches('[').trim_end_matches(']').to_owned()
}

fn percent_decode(text: &str) -> Option<String> {
    let (mut bytes, mut rest) = (Vec::new(), text.as_bytes());
    while let Some((&first, others)) = rest.split_first() {
        rest = others;
        if first == b'%' {
            let digits = std::str::from_utf8(others.get(..2)?).ok()?;
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = &others[2..];
        } else {
            bytes.push(first);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_for_all_but_those_who_are_named() {
        let direct = ["svc", ".example.com", "10.0.0.0/8", "fd00::1"].map(str::to_owned);
        let proxy = Proxy::parse("http://u%40x:p%3aw@proxy:3128/", &direct).unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy", 3128));
        assert_eq!(proxy.authorization.as_deref(), Some(basic("u@x", "p:w").as_str()));
        for host in ["svc", "a.svc", "example.com", "A.EXAMPLE.com", "10.1.2.3", "fd00::1"] {
            assert!(!proxy.is_for(host), "{host}");
        }
        for host in ["notsvc", "example.org", "11.1.2.3", "svc.org", "fd00::2"] {
            assert!(proxy.is_for(host), "{host}");
        }
        assert!(!Proxy::parse("http://p", &["*".to_owned()]).unwrap().is_for("a"));
        for wrong in ["", "p:1", "https://p", "socks5://p", "http://"] {
            assert!(Proxy::parse(wrong, &[]).is_err(), "{wrong}");
        }
        assert!(!format!("{proxy:?}").contains("Basic"));
    }
}
