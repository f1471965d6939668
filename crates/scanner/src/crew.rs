//! The thread that ends, forks and proves workers, and what it shares with everybody.

use parking_lot::Mutex;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::runtime::Handle;

use crate::canary::ProofError;
use crate::config::ScannerConfig;
use crate::loader::Wishes;
use crate::metrics::{Death, Metrics};
use crate::pool::Pool;
use crate::temp::RunFolder;
use crate::unpacker::Unpacker;
use crate::worker::Worker;
use crate::zygote::ForkError;

/// How long after a failure a worker is tried again, doubled each time up to the largest.
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LARGEST_BACKOFF: Duration = Duration::from_secs(30);

/// How often idle workers are looked at.
const ROUND: Duration = Duration::from_secs(1);

/// What all parts of a running scanner share.
#[derive(Debug)]
pub(crate) struct Crew {
    pub(crate) config: ScannerConfig,
    pub(crate) metrics: Metrics,
    pub(crate) run: RunFolder,
    pub(crate) runtime: Handle,
    pub(crate) wishes: Wishes,
    /// What opens what libclamav does not.
    pub(crate) unpacker: Option<Arc<Unpacker>>,
    pub(crate) stop: AtomicBool,
    pools: Mutex<Vec<Weak<Pool>>>,
    /// Bounded by what there is: one job for each worker, and few for each generation.
    jobs: Sender<Job>,
}

/// What the thread is asked to do.
#[derive(Debug)]
pub(crate) enum Job {
    /// Let another worker take the place of this one, which was killed.
    Replace { pool: Weak<Pool>, worker: Worker },
    /// Let this worker prove itself before it goes on.
    Prove { pool: Weak<Pool>, worker: Worker },
    /// Make as many workers as this; their places are empty.
    Fill { pool: Weak<Pool>, count: usize },
    /// Replace the idle workers that come from an older zygote, and fill the empty places now.
    Refresh(Weak<Pool>),
    /// Nobody holds this generation any more, or it serves nobody.
    Retire(Arc<Pool>),
    /// End everything.
    Stop,
}

/// Why no worker could be made.
#[derive(Debug, Error)]
pub(crate) enum HireError {
    #[error("the generation has ended")]
    Closed,
    #[error("no temporary folder: {0}")]
    Folder(io::Error),
    #[error(transparent)]
    Fork(#[from] ForkError),
    #[error("its socket cannot be used: {0}")]
    Socket(io::Error),
    #[error("self-test failed: {0}")]
    Proof(#[from] ProofError),
}

/// The thread's own.
struct Keeper {
    crew: Arc<Crew>,
    vacancies: Vec<Vacancy>,
    next_round: Instant,
    run_is_lost: bool,
}

/// A place without a worker.
struct Vacancy {
    pool: Weak<Pool>,
    again_at: Instant,
    backoff: Duration,
}

// === impl Crew ===

impl Crew {
    pub(crate) fn new(
        config: ScannerConfig,
        metrics: Metrics,
        run: RunFolder,
        runtime: Handle,
        jobs: Sender<Job>,
        unpacker: Option<Arc<Unpacker>>,
    ) -> Self {
        Self {
            config,
            metrics,
            run,
            runtime,
            wishes: Wishes::default(),
            unpacker,
            stop: AtomicBool::new(false),
            pools: Mutex::new(Vec::new()),
            jobs,
        }
    }

    /// Without the thread the job is dropped, and with it the worker in it, which ends it.
    pub(crate) fn send(&self, job: Job) {
        let _ = self.jobs.send(job);
    }

    /// Asks for another zygote of the same signatures.
    pub(crate) fn want_new_layout(&self, pool: &Weak<Pool>) {
        self.wishes.layout(pool.clone());
    }

    /// Has the pool looked after.
    pub(crate) fn look_after(&self, pool: &Arc<Pool>) {
        let mut pools = self.pools.lock();
        pools.retain(|known| known.strong_count() > 0);
        pools.push(Arc::downgrade(pool));
    }

    /// The generations in memory.
    pub(crate) fn pools(&self) -> Vec<Arc<Pool>> {
        self.pools.lock().iter().filter_map(Weak::upgrade).filter(|pool| !pool.is_closed()).collect()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Forks a worker that then proves itself. Waits for that, so it is not for async code.
    pub(crate) fn hire(&self, pool: &Pool) -> Result<Worker, HireError> {
        let zygote = pool.zygote().ok_or(HireError::Closed)?;
        let presence = self.metrics.presence();
        let folder = self.run.subfolder("worker").map_err(HireError::Folder)?;
        let forked = zygote.fork(folder.path(), self.config.worker_memory)?;
        let mut worker = Worker::new(forked, folder, zygote, presence).map_err(HireError::Socket)?;
        match pool.canary.prove(&mut worker) {
            Ok(()) => {
                worker.proven = Instant::now();
                tracing::debug!(pid = worker.pid, "A worker has proven itself.");
                Ok(worker)
            }
            Err(error) => {
                self.metrics.died(Death::Proof);
                worker.end();
                Err(error.into())
            }
        }
    }

    /// The thread's work, until it is told to stop.
    pub(crate) fn keep(self: Arc<Self>, jobs: &Receiver<Job>) {
        let runtime = self.runtime.clone();
        // The sockets of new workers are served by this runtime's reactor.
        let _entered = runtime.enter();
        let next_round = Instant::now() + ROUND;
        let mut keeper = Keeper { crew: self, vacancies: Vec::new(), next_round, run_is_lost: false };
        loop {
            let wait = keeper.next_wake().saturating_duration_since(Instant::now());
            match jobs.recv_timeout(wait) {
                Ok(Job::Stop) | Err(RecvTimeoutError::Disconnected) => break,
                Ok(job) => keeper.guarded(|keeper| keeper.work(job)),
                Err(RecvTimeoutError::Timeout) => {}
            }
            keeper.guarded(Keeper::fill_vacancies);
            keeper.guarded(Keeper::make_round);
        }
        keeper.end_all();
    }
}

// === impl Keeper ===

impl Keeper {
    fn next_wake(&self) -> Instant {
        self.vacancies.iter().map(|vacancy| vacancy.again_at).fold(self.next_round, Instant::min)
    }

    /// Without this thread no worker would be replaced any more, so that no fault may end it.
    fn guarded(&mut self, work: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| work(self))).is_err() {
            tracing::error!("Looking after workers met a fault of the program; one may be missing.");
        }
    }

    fn work(&mut self, job: Job) {
        match job {
            Job::Replace { pool, worker } => self.replace(&pool, worker),
            Job::Prove { pool, worker } => self.prove(&pool, worker),
            Job::Fill { pool, count } => {
                for _ in 0..count {
                    self.fill(&pool, FIRST_BACKOFF);
                }
            }
            Job::Refresh(pool) => self.refresh(&pool),
            Job::Retire(pool) if pool.is_closed() => {}
            Job::Retire(pool) => {
                tracing::info!(generation = %pool.signatures.id, "A generation of signatures has ended.");
                retire(&pool);
            }
            Job::Stop => {}
        }
    }

    fn replace(&mut self, pool: &Weak<Pool>, worker: Worker) {
        worker.end();
        self.fill(pool, FIRST_BACKOFF);
        // Last, since its folder may hold many files.
        drop(worker);
    }

    /// One after the other, so that there are always some to be used.
    fn refresh(&mut self, pool: &Weak<Pool>) {
        // What kept empty places empty has most likely passed.
        for vacancy in self.vacancies.iter_mut().filter(|vacancy| vacancy.pool.ptr_eq(pool)) {
            vacancy.again_at = Instant::now();
            vacancy.backoff = FIRST_BACKOFF;
        }
        while let Some(strong) = pool.upgrade() {
            let Some(current) = strong.zygote().map(|zygote| zygote.serial) else { return };
            let Some(worker) = strong.take_idle(|worker| worker.zygote.serial != current) else { return };
            strong.kill(&worker, Death::Retired);
            self.replace(pool, worker);
        }
    }

    fn prove(&mut self, pool: &Weak<Pool>, mut worker: Worker) {
        let Some(strong) = pool.upgrade().filter(|pool| !pool.is_closed()) else {
            return self.crew.metrics.died(Death::Retired);
        };
        match strong.canary.prove(&mut worker) {
            Ok(()) => {
                worker.proven = Instant::now();
                strong.enlist(worker);
            }
            Err(error) => {
                tracing::error!(pid = worker.pid, %error, "A worker failed its self-test and is replaced.");
                strong.kill(&worker, Death::Proof);
                self.replace(pool, worker);
            }
        }
    }

    /// Makes one worker for the pool, now or later.
    fn fill(&mut self, pool: &Weak<Pool>, backoff: Duration) {
        let Some(strong) = pool.upgrade().filter(|pool| !pool.is_closed()) else { return };
        let error = match self.crew.hire(&strong) {
            Ok(worker) => return strong.enlist(worker),
            Err(HireError::Closed) => return,
            Err(error) => error,
        };
        tracing::error!(%error, retry_in = ?backoff, "A worker cannot be started.");
        if strong.zygote().is_some_and(|zygote| zygote.is_broken()) {
            self.crew.want_new_layout(pool);
        }
        let again_at = Instant::now() + backoff;
        self.vacancies.push(Vacancy { pool: pool.clone(), again_at, backoff });
    }

    fn fill_vacancies(&mut self) {
        let now = Instant::now();
        for vacancy in self.vacancies.extract_if(.., |vacancy| vacancy.again_at <= now).collect::<Vec<_>>() {
            self.fill(&vacancy.pool, (2 * vacancy.backoff).min(LARGEST_BACKOFF));
        }
    }

    /// Finds idle workers that have died, and lets one whose last proof is long ago prove itself again.
    fn make_round(&mut self) {
        if Instant::now() < self.next_round {
            return;
        }
        let interval = self.crew.config.proof_interval;
        self.next_round = Instant::now() + ROUND.min(interval);
        let kept = self.crew.run.keep();
        match &kept {
            Err(error) if !self.run_is_lost => {
                tracing::error!(%error, "The folder for temporary files cannot be made again.");
            }
            _ => {}
        }
        self.run_is_lost = kept.is_err();
        for strong in self.crew.pools() {
            let pool = Arc::downgrade(&strong);
            for _ in 0..self.crew.config.all_workers() {
                let Some(worker) = strong.take_idle(Worker::has_ended) else { break };
                strong.kill(&worker, Death::Crash);
                self.replace(&pool, worker);
            }
            if let Some(worker) = strong.take_idle(|worker| worker.proven.elapsed() >= interval) {
                self.prove(&pool, worker);
            }
        }
    }

    fn end_all(&mut self) {
        for pool in self.crew.pools() {
            let zygote = pool.zygote();
            retire(&pool);
            if let Some(zygote) = zygote {
                zygote.end();
            }
        }
    }
}

/// Ends the processes of a generation. Waits for that, so it is not for async code.
pub(crate) fn retire(pool: &Pool) {
    let workers = pool.close();
    for worker in &workers {
        worker.kill();
    }
    for worker in workers {
        worker.end();
    }
}
