//! The listener, and what its sessions share.

use crate::clients::{Clients, Guest, TooMany};
use crate::fence::{Ending, Fence};
use crate::idle::{IdleSet, Room};
use crate::metrics::ClientLimit;
use crate::{Budget, Entrance, ServerConfig, ServerMetrics, Service};
use socket2::{SockRef, TcpKeepalive};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{debug, warn};

/// Bound addresses, not yet listening.
#[derive(Debug)]
pub struct Server {
    sockets: Vec<(TcpSocket, Entrance)>,
    local: SocketAddr,
    config: ServerConfig,
    metrics: ServerMetrics,
    fence: Fence,
}

/// Stops a server that was started.
#[derive(Debug)]
pub struct Shutdown {
    stop: CancellationToken,
    sessions: TaskTracker,
}

/// What all sessions of a server share.
pub(crate) struct Shared<S> {
    pub(crate) service: S,
    pub(crate) config: ServerConfig,
    pub(crate) metrics: ServerMetrics,
    /// For heads and read buffers that are larger than usual.
    pub(crate) memory: Arc<Budget>,
    /// Connections without a request.
    pub(crate) idle: IdleSet,
    /// What single clients take, where that is limited.
    pub(crate) clients: Option<Arc<Clients>>,
    pub(crate) fence: Fence,
    stop: CancellationToken,
    slots: Arc<AtomicUsize>,
    seats: Arc<AtomicUsize>,
    /// Those that may begin.
    pub(crate) handshakes: Semaphore,
}

/// Connections that the system may have made for a listener and nobody has accepted; it may allow fewer
/// (`net.core.somaxconn`).
const QUEUE: u32 = 4096;

/// Where connections come in.
struct Door<S> {
    entrance: Arc<Entrance>,
    shared: Arc<Shared<S>>,
    sessions: TaskTracker,
}

/// The right to be served; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot(Arc<AtomicUsize>);

/// Connections beyond the session limit that are still listened to, for their OPTIONS.
const fn reserve(sessions: usize) -> usize {
    sessions / 8 + 64
}

// === impl Server ===

impl Server {
    /// Binds nothing yet.
    pub fn new(config: ServerConfig, metrics: ServerMetrics) -> Self {
        metrics.sessions_limit.set(i64::try_from(config.sessions).unwrap_or(i64::MAX));
        let local = (Ipv4Addr::UNSPECIFIED, 0).into();
        Self { sockets: Vec::new(), local, config, metrics, fence: Fence::new() }
    }

    /// Binds `addr` for connections that begin with requests.
    pub fn bind(addr: SocketAddr, config: ServerConfig, metrics: ServerMetrics) -> io::Result<Self> {
        let mut server = Self::new(config, metrics);
        server.listen(addr, Entrance::default())?;
        Ok(server)
    }

    /// Binds `addr`; with port 0 the system chooses one. Until [`Server::start`], connections are
    /// refused by the system: a client that finds nobody is better off than one that finds silence.
    pub fn listen(&mut self, addr: SocketAddr, entrance: Entrance) -> io::Result<SocketAddr> {
        let socket = bind(addr)?;
        let local = socket.local_addr()?;
        if self.sockets.is_empty() {
            self.local = local;
        }
        self.sockets.push((socket, entrance));
        Ok(local)
    }

    /// Where it listens first of all.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What keeps clients away while it is up.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// Accepts and serves connections until it is shut down.
    pub fn start<S: Service>(self, service: S) -> io::Result<Shutdown> {
        let bound = self.sockets.into_iter();
        let listeners: Vec<_> = bound
            .map(|(socket, entrance)| Ok((socket.listen(QUEUE)?, entrance)))
            .collect::<io::Result<_>>()?;
        let memory = Arc::clone(&self.config.memory);
        let clients = Clients::new(&self.config.per_client);
        let handshakes = self.config.handshakes.min(Semaphore::MAX_PERMITS);
        let stop = CancellationToken::new();
        let sessions = TaskTracker::new();
        let shared = Arc::new(Shared {
            service,
            config: self.config,
            metrics: self.metrics,
            memory,
            idle: IdleSet::default(),
            clients,
            fence: self.fence,
            stop: stop.clone(),
            slots: Arc::new(AtomicUsize::new(0)),
            seats: Arc::new(AtomicUsize::new(0)),
            handshakes: Semaphore::new(handshakes),
        });
        for (listener, entrance) in listeners {
            let door = Door {
                entrance: Arc::new(entrance),
                shared: Arc::clone(&shared),
                sessions: sessions.clone(),
            };
            // One of those whose end is waited for: it may still accept when the server is told to stop.
            sessions.spawn(door.keep(listener));
        }
        Ok(Shutdown { stop, sessions })
    }
}

fn bind(addr: SocketAddr) -> io::Result<TcpSocket> {
    let socket = if addr.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A restart must not wait for connections of the last run to be forgotten.
    socket.set_reuseaddr(true)?;
    socket.bind(addr)?;
    Ok(socket)
}

// === impl Door ===

impl<S: Service> Door<S> {
    /// Lets connections in until the server is told to stop, and then those that the system has made before.
    async fn keep(self, mut listener: TcpListener) {
        let stop = self.shared.stop.clone();
        loop {
            tokio::select! {
                () = self.accept(&listener) => {}
                () = stop.cancelled() => return self.accept_rest(listener),
                () = self.shared.fence.is(true) => {}
            }
            let local = listener.local_addr();
            self.accept_rest(listener);
            let Ok(local) = local else { return };
            listener = tokio::select! {
                listener = self.wait_behind_fence(local) => listener,
                () = stop.cancelled() => return,
            };
        }
    }

    /// Keeps the address, where the system refuses connections meanwhile, and listens again when the fence is down.
    async fn wait_behind_fence(&self, local: SocketAddr) -> TcpListener {
        /// Nobody should have taken it; it is tried for as long as it takes.
        const TAKEN: Duration = Duration::from_millis(100);
        loop {
            let bound = match bind(local) {
                Ok(bound) => bound,
                Err(error) => {
                    warn!(%local, %error, "An address cannot be kept.");
                    tokio::time::sleep(TAKEN).await;
                    continue;
                }
            };
            self.shared.fence.is(false).await;
            match bound.listen(QUEUE) {
                Ok(listener) => return listener,
                Err(error) => warn!(%local, %error, "An address cannot be listened on again."),
            }
            tokio::time::sleep(TAKEN).await;
        }
    }

    async fn accept(&self, listener: &TcpListener) {
        /// Long enough for some connection to end and give its descriptor back.
        const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);
        loop {
            match listener.accept().await {
                Ok((stream, peer)) => self.let_in(stream, peer),
                Err(error) => {
                    warn!(%error, "Accepting a connection failed.");
                    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                }
            }
        }
    }

    /// Their clients see them as made, and may have sent requests already: to end with the listener would lose these.
    fn accept_rest(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        // However many more come.
        for _ in 0..QUEUE {
            // An error as soon as there is none: the runtime has made it a listener that does not wait.
            let Ok((stream, peer)) = listener.accept() else { return };
            let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
            if let Ok(stream) = stream {
                self.let_in(stream, peer);
            }
        }
    }

    fn let_in(&self, stream: TcpStream, peer: SocketAddr) {
        let Self { entrance, shared, sessions } = self;
        shared.metrics.connections.inc();
        let Some(seat) = shared.take_seat() else {
            shared.metrics.refused.inc();
            debug!(%peer, "A connection was closed: even those that wait for a session are too many.");
            return;
        };
        // Who is behind a PROXY header is known later. Here they come in the order of their connections.
        let is_known = entrance.proxies.is_none();
        let Ok(guest) = (if is_known { shared.enter(peer) } else { Ok(None) }) else { return };
        prepare(&stream);
        let room = Room { seat: Some(seat), slot: shared.take_slot() };
        let (shared, entrance) = (Arc::clone(shared), Arc::clone(entrance));
        sessions.spawn(async move {
            let _guard = SessionGuard::new(&shared.metrics);
            entrance.serve(&shared, stream, peer, room, guest).await;
        });
    }
}

/// Counts a session's end, however it comes.
struct SessionGuard<'s>(&'s ServerMetrics);

impl<'s> SessionGuard<'s> {
    fn new(metrics: &'s ServerMetrics) -> Self {
        metrics.sessions.inc();
        Self(metrics)
    }
}

impl Drop for SessionGuard<'_> {
    fn drop(&mut self) {
        self.0.sessions.dec();
        if std::thread::panicking() {
            self.0.panics.inc();
        }
    }
}

/// Answers are written whole, so nothing is gained by waiting to fill segments; and peers that
/// vanished without a word are found out.
fn prepare(stream: &TcpStream) {
    let keepalive =
        TcpKeepalive::new().with_time(Duration::from_mins(1)).with_interval(Duration::from_secs(15));
    let set = stream.set_nodelay(true).and_then(|()| SockRef::from(stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = set {
        debug!(%error, "A socket option was refused.");
    }
}

// === impl Shared ===

impl<S> Shared<S> {
    pub(crate) fn take_slot(&self) -> Option<Slot> {
        Slot::take(&self.slots, self.config.sessions)
    }

    /// The client at `address`, where what it takes is limited.
    pub(crate) fn enter(&self, address: SocketAddr) -> Result<Option<Guest>, TooMany> {
        let Some(clients) = &self.clients else { return Ok(None) };
        clients.enter(address.ip()).inspect_err(|_| {
            self.metrics.client_refused(ClientLimit::Connections);
            debug!(peer = %address, "A connection was closed: its client has too many.");
        })
    }

    /// The session of an idle connection, which is closed.
    pub(crate) fn replace_slot(&self) -> Option<Slot> {
        self.count_replaced(self.idle.take_slot())
    }

    /// A seat, or else that of an idle connection, which is closed.
    pub(crate) fn take_seat(&self) -> Option<Slot> {
        let most = self.config.sessions + reserve(self.config.sessions);
        Slot::take(&self.seats, most).or_else(|| self.count_replaced(self.idle.take_seat()))
    }

    fn count_replaced(&self, slot: Option<Slot>) -> Option<Slot> {
        if slot.is_some() {
            self.metrics.gave_way.inc();
        }
        slot
    }

    /// Whether more than three quarters of the sessions are taken.
    pub(crate) fn is_nearly_full(&self) -> bool {
        self.slots.load(Ordering::Relaxed) > self.config.sessions / 4 * 3
    }

    /// What makes answers the last ones of their connections.
    pub(crate) fn ending(&self) -> Ending<'_> {
        Ending { stop: &self.stop, fence: &self.fence }
    }

    pub(crate) async fn stopping(&self) {
        self.stop.cancelled().await;
    }
}

// === impl Slot ===

impl Slot {
    pub(crate) fn take(taken: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let mut now = taken.load(Ordering::Relaxed);
        while now < most {
            match taken.compare_exchange_weak(now, now + 1, Ordering::AcqRel, Ordering::Relaxed) {
                Ok(_) => return Some(Self(Arc::clone(taken))),
                Err(other) => now = other,
            }
        }
        None
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

// === impl Shutdown ===

impl Shutdown {
    /// Stops accepting, lets every request that is under way or on its way be answered with
    /// `Connection: close`, and waits for the connections to end. `false`: some did not by `grace`.
    pub async fn stop(self, grace: Duration) -> bool {
        self.stop.cancel();
        self.sessions.close();
        tokio::time::timeout(grace, self.sessions.wait()).await.is_ok()
    }
}
