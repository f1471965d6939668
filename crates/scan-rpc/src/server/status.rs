//! How this process is, told to whoever watches.

use icapstan_model::{Readiness, ScanPort, VERDICT_VERSION};
use icapstan_proto::fleet::{self, State, WatchRequest};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status};

use super::ServerConfig;
use super::books::{Busy, Epochs};
use crate::convert;

/// Nobody is told more often.
const SHORTEST: Duration = Duration::from_millis(50);
/// Nobody is told more seldom.
const LONGEST: Duration = Duration::from_secs(10);
/// Unless it is wished otherwise.
const USUAL: Duration = Duration::from_millis(250);

/// Serves `FleetStatus`.
#[derive(Clone)]
pub(super) struct Scannerhood(Arc<Inner>);

struct Inner {
    name: String,
    zone: String,
    version: &'static str,
    incarnation: u64,
    port: Arc<dyn ScanPort>,
    epochs: Epochs,
    busy: Busy,
    draining: watch::Receiver<bool>,
}

// === impl Scannerhood ===

impl Scannerhood {
    pub(super) fn new(
        config: &ServerConfig,
        port: Arc<dyn ScanPort>,
        epochs: Epochs,
        busy: Busy,
        draining: watch::Receiver<bool>,
    ) -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(Arc::new(Inner {
            name: config.name.clone(),
            zone: config.zone.clone(),
            version: config.version,
            incarnation: convert::micros(now),
            port,
            epochs,
            busy,
            draining,
        }))
    }

    fn state(&self) -> State {
        let Inner { name, zone, version, incarnation, port, epochs, busy, draining } = &*self.0;
        let (load, backlog) = busy.message();
        let trouble = match port.readiness() {
            Readiness::Ready => String::new(),
            Readiness::NotReady(why) => why,
        };
        State {
            name: name.clone(),
            version: (*version).to_owned(),
            incarnation: *incarnation,
            verdict_version: VERDICT_VERSION,
            draining: *draining.borrow(),
            plan_generation: 0,
            not_ready: String::new(),
            role: Some(fleet::state::Role::Scanner(fleet::Scanner {
                held: epochs
                    .held()
                    .iter()
                    .map(|epoch| convert::signatures_message(&epoch.signatures))
                    .collect(),
                load: Some(load),
                trouble,
                backlog_us: convert::micros(backlog),
                zone: zone.clone(),
                revisions: Vec::new(),
                mirrored: None,
            })),
        }
    }
}

#[tonic::async_trait]
impl fleet::fleet_status_server::FleetStatus for Scannerhood {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<State, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let wished = Duration::from_millis(request.get_ref().interval_ms.into());
        let interval = if wished.is_zero() { USUAL } else { wished.clamp(SHORTEST, LONGEST) };
        // One that nobody has read yet: who does not read is told less often.
        let (told, states) = mpsc::channel(1);
        let own = self.clone();
        tokio::spawn(async move {
            let mut epochs = own.0.epochs.changes();
            let mut draining = own.0.draining.clone();
            let mut beat = tokio::time::interval(interval);
            beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                tokio::select! {
                    _ = beat.tick() => {}
                    changed = epochs.changed() => if changed.is_err() { return },
                    changed = draining.changed() => if changed.is_err() { return },
                    () = told.closed() => return,
                }
                let is_last = *draining.borrow();
                if told.send(Ok(own.state())).await.is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(states))))
    }
}
