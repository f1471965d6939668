//! What all generations of all engines share.

use icapstan_api::CrashReports;
use icapstan_model::PoisonShare;
use icapstan_telemetry::Tracer;
use std::sync::Arc;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::breaker::Breaker;
use crate::config::{ScannerConfig, StartError};
use crate::metrics::{Metrics, ReportResult};
use crate::obituary::Case;
use crate::poison::Secrets;
use crate::unpacker::Unpacker;

/// So many deaths are told at once. Beyond that they are only counted.
const MOST_TOLD: usize = 2;

/// What belongs to the scanner and not to a generation.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) metrics: Metrics,
    pub(crate) runtime: Handle,
    pub(crate) breaker: Breaker,
    pub(crate) secrets: Secrets,
    pub(crate) poison_share: Option<Arc<dyn PoisonShare>>,
    pub(crate) crash_reports: CrashReports,
    /// What opens what engines do not.
    pub(crate) unpacker: Option<Arc<Unpacker>>,
    /// What tells where scans take their time.
    pub(crate) tracer: Tracer,
    telling: Arc<Semaphore>,
}

// === impl Shared ===

impl Shared {
    pub(crate) fn new(
        config: &ScannerConfig,
        metrics: Metrics,
        runtime: Handle,
    ) -> Result<Arc<Self>, StartError> {
        let unpacker = config.unpack.clone().map(|workers| {
            Unpacker::new(workers, config.worker_memory, config.nice, metrics.unpack.clone()).map(Arc::new)
        });
        let (open, held_back) = (metrics.breaker_open.clone(), metrics.held_back.clone());
        Ok(Arc::new(Self {
            breaker: Breaker::new(config.all_workers(), open, held_back),
            metrics,
            runtime,
            secrets: Secrets::new(config.poison_share.as_deref()).map_err(StartError::Chance)?,
            poison_share: config.poison_share.clone(),
            unpacker: unpacker.transpose().map_err(StartError::Thread)?,
            crash_reports: config.crash_reports.clone(),
            tracer: config.tracer.clone(),
            telling: Arc::new(Semaphore::new(MOST_TOLD)),
        }))
    }

    /// Tells of a worker that died of an object, in a thread that may wait.
    pub(crate) fn tell(self: &Arc<Self>, case: Case) {
        let Ok(turn) = self.telling.clone().try_acquire_owned() else {
            return self.metrics.reported(ReportResult::LeftOut);
        };
        let shared = self.clone();
        self.runtime.spawn_blocking(move || {
            case.tell(&shared);
            drop(turn);
        });
    }
}
