//! The side that scans.
//!
//! ```text
//!  accept ─▶ TLS ─▶ HTTP/2 ─▶ Scan ─▶ admission ─▶ object (memory, memfd) ─▶ ScanPort ─▶ answer
//!                         ├─▶ FleetStatus.Watch: how this process is, again and again
//!                         └─▶ grpc.health.v1
//! ```

mod accept;
mod answer;
mod begun;
mod books;
mod gateway;
mod object;
mod plan;
mod service;
mod status;
mod teller;

pub use begun::Begun;
pub use books::Busy;
pub use gateway::{GatewayStanding, StatusConfig, StatusServer, Tell};
pub use plan::{FollowedPlan, ScannerStanding};

use icapstan_model::{Epoch, ScanPort};
use icapstan_tls::{Acceptor, Names};
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::server::TlsStream;
use tokio_util::task::TaskTracker;

use crate::metrics::ServerMetrics;
use books::{Books, Epochs};
use service::Service;

/// How often the metric of the estimate is brought up to date.
const SHOW: Duration = Duration::from_millis(500);

/// What a scan server is made of.
#[derive(Clone)]
pub struct ServerConfig {
    /// What this process is called.
    pub name: String,
    /// Where it runs; empty if nobody said.
    pub zone: String,
    /// Its version.
    pub version: &'static str,
    /// With what connections are secured, and who may connect.
    pub tls: Option<Secured>,
    /// Bytes of objects that it holds at once.
    pub memory: u64,
    /// Scans that wait or are under way at once.
    pub jobs: usize,
    /// Connections at once.
    pub connections: usize,
    /// Where objects go that are too large for memory.
    pub temp_dir: PathBuf,
}

/// With what connections are secured.
#[derive(Clone, Debug)]
pub struct Secured {
    /// The certificate, and the authorities that gateways are believed for.
    pub acceptor: Acceptor,
    /// Names of gateways, such as `dns:gateway.icapstan`; any, if there are none.
    pub names: Vec<String>,
}

/// Serves scans until it is stopped.
pub struct ScanServer {
    local: SocketAddr,
    draining: watch::Sender<bool>,
    cut: watch::Sender<bool>,
    tasks: TaskTracker,
    busy: Busy,
    shows: JoinHandle<()>,
}

// === impl Secured ===

impl Secured {
    /// What who connected is called, if nobody who is called so may connect.
    pub fn refused_name<S>(&self, stream: &TlsStream<S>) -> Option<String> {
        if self.names.is_empty() {
            return None;
        }
        let first = stream.get_ref().1.peer_certificates().and_then(<[_]>::first);
        let names = first.and_then(|certificate| Names::read(certificate).ok()).map(|(names, _)| names);
        let is_known =
            |names: &Names| names.all().iter().any(|name| self.names.iter().any(|known| **known == **name));
        if names.as_ref().is_some_and(is_known) {
            return None;
        }
        Some(names.map(|names| names.all().join(" ")).unwrap_or_default())
    }
}

// === impl ScanServer ===

impl ScanServer {
    /// Serves on `listener` what `port` finds. Within a runtime.
    pub fn start(
        listener: std::net::TcpListener,
        config: &ServerConfig,
        port: Arc<dyn ScanPort>,
        epochs: watch::Receiver<Option<Arc<Epoch>>>,
        metrics: &ServerMetrics,
    ) -> io::Result<Self> {
        Self::start_with(listener, config, port, (epochs, None), metrics)
    }

    /// The same for a scanner that follows a plan, which says what can be asked for.
    pub fn start_planned(
        listener: std::net::TcpListener,
        config: &ServerConfig,
        port: Arc<dyn ScanPort>,
        epochs: watch::Receiver<Option<Arc<Epoch>>>,
        plan: FollowedPlan,
        metrics: &ServerMetrics,
    ) -> io::Result<Self> {
        Self::start_with(listener, config, port, (epochs, Some(plan)), metrics)
    }

    fn start_with(
        listener: std::net::TcpListener,
        config: &ServerConfig,
        port: Arc<dyn ScanPort>,
        (epochs, plan): (watch::Receiver<Option<Arc<Epoch>>>, Option<FollowedPlan>),
        metrics: &ServerMetrics,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let local = listener.local_addr()?;
        let (draining, is_draining) = watch::channel(false);
        let (cut, is_cut) = watch::channel(false);
        let tasks = TaskTracker::new();
        let books = Books::new(config.jobs, config.memory, metrics.clone());
        let held = Epochs::follow(epochs, plan, &tasks, is_draining.clone());
        let busy = Busy::new(&books, &port);
        let service = Service::new(config, port, held, books, is_draining.clone(), metrics.clone());
        service.follow_health(&tasks);
        let doors = accept::Doors {
            tls: config.tls.clone(),
            connections: config.connections,
            draining: is_draining,
            cut: is_cut,
            metrics: metrics.doors.clone(),
        };
        tasks.spawn(accept::run(listener, service, doors, tasks.clone()));
        let shows = tokio::spawn(show(busy.clone(), metrics.clone()));
        Ok(Self { local, draining, cut, tasks, busy, shows })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// How busy it is.
    pub fn busy(&self) -> Busy {
        self.busy.clone()
    }

    /// Takes nothing new, and lets what is under way end. After `grace` that is cut; false then.
    pub async fn stop(&self, grace: Duration) -> bool {
        let _ = self.draining.send(true);
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_ok() {
            return true;
        }
        let _ = self.cut.send(true);
        // Connections end as soon as they see it.
        let _ = tokio::time::timeout(Duration::from_secs(1), self.tasks.wait()).await;
        false
    }
}

impl Drop for ScanServer {
    fn drop(&mut self) {
        let _ = self.draining.send(true);
        let _ = self.cut.send(true);
        self.shows.abort();
    }
}

/// Keeps the metric of the estimate up to date, also while the server drains.
async fn show(busy: Busy, metrics: ServerMetrics) {
    loop {
        metrics.backlog.set(busy.message().1.as_secs_f64());
        tokio::time::sleep(SHOW).await;
    }
}
