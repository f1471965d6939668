//! The running scanner: its threads, and the port that gateways call.

use icapstan_hashes::Lists;
use icapstan_model::{
    Epoch, FailedReason, Findings, GenerationId, Load, Object, Readiness, Reason, Refusal, ScanContext,
    ScanFuture, ScanPort, ScanReport, Verdict,
};
use icapstan_telemetry::Span;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

use crate::clamd::ClamdSupply;
use crate::config::{ScannerConfig, SignatureSource, StartError};
use crate::engine::{Engine, Supply, UnderWay};
use crate::hash_lists::{HashLists, Served};
use crate::metrics::Metrics;
use crate::planned::{Loads, Mirrored, Mirroring, Wanted, WantedRevisions, is_comparable};
use crate::poison::{self, Known};
use crate::processes::Processes;
use crate::published::Published;
use crate::scan::{self, Task};
use crate::shared::Shared;

/// Scans objects with an engine: libclamav in worker processes, or a clamd.
///
/// Dropping it ends all processes soon; [`Scanner::shutdown`] waits for that.
pub struct Scanner {
    shared: Arc<Shared>,
    hash_lists: HashLists,
    published: Arc<Published>,
    supply: Arc<dyn Supply>,
    /// What is followed, if a plan says what is loaded.
    planned: Option<WantedRevisions>,
    mirroring: Arc<Mirroring>,
}

/// What a scan is done with, and the epoch that keeps it in use.
type InUse = (Arc<dyn Engine>, Arc<Lists>, Arc<Epoch>);

// === impl Scanner ===

impl Scanner {
    /// Starts the threads that load signatures and keep the workers. The first load goes on after this
    /// returns: see [`Scanner::epochs`] and [`ScanPort::readiness`].
    pub async fn start(
        config: ScannerConfig,
        registry: &prometheus::Registry,
    ) -> Result<Arc<Self>, StartError> {
        let metrics = Metrics::register(registry)?;
        let shared = Shared::new(&config, metrics, tokio::runtime::Handle::current())?;
        let hash_lists = config.hash_lists.clone();
        let published = Arc::new(Published::new());
        hash_lists.attach(&published);
        let planned = match &config.signatures {
            SignatureSource::Planned(planned) if config.clamd.is_none() => Some(planned.wanted.clone()),
            _ => None,
        };
        let supply: Arc<dyn Supply> = match &config.clamd {
            None => Processes::start(config, &shared, &published).await?,
            Some(clamd) => {
                let clamd = clamd.clone();
                config.check()?;
                ClamdSupply::start(config, clamd, &shared, &published)?
            }
        };
        let mirroring = Arc::new(Mirroring::new());
        Ok(Arc::new(Self { shared, hash_lists, published, supply, planned, mirroring }))
    }

    /// Loads the signatures again, even if their folder looks as it did. Equal content changes nothing.
    pub fn reload(&self) {
        self.supply.reload();
    }

    /// The signatures in use, now and whenever others come into use. `None` until the first are loaded.
    pub fn epochs(&self) -> watch::Receiver<Option<Arc<Epoch>>> {
        self.published.epochs.subscribe()
    }

    /// Has these revisions loaded from now on. Means nothing unless
    /// [`SignatureSource::Planned`](crate::SignatureSource::Planned) is what it was started with.
    pub fn follow(&self, wanted: Wanted) {
        let Some(planned) = &self.planned else { return };
        self.mirroring.follow(wanted.mirror.map(|(candidate, _)| candidate));
        planned.set(wanted);
        self.supply.reload();
    }

    /// What came of [`Scanner::follow`], now and whenever it changes.
    pub fn loads(&self) -> watch::Receiver<Arc<Loads>> {
        self.published.loads.subscribe()
    }

    /// What scans with a candidate showed, if there is one.
    pub fn mirrored(&self) -> Option<Mirrored> {
        self.mirroring.shown()
    }

    /// Has the object scanned a second time, if the plan wants that and nobody has to wait for it.
    fn mirror(&self, in_use: &InUse, task: &Task, report: &ScanReport) {
        let Some(wanted) = self.planned.as_ref().map(WantedRevisions::get) else { return };
        let Some((candidate, percent)) = wanted.mirror else { return };
        let (engine, lists, _) = in_use;
        let own = engine.signatures().id;
        if wanted.active != Some(own) || own == candidate || !is_comparable(report) {
            return;
        }
        let candidate = {
            let loads = self.published.loads.borrow();
            let found = loads.epochs.iter().find(|(id, _)| *id == candidate);
            found.and_then(|(_, epoch)| Some(Arc::clone(&epoch.hold::<Served>()?.held.0)))
        };
        let Some(candidate) = candidate else { return };
        let place = self.mirroring.place(percent, task.object.len, &**engine, &candidate, lists);
        let Some(second) = place else { return };
        let (mirroring, shared) = (Arc::clone(&self.mirroring), Arc::clone(&self.shared));
        let (object, first) = ((task.object.clone(), task.context.clone()), report.clone());
        self.shared.runtime.spawn(async move { mirroring.scan(&shared, second, object, first).await });
    }

    /// Why no signatures are in use, or why others could not be loaded last.
    pub fn missing(&self) -> String {
        self.published.missing.lock().clone()
    }

    /// What is out of the ordinary though it scans, for `/readyz`.
    pub fn note(&self) -> Option<String> {
        self.shared.breaker.text()
    }

    /// What somebody should see to: signatures or rules that were not loaded while others stay in use.
    pub fn problem(&self) -> Option<String> {
        self.published.problem.lock().clone()
    }

    /// Ends all worker processes and removes their files. Scans under way fail.
    pub async fn shutdown(&self) {
        self.begin_stop();
        let supply = Arc::clone(&self.supply);
        let _ = tokio::task::spawn_blocking(move || supply.join()).await;
    }

    fn begin_stop(&self) {
        self.supply.begin_stop();
        if let Some(unpacker) = &self.shared.unpacker {
            unpacker.close();
        }
        self.hash_lists.clear(&self.published);
    }

    async fn scan_and_remember(
        &self,
        engine: &Arc<dyn Engine>,
        lists: &Arc<Lists>,
        task: &Task,
    ) -> Result<ScanReport, Refusal> {
        let (report, mark) = scan::scan(&self.shared, engine, lists, task).await?;
        if let Some(mark) = mark {
            engine.poison().remember(task.subject(), mark, &report).await;
        }
        Ok(report)
    }

    /// The signatures of an epoch without its hash lists: the same as long as the engine has the same.
    pub fn signatures_of(epoch: &Epoch) -> GenerationId {
        epoch.hold::<Served>().map_or(epoch.signatures.id, |served| served.held.0.signatures().id)
    }

    /// The workers of an epoch, and what else it decides by. Epochs that came from elsewhere, or whose
    /// generation has ended, are served if they name the signatures in use.
    fn engine(&self, epoch: &Arc<Epoch>) -> Option<InUse> {
        let served = epoch.hold::<Served>();
        if let Some(served) = served.filter(|served| !served.held.0.is_closed()) {
            return Some((served.held.0.clone(), served.lists(), epoch.clone()));
        }
        let current = self.published.current.load_full()?;
        let in_use = current.hold::<Served>()?;
        let lists = match served {
            // Its own lists, with the same signatures loaded anew.
            Some(served) if Self::signatures_of(&current) == Self::signatures_of(epoch) => served.lists(),
            None if current.signatures.id == epoch.signatures.id => in_use.lists(),
            _ => return None,
        };
        Some((in_use.held.0.clone(), lists, current.clone()))
    }
}

impl ScanPort for Scanner {
    fn epoch(&self) -> Option<Arc<Epoch>> {
        self.published.current.load_full()
    }

    fn generation(&self) -> Option<GenerationId> {
        self.published.current.load().as_ref().map(|epoch| epoch.signatures.id)
    }

    fn scan<'a>(
        &'a self,
        object: Object,
        context: ScanContext,
        epoch: &'a Arc<Epoch>,
        deadline: Instant,
    ) -> ScanFuture<'a> {
        Box::pin(async move {
            let metrics = &self.shared.metrics;
            // The epoch is held until the end of the scan, and with it the generation.
            let Some(in_use) = self.engine(epoch) else {
                let findings = Findings::from(Verdict::Failed(FailedReason::NoScanner));
                metrics.scanned(&findings);
                return Ok(ScanReport::unscanned(findings));
            };
            let (engine, lists, epoch) = &in_use;
            let under_way = UnderWay::begin(&**engine);
            let generation = epoch.signatures.id;
            let mut span = self.shared.tracer.child(context.trace, "scan object");
            span.number("icapstan.scan.bytes", object.len);
            let mut task = Task { object, context, generation, deadline, is_suspect: false, span };
            let result = match engine.poison().recall(task.subject(), deadline).await {
                Some(Known::Poison(report)) => {
                    metrics.remembered(poison::reason(&report.findings));
                    Ok(report)
                }
                known => {
                    task.is_suspect = known.is_some();
                    self.scan_and_remember(engine, lists, &task).await
                }
            };
            drop(under_way);
            match &result {
                Ok(report) => {
                    self.mirror(&in_use, &task, report);
                    metrics.scanned(&report.findings);
                    tell(&mut task.span, report);
                }
                Err(refusal) => {
                    metrics.refused(*refusal);
                    task.span.fail("refused");
                }
            }
            result
        })
    }

    fn refusal(&self, epoch: &Arc<Epoch>, len: u64, time: Duration) -> Option<Refusal> {
        let (engine, ..) = self.engine(epoch)?;
        scan::lanes(len).iter().map(|lane| engine.queue().refusal(*lane, time)).min()?
    }

    fn readiness(&self) -> Readiness {
        if let Some(trouble) = self.supply.trouble() {
            return Readiness::NotReady(trouble);
        }
        match self.epoch() {
            None => Readiness::NotReady(self.published.missing.lock().clone()),
            Some(epoch) => match epoch.hold::<Served>().map(|served| served.held.0.in_service()) {
                Some(0) | None => Readiness::NotReady("no worker is in service".to_owned()),
                Some(_) => Readiness::Ready,
            },
        }
    }

    fn load(&self) -> Load {
        let current = self.published.current.load();
        let Some(served) = current.as_ref().and_then(|epoch| epoch.hold::<Served>()) else {
            return Load::default();
        };
        let workers = served.held.0.in_service();
        let (wait, backlog, inside) = served.held.0.queue().backlog();
        Load { wait, backlog, workers, busy: inside.min(workers) }
    }
}

/// Says in a trace what was found.
fn tell(span: &mut Span, report: &ScanReport) {
    if span.is_told() {
        span.word("icapstan.verdict", report.findings.kind().as_str());
        let reason = report.findings.iter().find_map(Verdict::reason).map_or("", Reason::as_str);
        span.word("icapstan.reason", reason);
        span.word("icapstan.cache", report.origin.as_str());
        span.micros("icapstan.scan.wait_us", report.waited);
        span.micros("icapstan.scan.engine_us", report.engine);
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        self.begin_stop();
    }
}
