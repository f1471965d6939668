//! The running scanner: its threads, and the port that gateways call.

use icapstan_hashes::Lists;
use icapstan_model::{
    Epoch, FailedReason, Findings, GenerationId, Object, Readiness, Refusal, ScanContext, ScanFuture,
    ScanPort, ScanReport, Verdict,
};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::channel;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};
use tokio::sync::watch;

use crate::config::{ScannerConfig, StartError};
use crate::crew::{Crew, Job};
use crate::hash_lists::Served;
use crate::loader::{Loader, Published};
use crate::metrics::Metrics;
use crate::pool::Pool;
use crate::scan;
use crate::temp::RunFolder;

/// Scans objects with libclamav in worker processes.
///
/// Dropping it ends all processes soon; [`Scanner::shutdown`] waits for that.
pub struct Scanner {
    crew: Arc<Crew>,
    published: Arc<Published>,
    threads: Mutex<Option<Threads>>,
}

struct Threads {
    crew: JoinHandle<()>,
    loader: JoinHandle<()>,
}

// === impl Scanner ===

impl Scanner {
    /// Starts the threads that load signatures and keep the workers. The first load goes on after this
    /// returns: see [`Scanner::epochs`] and [`ScanPort::readiness`].
    pub async fn start(
        config: ScannerConfig,
        registry: &prometheus::Registry,
    ) -> Result<Arc<Self>, StartError> {
        let metrics = Metrics::register(registry)?;
        let runtime = tokio::runtime::Handle::current();
        // Files are looked at and made here.
        let preparation = tokio::task::spawn_blocking(move || {
            config.check()?;
            // While signatures are being swapped, the workers of two generations are busy.
            let workers = 2 * config.all_workers();
            let run = RunFolder::create(config.temp_dir.as_deref(), workers, config.temp_share)
                .map_err(|(path, error)| StartError::TempFolder { path, error })?;
            tracing::info!(folder = %run.path().display(), "Temporary files go here.");
            if let Err(shortage) = run.check_room() {
                tracing::error!("Nothing can be scanned: {shortage}.");
            }
            Ok::<_, StartError>((config, run))
        });
        let (config, run) =
            preparation.await.map_err(|_| StartError::Setting("the runtime is shutting down"))??;

        let (sender, jobs) = channel();
        let crew = Arc::new(Crew::new(config, metrics, run, runtime, sender));
        let published = Arc::new(Published::new());
        crew.config.hash_lists.attach(&published);
        let loader = Loader::new(crew.clone(), published.clone())
            .map_err(|error| StartError::TempFolder { path: crew.run.path().to_owned(), error })?;
        let keeper = crew.clone();
        let crew_thread = thread::Builder::new()
            .name("icapstan-crew".to_owned())
            .spawn(move || keeper.keep(&jobs))
            .map_err(StartError::Thread)?;
        let loader_thread =
            thread::Builder::new().name("icapstan-loader".to_owned()).spawn(move || loader.run());
        let loader_thread = match loader_thread {
            Ok(thread) => thread,
            Err(error) => {
                crew.send(Job::Stop);
                return Err(StartError::Thread(error));
            }
        };
        let threads = Threads { crew: crew_thread, loader: loader_thread };
        Ok(Arc::new(Self { crew, published, threads: Mutex::new(Some(threads)) }))
    }

    /// Loads the signatures again, even if their folder looks as it did. Equal content changes nothing.
    pub fn reload(&self) {
        self.crew.wishes.reload();
    }

    /// The signatures in use, now and whenever others come into use. `None` until the first are loaded.
    pub fn epochs(&self) -> watch::Receiver<Option<Arc<Epoch>>> {
        self.published.epochs.subscribe()
    }

    /// Why no signatures are in use, or why others could not be loaded last.
    pub fn missing(&self) -> String {
        self.published.missing.lock().clone()
    }

    /// What somebody should see to: signatures or rules that were not loaded while others stay in use.
    pub fn problem(&self) -> Option<String> {
        self.published.problem.lock().clone()
    }

    /// Ends all worker processes and removes their files. Scans under way fail.
    pub async fn shutdown(&self) {
        self.begin_stop();
        let Some(threads) = self.threads.lock().take() else { return };
        let crew = self.crew.clone();
        let end = tokio::task::spawn_blocking(move || {
            // In this order: the processes end with the loader's thread at the latest.
            let _ = threads.crew.join();
            let _ = threads.loader.join();
            crew.run.clear();
        });
        let _ = end.await;
    }

    fn begin_stop(&self) {
        self.crew.stop.store(true, Ordering::Relaxed);
        self.crew.send(Job::Stop);
        self.crew.wishes.stop();
        self.crew.config.hash_lists.clear(&self.published);
    }

    /// The signatures of an epoch without its hash lists: the same as long as the engine has the same.
    pub fn signatures_of(epoch: &Epoch) -> GenerationId {
        epoch.hold::<Served>().map_or(epoch.signatures.id, |served| served.held.0.signatures.id)
    }

    /// The workers of an epoch, and what else it decides by. Epochs that came from elsewhere, or whose
    /// generation has ended, are served if they name the signatures in use.
    fn pool(&self, epoch: &Arc<Epoch>) -> Option<(Arc<Pool>, Arc<Lists>, Arc<Epoch>)> {
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
            let metrics = &self.crew.metrics;
            // The epoch is held until the end of the scan, and with it the generation.
            let Some((pool, lists, _epoch)) = self.pool(epoch) else {
                let findings = Findings::from(Verdict::Failed(FailedReason::NoScanner));
                metrics.scanned(&findings);
                return Ok(ScanReport::unscanned(findings));
            };
            let _under_way = pool.begin_scan();
            let result = scan::scan(&self.crew, &pool, &lists, object, context, deadline).await;
            match &result {
                Ok(report) => metrics.scanned(&report.findings),
                Err(refusal) => metrics.refused(*refusal),
            }
            result
        })
    }

    fn refusal(&self, epoch: &Arc<Epoch>, len: u64, time: Duration) -> Option<Refusal> {
        let (pool, ..) = self.pool(epoch)?;
        scan::lanes(len).iter().map(|lane| pool.queue.refusal(*lane, time)).min()?
    }

    fn readiness(&self) -> Readiness {
        if let Err(shortage) = self.crew.run.check_room() {
            return Readiness::NotReady(shortage.to_string());
        }
        match self.epoch() {
            None => Readiness::NotReady(self.published.missing.lock().clone()),
            Some(epoch) => match epoch.hold::<Served>().map(|served| served.held.0.workers_in_service()) {
                Some(0) | None => Readiness::NotReady("no worker is in service".to_owned()),
                Some(_) => Readiness::Ready,
            },
        }
    }
}

impl Drop for Scanner {
    fn drop(&mut self) {
        self.begin_stop();
    }
}
