//! One connection to a service.

use super::SetupError;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use icapstan_api::ReputationEndpoint;
use icapstan_tls::{ClientFiles, client_config};
use rustls::pki_types::ServerName;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

/// The most bytes of the head of an answer.
const MAX_HEAD: usize = 16 << 10;
/// The most fields in it.
const MAX_FIELDS: usize = 64;

/// How to get a connection.
pub(super) struct Dial {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// A connection that takes one question at a time. It ends when this is dropped, whatever the other
/// side does.
#[derive(Debug)]
pub(super) struct Link {
    sender: SendRequest<Full<Bytes>>,
    task: AbortHandle,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub(super) enum LinkError {
    #[error("no connection")]
    Connect(#[source] io::Error),
    #[error("no secured connection")]
    Secure(#[source] io::Error),
    #[error("no HTTP")]
    Http(#[source] hyper::Error),
}

// === impl Dial ===

impl Dial {
    pub(super) fn new(endpoint: &ReputationEndpoint, ca_file: Option<&Path>) -> Result<Self, SetupError> {
        let ReputationEndpoint { host, port, is_secure, .. } = endpoint;
        let tls = if *is_secure {
            let name = ServerName::try_from(host.clone()).map_err(|_| SetupError::Url)?;
            let config = client_config(ClientFiles { ca: ca_file, identity: None })?;
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        Ok(Self { host: host.clone(), port: *port, tls })
    }

    pub(super) async fn connect(&self) -> Result<Link, LinkError> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(LinkError::Connect)?;
        stream.set_nodelay(true).map_err(LinkError::Connect)?;
        match &self.tls {
            Some((connector, name)) => {
                let secured = connector.connect(name.clone(), stream).await.map_err(LinkError::Secure)?;
                Link::over(secured).await
            }
            None => Link::over(stream).await,
        }
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

// === impl Link ===

impl Link {
    async fn over(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static) -> Result<Self, LinkError> {
        let mut builder = http1::Builder::new();
        builder.max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
        let (sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(LinkError::Http)?;
        // Whoever sends learns how it ends.
        let task = tokio::spawn(async move { drop(connection.await) }).abort_handle();
        Ok(Self { sender, task })
    }

    pub(super) async fn send(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Incoming>, hyper::Error> {
        self.sender.ready().await?;
        self.sender.send_request(request).await
    }

    pub(super) fn is_open(&self) -> bool {
        !self.sender.is_closed()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}
