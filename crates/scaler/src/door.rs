//! Connections of autoscalers.

use crate::metrics::{ScalerMetrics, TurnedAway};
use crate::service::Service;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use icapstan_proto::externalscaler::external_scaler_server::ExternalScalerServer;
use icapstan_scan_rpc::{Begun, Secured};
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::TaskTracker;
use tower_service::Service as _;
use tracing::{debug, info, warn};

/// Until a connection is secured, and until HTTP/2 has begun on it.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// A connection over which nothing came for so long is asked whether it is still there.
const PING_AFTER: Duration = Duration::from_secs(20);
/// And is given up when nothing comes for so long.
const PONG_WITHIN: Duration = Duration::from_secs(10);
/// Connections at once: some for each replica of an autoscaler.
const CONNECTIONS: usize = 64;
/// Calls of one connection at once: KEDA has two streams open for each trigger.
const STREAMS: u32 = 256;
/// Headers of a call, in bytes.
const HEAD: u32 = 16 << 10;
/// How long accepting pauses after an error such as too many open files.
const PAUSE: Duration = Duration::from_millis(50);

/// What connections begin with, and when they end.
#[derive(Clone)]
pub(crate) struct Doors {
    pub(crate) tls: Option<Secured>,
    pub(crate) draining: watch::Receiver<bool>,
    pub(crate) cut: watch::Receiver<bool>,
    pub(crate) metrics: ScalerMetrics,
}

/// One connection that is counted.
struct Place {
    metrics: ScalerMetrics,
    _permit: OwnedSemaphorePermit,
}

type Server = ExternalScalerServer<Service>;

/// Accepts until the scaler drains.
pub(crate) async fn run(listener: TcpListener, service: Server, doors: Doors, tasks: TaskTracker) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut draining = doors.draining.clone();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = draining.wait_for(|is_draining| *is_draining) => return,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                debug!(%error, "A connection of an autoscaler cannot be accepted.");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Ok(permit) = Arc::clone(&places).try_acquire_owned() else {
            doors.metrics.turned_away.inc(TurnedAway::Connections);
            continue;
        };
        doors.metrics.connections.inc();
        let place = Place { metrics: doors.metrics.clone(), _permit: permit };
        tasks.spawn(connection(stream, peer, service.clone(), doors.clone(), place));
    }
}

async fn connection(stream: TcpStream, peer: SocketAddr, service: Server, doors: Doors, _place: Place) {
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
                warn!(%peer, names, "An autoscaler may not connect: its certificate has none of the names that may.");
            }
        },
        Ok(Err(error)) => {
            doors.metrics.turned_away.inc(TurnedAway::Tls);
            warn!(%peer, %error, "An autoscaler cannot connect: its connection cannot be secured.");
        }
        Err(_) => {
            doors.metrics.turned_away.inc(TurnedAway::Tls);
            info!(%peer, "An autoscaler cannot connect: its connection was not secured in time.");
        }
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    service: Server,
    mut doors: Doors,
) {
    let answer = service_fn(move |request: Request<Incoming>| service.clone().call(request));
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(PING_AFTER)
        .keep_alive_timeout(PONG_WITHIN)
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(HEAD)
        .serve_connection(TokioIo::new(Begun::within(HANDSHAKE, stream)), answer);
    let mut connection = pin!(connection);
    let mut is_draining = false;
    loop {
        tokio::select! {
            result = connection.as_mut() => {
                if let Err(error) = result {
                    debug!(%error, "A connection of an autoscaler ended.");
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

impl Drop for Place {
    fn drop(&mut self) {
        self.metrics.connections.dec();
    }
}
