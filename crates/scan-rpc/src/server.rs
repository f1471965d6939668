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
mod object;
mod service;
mod status;

pub use books::Busy;

use icapstan_model::{Epoch, ScanPort};
use icapstan_tls::Acceptor;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::metrics::ServerMetrics;
use books::{Books, Epochs};
use service::Service;

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
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let local = listener.local_addr()?;
        let (draining, is_draining) = watch::channel(false);
        let (cut, is_cut) = watch::channel(false);
        let tasks = TaskTracker::new();
        let books = Books::new(config.jobs, config.memory, metrics.clone());
        let held = Epochs::follow(epochs, &tasks, is_draining.clone());
        let busy = Busy::new(&books, &port);
        let service = Service::new(config, port, held, books, is_draining.clone(), metrics.clone());
        service.follow_health(&tasks);
        let doors = accept::Doors {
            tls: config.tls.clone(),
            connections: config.connections,
            draining: is_draining,
            cut: is_cut,
            metrics: metrics.clone(),
        };
        tasks.spawn(accept::run(listener, service, doors, tasks.clone()));
        Ok(Self { local, draining, cut, tasks, busy })
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
    }
}
