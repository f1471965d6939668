//! The connection to a collector, which is made anew whenever it is lost.

use crate::OtlpError;
use hyper_util::rt::TokioIo;
use icapstan_api::{ReputationEndpoint, TracingSettings};
use icapstan_tls::{authorities, connector_config};
use rustls::pki_types::ServerName;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tonic::transport::{Channel, Endpoint, Uri};
use tower::service_fn;

/// How calls reach a collector.
#[derive(Clone)]
pub(crate) struct Connector {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
}

/// What a connection reads from and writes to.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

type Connected = Pin<Box<dyn Future<Output = io::Result<TokioIo<Box<dyn Stream>>>> + Send>>;

// === impl Connector ===

impl Connector {
    /// A `caFile` that cannot be used is an error now, as is a system without certificates.
    pub(crate) fn new(settings: &TracingSettings, collector: &ReputationEndpoint) -> Result<Self, OtlpError> {
        let tls = if collector.is_secure {
            let mut config = connector_config(authorities(settings.ca_file.as_deref())?);
            config.alpn_protocols = vec![b"h2".to_vec()];
            let name = ServerName::try_from(collector.host.clone())
                .map_err(|_| OtlpError::Endpoint(settings.endpoint.clone().unwrap_or_default()))?;
            Some((TlsConnector::from(Arc::new(config)), name))
        } else {
            None
        };
        Ok(Self { host: collector.host.clone(), port: collector.port, tls })
    }

    /// Connects with the first call. `authority` is what calls name.
    pub(crate) fn channel(self, authority: &str, settings: &TracingSettings) -> Result<Channel, OtlpError> {
        let wrong = || OtlpError::Endpoint(settings.endpoint.clone().unwrap_or_default());
        let uri = |scheme| -> Result<Uri, OtlpError> {
            format!("{scheme}://{authority}").parse().map_err(|_| wrong())
        };
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        // The connection is secured here, not by what makes the calls.
        let endpoint = Endpoint::from(uri("http")?).origin(uri(scheme)?).connect_timeout(settings.timeout);
        Ok(endpoint.connect_with_connector_lazy(service_fn(move |_| self.clone().connect())))
    }

    fn connect(self) -> Connected {
        Box::pin(async move {
            let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
            stream.set_nodelay(true)?;
            let stream: Box<dyn Stream> = match self.tls {
                Some((tls, name)) => Box::new(tls.connect(name, stream).await?),
                None => Box::new(stream),
            };
            Ok(TokioIo::new(stream))
        })
    }
}
