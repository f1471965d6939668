//! How a gateway is, for who plans for the fleet.

use http::{Request, Response};
use hyper::body::Incoming;
use icapstan_model::VERDICT_VERSION;
use icapstan_proto::fleet::fleet_status_server::FleetStatusServer;
use icapstan_proto::fleet::{self, State, state::Role};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tonic::Code;
use tonic::body::Body;
use tower_service::Service as _;

use super::accept::{self, Answers, Doors};
use super::teller::{Subject, Teller};
use super::{Secured, answer};
use crate::convert;
use crate::metrics::StatusMetrics;
use crate::wire;

/// Connections at once: operators, and whoever looks.
const CONNECTIONS: usize = 64;

/// What a status server is made of.
#[derive(Clone, Debug)]
pub struct StatusConfig {
    /// What this process is called.
    pub name: String,
    /// Its version.
    pub version: &'static str,
    /// With what connections are secured, and who may connect.
    pub tls: Option<Secured>,
}

/// How a gateway is at this moment.
#[derive(Clone, Debug, Default)]
pub struct GatewayStanding {
    /// What it does.
    pub gateway: fleet::Gateway,
    /// Of the plan that it follows; 0 without one.
    pub plan_generation: u64,
    /// Why it is not to be asked anything; empty if it may be.
    pub not_ready: String,
}

/// What tells how a gateway is. It waits for nothing.
pub type Tell = dyn Fn() -> GatewayStanding + Send + Sync;

/// Tells how a gateway is until it is stopped.
pub struct StatusServer {
    local: SocketAddr,
    draining: watch::Sender<bool>,
    cut: watch::Sender<bool>,
    tasks: TaskTracker,
}

/// What is told of.
#[derive(Clone)]
struct Gatewayhood(Arc<Inner>);

struct Inner {
    name: String,
    version: &'static str,
    incarnation: u64,
    tell: Arc<Tell>,
    changes: watch::Receiver<()>,
    draining: watch::Receiver<bool>,
}

/// Answers requests.
#[derive(Clone)]
struct Service(FleetStatusServer<Teller<Gatewayhood>>);

// === impl StatusServer ===

impl StatusServer {
    /// Serves on `listener` what `tell` says, at once whenever `changes` do. Within a runtime.
    pub fn start(
        listener: std::net::TcpListener,
        config: StatusConfig,
        tell: Arc<Tell>,
        changes: watch::Receiver<()>,
        metrics: &StatusMetrics,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let local = listener.local_addr()?;
        let (draining, is_draining) = watch::channel(false);
        let (cut, is_cut) = watch::channel(false);
        let tasks = TaskTracker::new();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let StatusConfig { name, version, tls } = config;
        let incarnation = convert::micros(now);
        let inner = Inner { name, version, incarnation, tell, changes, draining: is_draining.clone() };
        let service = Service(FleetStatusServer::new(Teller(Gatewayhood(Arc::new(inner)))));
        let doors = Doors {
            tls,
            connections: CONNECTIONS,
            draining: is_draining,
            cut: is_cut,
            metrics: metrics.doors.clone(),
        };
        tasks.spawn(accept::run(listener, service, doors, tasks.clone()));
        Ok(Self { local, draining, cut, tasks })
    }

    /// Where it listens.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// Tells everybody that the gateway is about to end.
    pub fn drain(&self) {
        let _ = self.draining.send(true);
    }

    /// Tells everybody that the gateway is about to end, and goes on until they know, for `grace` at most.
    pub async fn stop(&self, grace: Duration) {
        let _ = self.draining.send(true);
        self.tasks.close();
        let _ = tokio::time::timeout(grace, self.tasks.wait()).await;
        let _ = self.cut.send(true);
    }
}

impl Drop for StatusServer {
    fn drop(&mut self) {
        let _ = self.draining.send(true);
        let _ = self.cut.send(true);
    }
}

// === impl Gatewayhood ===

impl Subject for Gatewayhood {
    type Changes = (watch::Receiver<()>, watch::Receiver<bool>);

    fn changes(&self) -> Self::Changes {
        (self.0.changes.clone(), self.0.draining.clone())
    }

    async fn changed((changes, draining): &mut Self::Changes) -> bool {
        tokio::select! {
            changed = changes.changed() => changed.is_ok(),
            changed = draining.changed() => changed.is_ok(),
        }
    }

    fn is_last(&self) -> bool {
        *self.0.draining.borrow()
    }

    fn state(&self) -> State {
        let Inner { name, version, incarnation, tell, changes: _, draining } = &*self.0;
        let GatewayStanding { gateway, plan_generation, not_ready } = tell();
        State {
            name: name.clone(),
            version: (*version).to_owned(),
            incarnation: *incarnation,
            verdict_version: VERDICT_VERSION,
            draining: *draining.borrow(),
            plan_generation,
            not_ready,
            role: Some(Role::Gateway(gateway)),
        }
    }
}

// === impl Service ===

impl Answers for Service {
    async fn answer(mut self, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
        if !answer::is_grpc(&request) {
            Ok(answer::no_grpc())
        } else if request.uri().path().starts_with(wire::FLEET) {
            self.0.call(request).await
        } else {
            Ok(answer::status(Code::Unimplemented, "there is no such method"))
        }
    }
}
