//! Connections of who asks.

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use tonic::body::Body;
use tracing::{debug, info, warn};

use super::Secured;
use super::begun::Begun;
use crate::metrics::{DoorMetrics, TurnedAway};

/// Until a connection is secured, and until HTTP/2 has begun on it.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A connection over which nothing came for so long is asked whether it is still there.
const PING_AFTER: Duration = Duration::from_secs(20);
/// And is given up when nothing comes for so long.
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// Bytes of one object that may be under way before they are read.
const STREAM_WINDOW: u32 = 1 << 20;
/// And of all objects of one connection.
const CONNECTION_WINDOW: u32 = 8 << 20;
/// Fewer and larger frames: each is a buffer and some bookkeeping.
const FRAME: u32 = 256 << 10;
/// Scans of one connection at once. Admission refuses earlier, with a reason.
const STREAMS: u32 = 16_384;
/// Headers of a call, in bytes.
const HEAD: u32 = 16 << 10;
/// How long accepting pauses after an error such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// What connections begin with, and when they end.
#[derive(Clone)]
pub(super) struct Doors {
    pub(super) tls: Option<Secured>,
    pub(super) connections: usize,
    pub(super) draining: watch::Receiver<bool>,
    pub(super) cut: watch::Receiver<bool>,
    pub(super) metrics: DoorMetrics,
}

/// What answers requests. Clones share all.
pub(super) trait Answers: Clone + Send + 'static {
    fn answer(
        self,
        request: Request<Incoming>,
    ) -> impl Future<Output = Result<Response<Body>, Infallible>> + Send;
}

/// One connection that is counted.
struct Place {
    metrics: DoorMetrics,
    _permit: OwnedSemaphorePermit,
}

/// Accepts until the server drains.
pub(super) async fn run(listener: TcpListener, service: impl Answers, doors: Doors, tasks: TaskTracker) {
    let places = Arc::new(Semaphore::new(doors.connections));
    let mut draining = doors.draining.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|is_draining| *is_draining) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(%error, "A connection cannot be accepted.");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            doors.metrics.turned_away.inc(TurnedAway::Connections);
            continue;
        };
        let place = Place::take(&doors.metrics, place);
        tasks.spawn(connection(stream, peer, service.clone(), doors.clone(), place));
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, service: impl Answers, doors: Doors, _place: Place) {
    let _ = stream.set_nodelay(true);
    let Some(secured) = &doors.tls else {
        return serve(stream, service, doors).await;
    };
    let acceptor = TlsAcceptor::from(secured.acceptor.now().config());
    match tokio::time::timeout(HANDSHAKE, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => match secured.refused_name(&stream) {
            None => serve(stream, service, doors).await,
            Some(names) => {
                doors.metrics.turned_away.inc(TurnedAway::Name);
                warn!(%peer, names, "A connection is not taken: its certificate has none of the names that may connect.");
            }
        },
        Ok(Err(error)) => {
            doors.metrics.turned_away.inc(TurnedAway::Tls);
            warn!(%peer, %error, "A connection is not taken: it cannot be secured.");
        }
        Err(_) => {
            doors.metrics.turned_away.inc(TurnedAway::Tls);
            info!(%peer, "A connection is not taken: it was not secured in time.");
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: impl Answers,
    mut doors: Doors,
) {
    let answer = service_fn(move |request| service.clone().answer(request));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_WITHIN)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_frame_size(FRAME)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD)
        .serve_connection(TokioIo::new(Begun::within(HANDSHAKE, stream)), answer);
    let mut connection = pin!(connection);
    let mut is_draining = false;
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    debug!(%error, "A connection ended.");
                }
                return;
            }
            _ = doors.draining.wait_for(|draining| *draining), if !is_draining => {
                is_draining = true;
                connection.as_mut().graceful_shutdown();
            }
            _ = doors.cut.wait_for(|cut| *cut) => return,
        }
    }
}

// === impl Place ===

impl Place {
    fn take(metrics: &DoorMetrics, permit: OwnedSemaphorePermit) -> Self {
        metrics.connections.inc();
        Self { metrics: metrics.clone(), _permit: permit }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}
