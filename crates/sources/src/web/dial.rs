//! Connections, to addresses that may be had.

use super::Web;
use super::proxy::{Proxy, host_of};
use crate::SourceError;
use icapstan_artifacts::Pace;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Url;

/// So many addresses of one name are tried.
const MAX_ADDRESSES: usize = 4;
/// The most bytes of what a proxy answers.
const MAX_PROXY_HEAD: usize = 8 << 10;
/// So long a name is looked up that only the proxy has to know.
const BEHIND_PROXY: Duration = Duration::from_secs(2);

/// A connection.
pub(super) enum Dialled {
    Plain(TcpStream),
    Secure(Box<TlsStream<TcpStream>>),
}

impl Web {
    /// A connection to who is asked at `url`, and whether a proxy is asked with the whole URL.
    pub(super) async fn dial(
        &self,
        url: &Url,
        tls: &Arc<ClientConfig>,
        pace: Pace,
    ) -> Result<(Dialled, Option<&Proxy>), SourceError> {
        let after = pace.connect;
        let dialled = timeout(after, self.dial_now(url, tls)).await;
        dialled.unwrap_or(Err(SourceError::Timeout { what: "connection", after }))
    }

    async fn dial_now(
        &self,
        url: &Url,
        tls: &Arc<ClientConfig>,
    ) -> Result<(Dialled, Option<&Proxy>), SourceError> {
        let host = host_of(url);
        let port = url.port_or_known_default().unwrap_or(0);
        let proxy = self.proxy.as_ref().filter(|proxy| proxy.is_for(&host));
        let is_secure = url.scheme() == "https";
        let stream = match proxy {
            Some(proxy) => {
                self.check_behind_proxy(&host, port).await?;
                let mut stream = connect_to_proxy(proxy).await?;
                if is_secure {
                    tunnel(&mut stream, proxy, &host, port).await?;
                }
                stream
            }
            None => self.connect(&host, port).await?,
        };
        let _ = stream.set_nodelay(true);
        if !is_secure {
            return Ok((Dialled::Plain(stream), proxy));
        }
        let name = ServerName::try_from(host.clone())
            .map_err(|_| SourceError::Invalid("no certificate can be for this host".to_owned()))?;
        let secured = TlsConnector::from(Arc::clone(tls)).connect(name, stream).await;
        let stream = secured.map_err(|source| SourceError::Secure { host, source })?;
        Ok((Dialled::Secure(Box::new(stream)), None))
    }

    /// To one of the addresses that were checked, and not to the name: that could lead elsewhere the next time.
    async fn connect(&self, host: &str, port: u16) -> Result<TcpStream, SourceError> {
        let resolved = lookup_host((host, port)).await;
        let resolved: Vec<SocketAddr> =
            resolved.map_err(|source| SourceError::Resolve { host: host.to_owned(), source })?.collect();
        let permitted: Vec<_> =
            resolved.iter().filter(|address| self.addresses.permits(address.ip())).collect();
        if permitted.is_empty() {
            return Err(match resolved.first() {
                Some(address) => refused(host, address.ip()),
                None => SourceError::Resolve {
                    host: host.to_owned(),
                    source: std::io::ErrorKind::NotFound.into(),
                },
            });
        }
        let mut last = std::io::ErrorKind::NotFound.into();
        for address in permitted.into_iter().take(MAX_ADDRESSES) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(SourceError::Connect { host: host.to_owned(), source: last })
    }

    /// The proxy connects; but what is known here to be refused it is not asked for.
    async fn check_behind_proxy(&self, host: &str, port: u16) -> Result<(), SourceError> {
        if let Ok(Ok(resolved)) = timeout(BEHIND_PROXY, lookup_host((host, port))).await {
            for address in resolved {
                if !self.addresses.permits(address.ip()) {
                    return Err(refused(host, address.ip()));
                }
            }
        }
        Ok(())
    }
}

fn refused(host: &str, address: IpAddr) -> SourceError {
    SourceError::Address { host: host.to_owned(), address }
}

/// Its address is not checked: whoever runs this program has named it.
async fn connect_to_proxy(proxy: &Proxy) -> Result<TcpStream, SourceError> {
    let connected = TcpStream::connect((proxy.host.as_str(), proxy.port)).await;
    connected.map_err(|source| SourceError::Connect { host: proxy.host.clone(), source })
}

/// RFC 9110 section 9.3.6.
async fn tunnel(stream: &mut TcpStream, proxy: &Proxy, host: &str, port: u16) -> Result<(), SourceError> {
    let fault = |source| SourceError::Connect { host: proxy.host.clone(), source };
    let authority = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
    let mut request = format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n");
    if let Some(authorization) = &proxy.authorization {
        let _ = write!(request, "Proxy-Authorization: {authorization}\r\n");
    }
    request.push_str("\r\n");
    stream.write_all(request.as_bytes()).await.map_err(fault)?;
    let mut head = Vec::new();
    // Nothing follows it before we speak: one byte after the other takes nothing of what comes then.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() >= MAX_PROXY_HEAD {
            return Err(SourceError::Proxy("without an end".to_owned()));
        }
        head.push(stream.read_u8().await.map_err(fault)?);
    }
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let line = String::from_utf8_lossy(line);
    let status = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1));
    match status {
        Some(status) if status.len() == 3 && status.starts_with('2') => Ok(()),
        Some(status) if status.bytes().all(|byte| byte.is_ascii_digit()) => {
            Err(SourceError::Proxy(status.chars().take(3).collect()))
        }
        _ => Err(SourceError::Proxy("something that is no HTTP".to_owned())),
    }
}
