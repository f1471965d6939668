//! Servers.

use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use icapstan_api::{HookUrl, HttpHooks};
use icapstan_tls::{TlsError, authorities, connector_config};
use rustls::pki_types::ServerName;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// Calls servers. No connection is kept: calls are rare, and a server that went away is noticed at once.
pub(crate) struct Client {
    timeout: Duration,
    /// Whom to believe.
    tls: Result<TlsConnector, Arc<TlsError>>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub(crate) enum HttpError {
    #[error("there is no connection")]
    Connect(#[source] io::Error),
    #[error("no certificate can be believed")]
    Authorities(#[source] Arc<TlsError>),
    #[error("no certificate can be for {0}")]
    Name(String),
    #[error("the connection cannot be secured")]
    Secure(#[source] io::Error),
    #[error("the request cannot be made")]
    Request(#[source] hyper::http::Error),
    #[error("there is no answer")]
    Answer(#[source] hyper::Error),
    #[error("it took longer than {0:?}")]
    Timeout(Duration),
}

// === impl Client ===

impl Client {
    /// A `caFile` that cannot be used is an error now. A system without certificates is one only for who asks
    /// for https.
    pub(crate) fn new(settings: &HttpHooks) -> Result<Self, TlsError> {
        let tls = match (authorities(settings.ca_file.as_deref()), &settings.ca_file) {
            (Ok(roots), _) => Ok(TlsConnector::from(Arc::new(connector_config(roots)))),
            (Err(error), Some(_)) => return Err(error),
            (Err(error), None) => Err(Arc::new(error)),
        };
        Ok(Self { timeout: settings.timeout, tls })
    }

    /// Sends `json`; the status of the answer.
    pub(crate) async fn post(&self, url: &HookUrl, json: Vec<u8>) -> Result<StatusCode, HttpError> {
        let answered = timeout(self.timeout, self.connect_and_post(url, json)).await;
        answered.unwrap_or(Err(HttpError::Timeout(self.timeout)))
    }

    async fn connect_and_post(&self, url: &HookUrl, json: Vec<u8>) -> Result<StatusCode, HttpError> {
        let connector = if url.is_secured() {
            Some(self.tls.as_ref().map_err(|error| HttpError::Authorities(Arc::clone(error)))?)
        } else {
            None
        };
        let stream = TcpStream::connect((url.host(), url.port())).await.map_err(HttpError::Connect)?;
        match connector {
            Some(connector) => {
                let name = ServerName::try_from(url.host().to_owned())
                    .map_err(|_| HttpError::Name(url.host().to_owned()))?;
                let stream = connector.connect(name, stream).await.map_err(HttpError::Secure)?;
                exchange(stream, url, json).await
            }
            None => exchange(stream, url, json).await,
        }
    }
}

async fn exchange<S>(stream: S, url: &HookUrl, json: Vec<u8>) -> Result<StatusCode, HttpError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let request = Request::post(url.path_and_query())
        .header(HOST, url.authority())
        .header(USER_AGENT, concat!("icapstan/", env!("CARGO_PKG_VERSION")))
        .header(CONTENT_TYPE, "application/json")
        .header(CONNECTION, "close")
        .body(Full::new(Bytes::from(json)))
        .map_err(HttpError::Request)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(HttpError::Answer)?;
    // Ends with this function.
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    let response = sender.send_request(request).await.map_err(HttpError::Answer)?;
    Ok(response.status())
}
