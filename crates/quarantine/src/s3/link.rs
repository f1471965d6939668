//! One connection to a store, for one request.

use super::error::S3Error;
use http_body_util::combinators::BoxBody;
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use icapstan_api::ReputationEndpoint;
use icapstan_tls::{ClientFiles, TlsError, client_config};
use rustls::pki_types::ServerName;
use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

/// The most bytes of the head of an answer, and of what is read ahead of its body.
const MAX_HEAD: usize = 64 << 10;
/// The most fields in it.
const MAX_FIELDS: usize = 64;

/// What a request brings.
pub(super) type Body = BoxBody<Bytes, io::Error>;

/// How to get a connection.
pub(super) struct Dial {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

// === impl Dial ===

impl Dial {
    pub(super) fn new(endpoint: &ReputationEndpoint, ca_file: Option<&Path>) -> Result<Self, TlsError> {
        let ReputationEndpoint { host, port, is_secure, .. } = endpoint;
        let tls = if *is_secure {
            let name = ServerName::try_from(host.clone()).map_err(|_| TlsError::Name(host.clone()))?;
            let config = client_config(ClientFiles { ca: ca_file, identity: None })?;
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        Ok(Self { host: host.clone(), port: *port, tls })
    }

    /// Sends a request over a connection of its own, which `driver` drives: when that is dropped, it ends.
    pub(super) async fn send(
        &self,
        request: Request<Body>,
        driver: &mut JoinSet<()>,
    ) -> Result<Response<Incoming>, S3Error> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await.map_err(S3Error::Connect)?;
        stream.set_nodelay(true).map_err(S3Error::Connect)?;
        match &self.tls {
            Some((connector, name)) => {
                let secured = connector.connect(name.clone(), stream).await.map_err(S3Error::Secure)?;
                exchange(secured, request, driver).await
            }
            None => exchange(stream, request, driver).await,
        }
    }
}

impl fmt::Debug for Dial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dial").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
    driver: &mut JoinSet<()>,
) -> Result<Response<Incoming>, S3Error> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_FIELDS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(S3Error::Broken)?;
    // Whoever waits for the answer learns how it ends.
    driver.spawn(async move { drop(connection.await) });
    sender.send_request(request).await.map_err(S3Error::Broken)
}
