//! How this process is, told to whoever watches.

use icapstan_model::{Epoch, Readiness, ScanPort, VERDICT_VERSION};
use icapstan_proto::fleet::{self, State};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

use super::ServerConfig;
use super::books::{Busy, Epochs};
use super::plan::ScannerStanding;
use super::teller::Subject;
use crate::convert;

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
}

impl Subject for Scannerhood {
    type Changes = (
        watch::Receiver<Option<Arc<Epoch>>>,
        Option<watch::Receiver<Arc<ScannerStanding>>>,
        watch::Receiver<bool>,
    );

    fn changes(&self) -> Self::Changes {
        let standing = self.0.epochs.plan().map(|plan| plan.standing.clone());
        (self.0.epochs.changes(), standing, self.0.draining.clone())
    }

    async fn changed((epochs, standing, draining): &mut Self::Changes) -> bool {
        let planned = async {
            match standing {
                Some(standing) => standing.changed().await.is_ok(),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            changed = epochs.changed() => changed.is_ok(),
            is_there = planned => is_there,
            changed = draining.changed() => changed.is_ok(),
        }
    }

    fn is_last(&self) -> bool {
        *self.0.draining.borrow()
    }

    fn state(&self) -> State {
        let Inner { name, zone, version, incarnation, port, epochs, busy, draining } = &*self.0;
        let (load, backlog) = busy.message();
        let standing = epochs.plan().map(|plan| plan.standing.borrow().clone()).unwrap_or_default();
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
            plan_generation: standing.plan_generation,
            not_ready: standing.not_ready.clone(),
            role: Some(fleet::state::Role::Scanner(fleet::Scanner {
                held: epochs
                    .held()
                    .iter()
                    .map(|(id, epoch)| fleet::Signatures {
                        generation: id.0.to_vec(),
                        ..convert::signatures_message(&epoch.signatures)
                    })
                    .collect(),
                load: Some(load),
                trouble,
                backlog_us: convert::micros(backlog),
                zone: zone.clone(),
                revisions: standing.revisions.clone(),
                mirrored: epochs.plan().and_then(|plan| (plan.mirrored)()),
            })),
        }
    }
}
