//! A running scaler.

use crate::door::{self, Doors};
use crate::fleet::{BEAT, Figures, Fleet};
use crate::metrics::ScalerMetrics;
use crate::service::Service;
use icapstan_proto::fleet::State;
use icapstan_scan_rpc::{ClientTls, FleetWatch, Secured, WatchConfiguration, Watcher};
use parking_lot::Mutex;
use std::collections::BTreeSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

/// What a scaler is made of.
#[derive(Clone)]
pub struct ScalerConfig {
    /// Where scanners are: `HOST:PORT`, where all addresses of a host count.
    pub scanners: Vec<String>,
    /// With what connections to them are secured.
    pub scanner_tls: Option<ClientTls>,
    /// How often the addresses of hosts are looked up.
    pub lookup: Duration,
    /// With what connections of autoscalers are secured, and who may connect.
    pub tls: Option<Secured>,
}

/// Hears scanners and answers autoscalers until it is stopped.
pub struct Scaler {
    local: SocketAddr,
    shared: Arc<Shared>,
    draining: watch::Sender<bool>,
    cut: watch::Sender<bool>,
    tasks: TaskTracker,
    _watch: FleetWatch,
}

/// What is known of the scanners, by real time.
#[derive(Debug)]
pub(crate) struct Shared(Mutex<Fleet>);

// === impl Scaler ===

impl Scaler {
    /// Answers on `listener`. Within a runtime.
    pub fn start(
        listener: std::net::TcpListener,
        config: ScalerConfig,
        metrics: &ScalerMetrics,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let local = listener.local_addr()?;
        let shared = Arc::new(Shared(Mutex::new(Fleet::new(Instant::now()))));
        let (draining, is_draining) = watch::channel(false);
        let (cut, is_cut) = watch::channel(false);
        let tasks = TaskTracker::new();
        let ScalerConfig { scanners: addresses, scanner_tls, lookup, tls } = config;
        let watching = WatchConfiguration { addresses, tls: scanner_tls, lookup, beat: BEAT };
        let watch = FleetWatch::start(watching, Arc::clone(&shared) as _);
        tasks.spawn(show(Arc::clone(&shared), metrics.clone(), is_draining.clone()));
        let service = Service::new(Arc::clone(&shared), is_draining.clone(), metrics.clone());
        let doors = Doors { tls, draining: is_draining, cut: is_cut, metrics: metrics.clone() };
        tasks.spawn(door::run(listener, service, doors, tasks.clone()));
        Ok(Self { local, shared, draining, cut, tasks, _watch: watch })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// What can be asked for the figures, for as long as somebody wants to.
    pub fn figures(&self) -> impl Fn() -> Figures + Send + Sync + 'static {
        let shared = Arc::clone(&self.shared);
        move || shared.figures()
    }

    /// Ends streams, lets calls end. After `grace` they are cut; false then.
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

impl Drop for Scaler {
    fn drop(&mut self) {
        let _ = self.draining.send(true);
        let _ = self.cut.send(true);
    }
}

/// Keeps metrics up to date, and tells when figures cannot be gone by any more.
async fn show(shared: Arc<Shared>, metrics: ScalerMetrics, mut draining: watch::Receiver<bool>) {
    let mut trouble = None;
    loop {
        let figures = shared.figures();
        metrics.show(&figures);
        match (&trouble, &figures.trouble) {
            (Some(_), None) => info!("Enough scanners are heard: autoscalers are answered."),
            (before, Some(now)) if before.as_ref() != Some(now) => {
                warn!(cause = %now, "Autoscalers get no figures.");
            }
            _ => {}
        }
        trouble = figures.trouble;
        tokio::select! {
            () = tokio::time::sleep(BEAT) => {}
            _ = draining.wait_for(|draining| *draining) => return,
        }
    }
}

// === impl Shared ===

impl Shared {
    pub(crate) fn figures(&self) -> Figures {
        self.0.lock().figures(Instant::now())
    }
}

impl Watcher for Shared {
    fn known(&self, scanners: &BTreeSet<SocketAddr>) {
        self.0.lock().known(scanners, Instant::now());
    }

    fn heard(&self, scanner: SocketAddr, state: State) {
        self.0.lock().heard(scanner, state, Instant::now());
    }

    fn lost(&self, scanner: SocketAddr) {
        self.0.lock().lost(scanner);
    }
}
