//! A scan port that remembers.

use super::content;
use super::flights::{Boarding, Flights, Outcome, Waiting};
use super::key::{Key, Keys};
use super::memory::Memory;
use super::metrics::{Cause, Obstacle, VerdictMetrics};
use super::pilot::{Pilot, Scan};
use crate::fleet::{FleetVerdicts, Recalled};
use arc_swap::ArcSwap;
use icapstan_api::VerdictCache;
use icapstan_model::{
    Epoch, FailedReason, Findings, GenerationId, Object, Origin, Readiness, Refusal, ScanContext, ScanFuture,
    ScanPort, ScanReport, Verdict,
};
use parking_lot::Mutex;
use rustls::crypto::aws_lc_rs::default_provider;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::time::timeout_at;

/// Scans that are shared at once. As many transactions as can wait.
const MAX_FLIGHTS: usize = 16_384;

/// Scans through another port what it has not seen before.
pub struct CachedPort {
    inner: Arc<dyn ScanPort>,
    /// Larger objects are not looked up, in bytes.
    most: u64,
    keys: Keys,
    flights: Arc<Flights>,
    shared: Arc<Shared>,
    /// What other processes found.
    fleet: Option<Arc<FleetVerdicts>>,
}

/// Why there can be none.
#[derive(Debug, Error)]
pub enum CachedPortError {
    /// The system has no random numbers.
    #[error("no random numbers can be had")]
    NoChance,
    /// VerdictMetrics of these names exist already.
    #[error("the metrics of the verdict cache cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

/// What scans leave.
struct Shared {
    memory: ArcSwap<Memory>,
    room: u64,
    ttl: Duration,
    metrics: VerdictMetrics,
    /// Held while another generation begins.
    change: Mutex<()>,
}

/// What to look up.
struct Query<'a> {
    object: Object,
    context: ScanContext,
    epoch: &'a Arc<Epoch>,
    deadline: Instant,
}

// === impl CachedPort ===

impl CachedPort {
    /// Before `inner`, unless the settings want none. Verdicts are shared through `fleet`, if there is one.
    pub fn before(
        inner: Arc<dyn ScanPort>,
        settings: &VerdictCache,
        metrics: VerdictMetrics,
        fleet: Option<FleetVerdicts>,
    ) -> Result<Arc<dyn ScanPort>, CachedPortError> {
        if settings.enabled {
            Ok(Arc::new(Self::new(inner, settings, metrics, MAX_FLIGHTS, fleet)?))
        } else {
            Ok(inner)
        }
    }

    pub(super) fn new(
        inner: Arc<dyn ScanPort>,
        settings: &VerdictCache,
        metrics: VerdictMetrics,
        most_flights: usize,
        fleet: Option<FleetVerdicts>,
    ) -> Result<Self, CachedPortError> {
        let mut secret = [0; 32];
        match &fleet {
            // Equal objects have equal keys in all processes of a fleet.
            Some(fleet) => secret = *fleet.keys(),
            None => {
                default_provider().secure_random.fill(&mut secret).map_err(|_| CachedPortError::NoChance)?;
            }
        }
        let (room, ttl) = (settings.max_size.bytes(), settings.ttl);
        // Of no generation: the first object brings one.
        let memory = Memory::new(GenerationId([0; 32]), 0, ttl, &metrics);
        let shared =
            Shared { memory: ArcSwap::from_pointee(memory), room, ttl, metrics, change: Mutex::new(()) };
        Ok(Self {
            inner,
            most: settings.max_object_size.bytes(),
            keys: Keys::new(&secret),
            flights: Flights::new(most_flights),
            shared: Arc::new(shared),
            fleet: fleet.map(Arc::new),
        })
    }

    /// Why there is no use in looking for such an object.
    fn obstacle(&self, object: &Object, context: &ScanContext) -> Option<Obstacle> {
        if context.partial {
            Some(Obstacle::Partial)
        } else if !context.profile.cache {
            Some(Obstacle::Policy)
        } else if object.len > self.most || object.len > context.profile.max_object_size {
            Some(Obstacle::Size)
        } else {
            None
        }
    }

    async fn look_up(&self, query: Query<'_>) -> Outcome {
        let metrics = &self.shared.metrics;
        let Some(memory) = self.shared.memory(query.epoch, &*self.inner) else {
            metrics.uncacheable.inc(Obstacle::Superseded);
            return self.scan_alone(query).await;
        };
        let Some(key) = self.key(&query).await else {
            metrics.uncacheable.inc(Obstacle::Unread);
            return self.scan_alone(query).await;
        };
        if let Some(report) = memory.get(&key) {
            metrics.hits.inc();
            return Ok(report);
        }
        match self.flights.board(key, || memory.get(&key)) {
            Boarding::Known(report) => {
                metrics.hits.inc();
                Ok(report)
            }
            Boarding::First(flight) => Pilot::new(flight, self.find_out(key, memory, query)).await,
            Boarding::Joined(waiting) => {
                metrics.shared.inc();
                self.join(key, memory, query, waiting).await
            }
            Boarding::Full => {
                metrics.uncacheable.inc(Obstacle::Flights);
                self.find_out(key, memory, query).await
            }
        }
    }

    /// `None`: the bytes cannot be read, or not in time.
    async fn key(&self, query: &Query<'_>) -> Option<Key> {
        let Query { object, context, epoch, deadline } = query;
        let digest = content::digest(self.keys.hasher(), object);
        let digest = timeout_at((*deadline).into(), digest).await.ok()?;
        digest.ok().map(|content| self.keys.key(&content, object.len, context, epoch))
    }

    async fn scan_alone(&self, query: Query<'_>) -> Outcome {
        let Query { object, context, epoch, deadline } = query;
        self.inner.scan(object, context, epoch, deadline).await
    }

    /// Asks others of the fleet, and scans if they do not know. Whoever waits for the one waits for both.
    fn find_out(&self, key: Key, memory: Arc<Memory>, query: Query<'_>) -> Scan {
        let Some(fleet) = self.fleet.clone() else {
            self.shared.metrics.misses.inc();
            return self.scan_and_keep(key, memory, query);
        };
        let (shared, deadline) = (Arc::clone(&self.shared), query.deadline);
        let scan = self.scan_and_keep(key, Arc::clone(&memory), query);
        Box::pin(async move {
            if let Some(Recalled { report, left }) = fleet.recall(key.bytes(), deadline.into()).await {
                memory.insert_for(key, &report, left);
                shared.show();
                return Ok(report);
            }
            shared.metrics.misses.inc();
            scan.await
        })
    }

    /// A scan that leaves what it found, also when it has changed hands.
    fn scan_and_keep(&self, key: Key, memory: Arc<Memory>, query: Query<'_>) -> Scan {
        let (inner, shared) = (Arc::clone(&self.inner), Arc::clone(&self.shared));
        let fleet = self.fleet.clone();
        let Query { object, context, epoch, deadline } = query;
        let epoch = Arc::clone(epoch);
        Box::pin(async move {
            let outcome = inner.scan(object, context, &epoch, deadline).await;
            if shared.keep(key, &memory, &outcome)
                && let (Some(fleet), Ok(report)) = (fleet, &outcome)
            {
                fleet.remember(key.bytes(), report);
            }
            outcome
        })
    }

    /// Waits for the scan of another.
    async fn join(&self, key: Key, memory: Arc<Memory>, query: Query<'_>, waiting: Waiting) -> Outcome {
        let begun = Instant::now();
        let Ok(landed) = timeout_at(query.deadline.into(), landing(waiting)).await else {
            return Ok(ScanReport::unscanned(Verdict::Failed(FailedReason::Time).into()));
        };
        if let Some(Ok(report)) = landed.as_deref()
            && !has_failed(&report.findings)
        {
            let (origin, waited, engine) = (Origin::Shared, begun.elapsed(), Duration::ZERO);
            return Ok(ScanReport { origin, waited, engine, ..report.clone() });
        }
        // What befell the other one may not befall this one, which has its own time left.
        if let Some(report) = memory.get(&key) {
            return Ok(report);
        }
        self.shared.metrics.retried.inc();
        self.scan_and_keep(key, memory, query).await
    }
}

impl ScanPort for CachedPort {
    fn epoch(&self) -> Option<Arc<Epoch>> {
        self.inner.epoch()
    }

    fn generation(&self) -> Option<GenerationId> {
        self.inner.generation()
    }

    fn scan<'a>(
        &'a self,
        object: Object,
        context: ScanContext,
        epoch: &'a Arc<Epoch>,
        deadline: Instant,
    ) -> ScanFuture<'a> {
        match self.obstacle(&object, &context) {
            Some(obstacle) => {
                self.shared.metrics.uncacheable.inc(obstacle);
                self.inner.scan(object, context, epoch, deadline)
            }
            None => Box::pin(self.look_up(Query { object, context, epoch, deadline })),
        }
    }

    fn refusal(&self, epoch: &Arc<Epoch>, len: u64, time: Duration) -> Option<Refusal> {
        self.inner.refusal(epoch, len, time)
    }

    fn readiness(&self) -> Readiness {
        self.inner.readiness()
    }
}

impl fmt::Debug for CachedPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedPort").field("most", &self.most).finish_non_exhaustive()
    }
}

// === impl Shared ===

impl Shared {
    /// Where verdicts of `epoch` are, if those are its signatures that are in use.
    fn memory(&self, epoch: &Epoch, port: &dyn ScanPort) -> Option<Arc<Memory>> {
        let generation = epoch.signatures.id;
        let memory = self.memory.load();
        if memory.generation() == generation {
            return Some(Arc::clone(&memory));
        }
        // Transactions that began before a change go on with what they began with.
        (port.generation() == Some(generation)).then(|| self.turn_to(generation))
    }

    /// Forgets what other signatures found.
    fn turn_to(&self, generation: GenerationId) -> Arc<Memory> {
        let _change = self.change.lock();
        let memory = self.memory.load_full();
        if memory.generation() == generation {
            return memory;
        }
        let new = Arc::new(Memory::new(generation, self.room, self.ttl, &self.metrics));
        self.memory.store(Arc::clone(&new));
        self.metrics.evicted.inc_by(Cause::Generation, memory.len() as u64);
        self.show();
        // Many small blocks to give back.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(memory));
        }
        new
    }

    /// Remembers what was found, if that is for certain, and tells whether it is.
    fn keep(&self, key: Key, memory: &Memory, outcome: &Outcome) -> bool {
        match certain(outcome) {
            Ok(report) => {
                memory.insert(key, report);
                self.show();
                true
            }
            Err(obstacle) => {
                self.metrics.uncacheable.inc(obstacle);
                false
            }
        }
    }

    fn show(&self) {
        let memory = self.memory.load();
        self.metrics.entries.set(i64::try_from(memory.len()).unwrap_or(i64::MAX));
        self.metrics.bytes.set(i64::try_from(memory.bytes()).unwrap_or(i64::MAX));
    }
}

/// What came of a scan; nothing if nobody makes it any more.
async fn landing(mut waiting: Waiting) -> Option<Arc<Outcome>> {
    waiting.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone())
}

/// The report, unless something in it may be otherwise the next time.
fn certain(outcome: &Outcome) -> Result<&ScanReport, Obstacle> {
    let Ok(report) = outcome else { return Err(Obstacle::Refused) };
    // Other signatures decided than those that the key names.
    let mut obstacle = report.decided_by.map(|_| Obstacle::Superseded);
    for verdict in &report.findings {
        match verdict {
            Verdict::Clean | Verdict::Macro(_) | Verdict::Phishing(_) | Verdict::Infected(_) => {}
            Verdict::NonScanned(_) => obstacle = obstacle.or(Some(Obstacle::NonScanned)),
            Verdict::Failed(_) => obstacle = Some(Obstacle::Failed),
        }
    }
    obstacle.map_or(Ok(report), Err)
}

fn has_failed(findings: &Findings) -> bool {
    findings.iter().any(|verdict| matches!(verdict, Verdict::Failed(_)))
}
