//! A place that has artifacts, and connections to it.

use super::AttemptError;
use hyper::Uri;
use hyper::header::HeaderValue;
use rustls::pki_types::ServerName;

/// A place that has artifacts.
#[derive(Debug)]
pub(super) struct Base {
    pub(super) host: String,
    pub(super) port: u16,
    /// Whom the certificate has to be for.
    pub(super) name: Option<ServerName<'static>>,
    pub(super) authority: HeaderValue,
    /// Without a slash at its end.
    path: String,
}

// === impl Base ===

impl Base {
    pub(super) fn parse(url: &str) -> Result<Self, AttemptError> {
        let fault = || AttemptError::Url(url.chars().take(200).collect());
        let uri: Uri = url.parse().map_err(|_| fault())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(fault());
        };
        if authority.as_str().contains('@') || uri.query().is_some() {
            return Err(fault());
        }
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
        let (name, port) = match scheme {
            "http" => (None, 80),
            "https" => (Some(ServerName::try_from(host.clone()).map_err(|_| fault())?), 443),
            _ => return Err(fault()),
        };
        Ok(Self {
            port: authority.port_u16().unwrap_or(port),
            authority: HeaderValue::try_from(authority.as_str()).map_err(|_| fault())?,
            path: uri.path().trim_end_matches('/').to_owned(),
            host,
            name,
        })
    }

    /// What is asked for.
    pub(super) fn target(&self, hex: &str) -> String {
        format!("{}/sha256/{hex}", self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_is_a_url_with_or_without_a_path() {
        let base = Base::parse("http://[::1]:7347/a/").unwrap();
        assert_eq!(
            (base.host.as_str(), base.port, base.target("ff").as_str()),
            ("::1", 7347, "/a/sha256/ff")
        );
        let base = Base::parse("https://operator.ns.svc").unwrap();
        assert_eq!((base.port, base.target("ff").as_str()), (443, "/sha256/ff"));
        assert!(base.name.is_some());
        for wrong in ["", "operator:7347", "/x", "ftp://a", "http://u:p@a", "http://a/?q", "http://"] {
            assert!(matches!(Base::parse(wrong), Err(AttemptError::Url(_))), "{wrong}");
        }
    }
}
