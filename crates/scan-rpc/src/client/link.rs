//! A connection to one scanner.

use bytes::Bytes;
use h2::client::SendRequest;
use icapstan_model::GenerationId;
use rustls::pki_types::ServerName;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::ClientTls;

/// Until there is a connection on which calls can be made.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of answers that may be under way before they are read.
const WINDOW: u32 = 1 << 20;
/// What is taken of an object before it could be sent, in bytes.
const SEND_BUFFER: usize = 1 << 20;

/// What calls are made on, as long as it is heard of.
#[derive(Clone)]
pub(super) struct Link {
    pub(super) send: SendRequest<Bytes>,
    pub(super) authority: Arc<str>,
    pub(super) scheme: &'static str,
    /// Nothing comes any more from there: calls that are under way are lost.
    pub(super) lost: CancellationToken,
    /// The connection itself has ended.
    pub(super) closed: CancellationToken,
    /// What it scans with, as it said last.
    pub(super) holds: Arc<Holds>,
}

/// What a scanner has.
#[derive(Debug, Default)]
pub(super) struct Holds {
    pub(super) generations: Vec<GenerationId>,
    /// Its verdicts are of another version than those of this process.
    pub(super) is_other: bool,
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub(super) enum ConnectError {
    #[error("it cannot be connected to")]
    Connect(#[source] io::Error),
    #[error("the connection cannot be secured")]
    Tls(#[source] io::Error),
    #[error("it does not speak HTTP/2")]
    Http(#[source] h2::Error),
    #[error("it did not answer in time")]
    Late,
}

/// Connects.
pub(super) async fn connect(
    address: SocketAddr,
    host: &str,
    tls: Option<&ClientTls>,
) -> Result<Link, ConnectError> {
    tokio::time::timeout(PATIENCE, open(address, host, tls)).await.map_err(|_| ConnectError::Late)?
}

async fn open(address: SocketAddr, host: &str, tls: Option<&ClientTls>) -> Result<Link, ConnectError> {
    let stream = TcpStream::connect(address).await.map_err(ConnectError::Connect)?;
    stream.set_nodelay(true).map_err(ConnectError::Connect)?;
    let Some(tls) = tls else { return speak(stream, address, "http").await };
    let name = tls.server_name.as_deref().unwrap_or(host).to_owned();
    let name = ServerName::try_from(name).map_err(|error| ConnectError::Tls(io::Error::other(error)))?;
    let connector = TlsConnector::from(tls.config.load_full());
    let stream = connector.connect(name, stream).await.map_err(ConnectError::Tls)?;
    speak(stream, address, "https").await
}

async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    address: SocketAddr,
    scheme: &'static str,
) -> Result<Link, ConnectError> {
    let (send, connection) = h2::client::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        .enable_push(false)
        .max_header_list_size(16 << 10)
        .handshake::<_, Bytes>(stream)
        .await
        .map_err(ConnectError::Http)?;
    let (lost, closed) = (CancellationToken::new(), CancellationToken::new());
    let (is_lost, is_closed) = (lost.clone(), closed.clone());
    tokio::spawn(async move {
        let _ends = (is_lost.drop_guard(), is_closed.clone().drop_guard());
        tokio::select! {
            _ = connection => {}
            () = is_closed.cancelled() => {}
        }
    });
    let authority = address.to_string().into();
    Ok(Link { send, authority, scheme, lost, closed, holds: Arc::default() })
}

// === impl Link ===

impl Link {
    /// For calls from now on, after others were given up for lost.
    pub(super) fn renewed(&self, holds: Arc<Holds>) -> Self {
        let lost = if self.lost.is_cancelled() { self.closed.child_token() } else { self.lost.clone() };
        Self { lost, holds, ..self.clone() }
    }

    /// Whether it has these signatures.
    pub(super) fn has(&self, generation: GenerationId) -> bool {
        self.holds.generations.contains(&generation)
    }

    pub(super) fn is_other(&self) -> bool {
        self.holds.is_other
    }
}
