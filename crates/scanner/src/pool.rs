//! The workers of one generation: who has which, and what becomes of each afterwards.
//!
//! ```text
//!             checkout                  call                       drop
//!  idle stack ───────▶ Lease ───▶ request, reply ───▶ back on the stack
//!      ▲                 │ died, killed, worn out, in doubt │ dropped in the middle of a call
//!      └──── crew: end, fork, prove ◀───────────────────────┴─── short grace to finish
//! ```
//!
//! A worker is on the stack, in one lease, with the crew, or in a grace task: never lost. Each worker
//! on the stack stands for one permit of `free`, which is a fair queue.

use icapstan_clamav_wire::Request;
use icapstan_model::SignatureSet;
use parking_lot::Mutex;
use std::os::fd::BorrowedFd;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

use crate::breaker::Turn;
use crate::canary::Canary;
use crate::crew::{Crew, Job};
use crate::engine::{Called, Calling, Engine, Lease, Leasing, NoWorker, Wanted};
use crate::metrics::{Death, WorkerState};
use crate::poison::Poison;
use crate::queue::{Lane, Queue};
use crate::scan::Left;
use crate::temp::{NoRoom, Room};
use crate::worker::{Answer, Worker};
use crate::zygote::Zygote;

/// How long a scan waits for a worker while there is none at all, not even a busy one.
const NO_WORKER_PATIENCE: Duration = Duration::from_secs(1);

/// One generation in memory.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) signatures: SignatureSet,
    pub(crate) queue: Queue,
    pub(crate) canary: Canary,
    /// What is not scanned again with these signatures.
    pub(crate) poison: Poison,
    crew: Arc<Crew>,
    myself: Weak<Self>,
    zygote: Mutex<Option<Arc<Zygote>>>,
    idle: Mutex<Vec<Worker>>,
    free: Semaphore,
    dear: Semaphore,
    /// Workers on the stack or in leases.
    in_service: AtomicUsize,
    /// Scans under way.
    scans: AtomicUsize,
    crashes: AtomicU32,
    is_closed: AtomicBool,
}

/// The use of one worker. Dropping it gives the worker back, in whatever state.
#[derive(Debug)]
pub(crate) struct WorkerLease {
    pool: Arc<Pool>,
    worker: Option<Worker>,
    /// What the request under way may write, if one is.
    busy: Option<Room>,
    doubtful: bool,
    /// The worker has nothing else to do before or after: another one has died of this object.
    isolated: bool,
    /// It has had its object, or part of it, and is ended afterwards.
    is_spent: bool,
    /// What is to be known of the object; to be set before the lease of a busy worker is dropped.
    left: Option<Left>,
    /// The object's turn, if it is a suspect.
    turn: Option<Turn>,
}

/// A scan that nobody waits for any more.
struct Orphan {
    pool: Arc<Pool>,
    worker: Worker,
    room: Room,
    isolated: bool,
    left: Option<Left>,
    /// Given back when the worker has ended.
    turn: Option<Turn>,
}

/// One of the workers that dear objects may have at once. It goes with the worker, also beyond its death until
/// another one has its place: else those that die of dear objects, or are left by clients, would be more than
/// dear objects may have.
#[derive(Debug)]
pub(crate) struct DearTurn(Arc<Pool>);

// === impl Pool ===

impl Pool {
    pub(crate) fn new(
        crew: Arc<Crew>,
        zygote: Arc<Zygote>,
        canary: Canary,
        signatures: SignatureSet,
    ) -> Arc<Self> {
        let config = &crew.config;
        let queue = Queue::new(
            config.workers,
            config.spare_workers,
            config.in_flight,
            config.queue_length,
            crew.shared.metrics.waiting.clone(),
        );
        let shared = &crew.shared;
        let (secrets, entries) = (shared.secrets.clone(), shared.metrics.poison.clone());
        let poison = Poison::new(&config.poison, secrets, entries, shared.poison_share.clone());
        crew.shared.metrics.generations.inc();
        Arc::new_cyclic(|myself| Self {
            poison,
            signatures,
            dear: Semaphore::new(queue.dear_workers()),
            queue,
            canary,
            crew,
            myself: myself.clone(),
            zygote: Mutex::new(Some(zygote)),
            idle: Mutex::new(Vec::new()),
            free: Semaphore::new(0),
            in_service: AtomicUsize::new(0),
            scans: AtomicUsize::new(0),
            crashes: AtomicU32::new(0),
            is_closed: AtomicBool::new(false),
        })
    }

    /// Waits for a worker. First come, first served.
    pub(crate) async fn checkout(
        self: &Arc<Self>,
        lane: Lane,
        wanted: Wanted,
        deadline: Instant,
    ) -> Result<WorkerLease, NoWorker> {
        let mut turn = pin!(async {
            let dear = if lane == Lane::Dear { Some(self.dear.acquire().await?) } else { None };
            Ok::<_, tokio::sync::AcquireError>((dear, self.free.acquire().await?))
        });
        let (dear, free) = loop {
            let patience = deadline.min(Instant::now() + NO_WORKER_PATIENCE);
            match tokio::time::timeout_at(patience.into(), turn.as_mut()).await {
                Ok(permits) => break permits.map_err(|_| NoWorker::None)?,
                Err(_) if self.in_service() == 0 => return Err(NoWorker::None),
                Err(_) if Instant::now() >= deadline => return Err(NoWorker::Late),
                Err(_) => {}
            }
        };
        // The worker is taken for good; its permit comes back with it.
        free.forget();
        let isolated = wanted == Wanted::Isolated;
        let mut worker = self.pick(isolated);
        if dear.map(tokio::sync::SemaphorePermit::forget).is_some()
            && let Some(worker) = &mut worker
        {
            worker.dear = Some(DearTurn(self.clone()));
        }
        let mut lease = WorkerLease {
            pool: self.clone(),
            worker,
            busy: None,
            doubtful: false,
            isolated,
            is_spent: false,
            left: None,
            turn: None,
        };
        match &mut lease.worker {
            Some(worker) => worker.presence.set(WorkerState::Busy),
            // Only when the pool is being closed.
            None => return Err(NoWorker::None),
        }
        Ok(lease)
    }

    fn pick(&self, isolated: bool) -> Option<Worker> {
        let mut idle = self.idle.lock();
        if !isolated {
            return idle.pop();
        }
        let (at, _) = idle.iter().enumerate().min_by_key(|(_, worker)| worker.served)?;
        Some(idle.remove(at))
    }

    /// Takes an idle worker of this kind out of service, if there is one.
    pub(crate) fn take_idle(&self, is_wanted: impl Fn(&Worker) -> bool) -> Option<Worker> {
        let permit = self.free.try_acquire().ok()?;
        let mut idle = self.idle.lock();
        let at = idle.iter().position(is_wanted)?;
        permit.forget();
        self.in_service.fetch_sub(1, Ordering::Relaxed);
        Some(idle.remove(at))
    }

    /// Takes idle workers out of service that have files in their folders.
    fn sweep(&self) {
        while let Some(worker) = self.take_idle(|worker| !worker.folder.is_empty()) {
            self.kill(&worker, Death::TempShare);
            self.crew.send(Job::Replace { pool: self.myself.clone(), worker });
        }
    }

    /// Puts a worker that has proven itself into service.
    pub(crate) fn enlist(&self, worker: Worker) {
        self.in_service.fetch_add(1, Ordering::Relaxed);
        self.put_back(worker);
    }

    fn put_back(&self, mut worker: Worker) {
        let limit = self.crew.config.recycle_after;
        let current = self.zygote.lock().as_ref().map(|zygote| zygote.serial);
        if current != Some(worker.zygote.serial) {
            return self.discharge(worker, Death::Retired);
        }
        if limit > 0 && worker.served >= limit {
            return self.discharge(worker, Death::Recycled);
        }
        worker.presence.set(WorkerState::Idle);
        let mut idle = self.idle.lock();
        // Under the lock, so that a pool that is being closed is found either empty or closed.
        if self.is_closed() {
            drop(idle);
            return self.discharge(worker, Death::Retired);
        }
        let dear = worker.dear.take();
        idle.push(worker);
        drop(idle);
        self.free.add_permits(1);
        drop(dear);
    }

    /// Takes a worker out of service, kills it, and has another one made.
    fn discharge(&self, worker: Worker, cause: Death) {
        self.in_service.fetch_sub(1, Ordering::Relaxed);
        self.kill(&worker, cause);
        self.crew.send(Job::Replace { pool: self.myself.clone(), worker });
    }

    /// Kills a worker that is out of service, and takes note of the cause.
    pub(crate) fn kill(&self, worker: &Worker, cause: Death) {
        worker.kill();
        self.crew.shared.metrics.died(cause);
        if matches!(cause, Death::Crash | Death::Protocol) {
            tracing::warn!(pid = worker.pid, cause = cause.as_str(), "A worker died.");
            let crashes = self.crashes.fetch_add(1, Ordering::Relaxed) + 1;
            if crashes.is_multiple_of(self.crew.config.crashes_per_layout) {
                self.crew.want_new_layout(&self.myself);
            }
        }
    }

    /// Takes a worker out of service until it has proven itself again.
    fn doubt(&self, mut worker: Worker) {
        self.in_service.fetch_sub(1, Ordering::Relaxed);
        worker.presence.set(WorkerState::Proving);
        self.crew.send(Job::Prove { pool: self.myself.clone(), worker });
    }

    /// `None` once the pool is closed.
    pub(crate) fn zygote(&self) -> Option<Arc<Zygote>> {
        self.zygote.lock().clone()
    }

    /// From now on workers come from another zygote with the same signatures. Those of the old one
    /// leave as they become idle; it ends with the last of them.
    pub(crate) fn set_zygote(&self, zygote: Zygote) {
        let mut current = self.zygote.lock();
        if !self.is_closed() {
            *current = Some(Arc::new(zygote));
        }
    }

    /// Ends the generation: nothing is begun any more, and idle workers are handed over to be ended.
    pub(crate) fn close(&self) -> Vec<Worker> {
        if !self.is_closed.swap(true, Ordering::SeqCst) {
            self.crew.shared.metrics.generations.dec();
        }
        self.free.close();
        self.dear.close();
        let idle = std::mem::take(&mut *self.idle.lock());
        *self.zygote.lock() = None;
        idle
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        if !self.is_closed() {
            self.crew.shared.metrics.generations.dec();
        }
    }
}

impl Engine for Pool {
    fn signatures(&self) -> &SignatureSet {
        &self.signatures
    }

    fn queue(&self) -> &Queue {
        &self.queue
    }

    fn in_service(&self) -> usize {
        self.in_service.load(Ordering::Relaxed)
    }

    fn is_closed(&self) -> bool {
        self.is_closed.load(Ordering::SeqCst)
    }

    fn scans(&self) -> &AtomicUsize {
        &self.scans
    }

    fn poison(&self) -> &Poison {
        &self.poison
    }

    fn lease<'a>(self: Arc<Self>, lane: Lane, wanted: Wanted, deadline: Instant) -> Leasing<'a> {
        Box::pin(async move { Ok(Box::new(self.checkout(lane, wanted, deadline).await?) as Box<dyn Lease>) })
    }

    fn retire(self: Arc<Self>) {
        // Ending processes takes time, and this may be anybody's thread.
        let crew = self.crew.clone();
        crew.send(Job::Retire(self));
    }
}

// === impl WorkerLease ===

impl WorkerLease {
    /// After anything but a reply the worker is gone, and with it the use of this lease.
    async fn exchange(&mut self, file: BorrowedFd<'_>, mut request: Request, deadline: Instant) -> Called {
        let Some(worker) = &mut self.worker else { return Called::NotBegun };
        let room = match self.pool.crew.run.room(&worker.folder, deadline).await {
            Ok(room) => room,
            Err(reason) => {
                match reason {
                    // With a folder of its own a new worker is better off, unless the whole run's is gone.
                    NoRoom::Gone => self.lose(Death::TempFolder),
                    NoRoom::Full => {
                        // Nothing is left there by scans. Whoever took a worker over may fill the place.
                        let is_clean = worker.folder.is_empty();
                        self.pool.sweep();
                        if !is_clean {
                            self.lose(Death::TempShare);
                        }
                    }
                }
                return Called::NoRoom;
            }
        };
        request.id = worker.next_id();
        match worker.send(file, &request) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                self.lose(Death::Protocol);
                return Called::NotBegun;
            }
            Err(_) => {
                self.lose(Death::Crash);
                return Called::NotBegun;
            }
        }
        self.busy = Some(room);
        let answer = worker.answer(room, deadline).await;
        self.busy = None;
        match answer {
            Answer::Reply(reply) => {
                worker.served += 1;
                let files = worker.take_files();
                self.is_spent = self.isolated;
                Called::Replied(reply, files)
            }
            // It died of that, and not of its object.
            Answer::Died if worker.zygote.is_gone() => {
                self.lose(Death::Crash);
                Called::NotBegun
            }
            Answer::Died => {
                let obituary = worker.obituary();
                self.lose(Death::Crash);
                Called::Died(obituary)
            }
            Answer::Protocol => {
                self.lose(Death::Protocol);
                Called::Protocol
            }
            Answer::TempShare => {
                self.lose(Death::TempShare);
                Called::TempShare
            }
            Answer::Deadline => {
                self.lose(Death::Deadline);
                Called::Deadline
            }
        }
    }

    fn lose(&mut self, cause: Death) {
        if let Some(worker) = self.worker.take() {
            self.pool.discharge(worker, cause);
        }
    }
}

impl Lease for WorkerLease {
    fn call<'a>(&'a mut self, file: BorrowedFd<'a>, request: Request, deadline: Instant) -> Calling<'a> {
        Box::pin(self.exchange(file, request, deadline))
    }

    fn is_usable(&self) -> bool {
        self.worker.is_some()
    }

    fn is_busy(&self) -> bool {
        self.busy.is_some()
    }

    fn is_isolated(&self) -> bool {
        self.isolated
    }

    fn doubt(&mut self) {
        self.doubtful = true;
    }

    fn keep(&mut self, turn: Option<Turn>) {
        self.turn = turn;
    }

    fn leave(&mut self, left: Left) {
        self.left = Some(left);
    }
}

impl Drop for WorkerLease {
    fn drop(&mut self) {
        if let Some(worker) = self.worker.take() {
            match self.busy {
                Some(room) => {
                    // Its caller is gone in the middle of a scan.
                    let orphan = Orphan {
                        pool: self.pool.clone(),
                        worker,
                        room,
                        isolated: self.isolated,
                        left: self.left.take(),
                        turn: self.turn.take(),
                    };
                    self.pool.crew.shared.runtime.spawn(orphan.finish());
                }
                None if self.is_spent => self.pool.discharge(worker, Death::Isolated),
                None if self.doubtful => self.pool.doubt(worker),
                None => self.pool.put_back(worker),
            }
        }
    }
}

// === impl Orphan ===

impl Orphan {
    /// Lets the worker finish, within the grace.
    async fn finish(self) {
        let Self { pool, worker, left, turn, .. } = self;
        let grace = Instant::now() + pool.crew.config.cancel_grace;
        match worker.answer(self.room, grace).await {
            Answer::Reply(_) if self.isolated => pool.discharge(worker, Death::Isolated),
            Answer::Reply(_) => pool.put_back(worker),
            Answer::Died if worker.zygote.is_gone() => pool.discharge(worker, Death::Crash),
            Answer::Died => {
                let obituary = worker.obituary();
                pool.discharge(worker, Death::Crash);
                match left {
                    Some(left) => left.died(obituary, self.isolated).await,
                    None => pool.crew.shared.breaker.crashed(None, turn.as_ref(), &pool.crew.shared.runtime),
                }
            }
            Answer::Protocol => pool.discharge(worker, Death::Protocol),
            Answer::TempShare => pool.discharge(worker, Death::TempShare),
            Answer::Deadline => pool.discharge(worker, Death::Cancelled),
        }
    }
}

// === impl DearTurn ===

impl Drop for DearTurn {
    fn drop(&mut self) {
        self.0.dear.add_permits(1);
    }
}
