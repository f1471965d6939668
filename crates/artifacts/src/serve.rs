//! Artifacts for others.

mod answer;
mod file;
mod paced;
mod range;

use crate::{Pace, Store};
use answer::answer;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use icapstan_tls::Acceptor;
use paced::Paced;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tracing::warn;

/// How long a failed accept is not repeated: the process may be out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// The request line and all header fields, in bytes.
const MAX_HEAD: usize = 16 << 10;
/// How many header fields.
const MAX_FIELDS: usize = 64;

/// How artifacts are served.
#[derive(Clone, Debug)]
pub struct ServeOptions {
    /// What handshakes begin with; without it plain HTTP is spoken.
    pub tls: Option<Acceptor>,
    /// How many connections there are at once. More wait in the kernel.
    pub max_connections: usize,
    /// How slow those who ask may be.
    pub pace: Pace,
}

/// A server of what a store has: GET and HEAD of `/sha256/HEX`, with ranges. Ends when dropped.
#[derive(Debug)]
pub struct Server {
    addr: SocketAddr,
    task: AbortHandle,
}

// === impl ServeOptions ===

impl Default for ServeOptions {
    fn default() -> Self {
        Self { tls: None, max_connections: 256, pace: Pace::default() }
    }
}

// === impl Server ===

impl Server {
    /// Listens on `addr`, whose port may be 0, and serves in tasks of this runtime.
    pub async fn start(addr: SocketAddr, store: Store, options: ServeOptions) -> io::Result<Self> {
        let listener = TcpListener::bind(addr).await?;
        let addr = listener.local_addr()?;
        let task = tokio::spawn(serve(listener, store, options)).abort_handle();
        Ok(Self { addr, task })
    }

    /// Where it listens, with the port that the system chose if none was given.
    pub fn local_addr(&self) -> SocketAddr {
        self.addr
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, store: Store, options: ServeOptions) {
    let places = Arc::new(Semaphore::new(options.max_connections.max(1)));
    // All end with this task.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((stream, _)) => {
                let (store, options) = (store.clone(), options.clone());
                connections.spawn(async move {
                    let _place = place;
                    connection(stream, store, options).await;
                });
            }
            Err(error) => {
                warn!(%error, "no connection for artifacts can be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// How a connection ends is the client's business; there is nobody to tell.
async fn connection(stream: TcpStream, store: Store, options: ServeOptions) {
    let pace = options.pace;
    let _ = stream.set_nodelay(true);
    let stream = Paced::new(stream, pace);
    match options.tls {
        None => talk(stream, store, pace).await,
        Some(acceptor) => {
            let acceptor = TlsAcceptor::from(acceptor.now().config());
            if let Ok(Ok(stream)) = timeout(pace.connect, acceptor.accept(stream)).await {
                talk(stream, store, pace).await;
            }
        }
    }
}

async fn talk(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, store: Store, pace: Pace) {
    let service = service_fn(move |request| {
        let store = store.clone();
        async move { Ok::<_, Infallible>(answer(&store, &request).await) }
    });
    let _ = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(pace.head)
        .max_buf_size(MAX_HEAD)
        .max_headers(MAX_FIELDS)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}
