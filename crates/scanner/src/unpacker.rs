//! Processes that take containers apart which libclamav does not open: who has which, and what becomes of each.
//!
//! ```text
//!  open ─turn─▶ idle process, or a new one ─▶ Opening: member, member, done ─▶ idle again
//!                                               │ died, hangs, lies, is worn out, is not wanted any more
//!                                               └─▶ killed; the next who opens something gets another one
//! ```
//!
//! The first process is started when the first container comes that needs one.

mod metrics;
mod process;

use icapstan_model::FailedReason;
use icapstan_unpack::{Gaps, Handed, MemberLimits};
use parking_lot::Mutex;
use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::engine::Wanted;
use crate::obituary::{Deceased, Obituary};

pub(crate) use metrics::{Ending, Outcome, UnpackMetrics};
use process::{Keeper, Process};

/// What starts the processes, and how many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnpackWorkers {
    /// The program.
    pub program: PathBuf,
    /// What makes it one of these processes; what each is to know follows behind.
    pub arguments: Vec<OsString>,
    /// How many there are at once. At least 1.
    pub count: usize,
    /// How many containers one of them takes apart before another one takes its place. At least 1.
    pub recycle_after: u32,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Unpacker {
    recycle_after: u32,
    metrics: UnpackMetrics,
    turns: Arc<Semaphore>,
    idle: Mutex<Vec<Process>>,
    is_closed: AtomicBool,
    keeper: Keeper,
}

/// A container that is being taken apart. Dropping it before its end costs the process.
#[derive(Debug)]
pub(crate) struct Opening {
    unpacker: Arc<Unpacker>,
    process: Option<Process>,
    limits: MemberLimits,
    deadline: Instant,
    begun: Instant,
    /// The last member is not acknowledged yet.
    owes: bool,
    /// The process has nothing else to do before or after: another one has died of this container.
    isolated: bool,
    _turn: OwnedSemaphorePermit,
}

/// What comes next out of a container.
#[derive(Debug)]
pub(crate) enum Step {
    /// A member, sealed, of that length.
    Member { file: File, len: u64, name: Vec<u8> },
    /// Nothing, and this was left out.
    Done(Gaps),
    /// Nothing, because the process died of it.
    Died(Obituary),
    /// Nothing, because something else broke.
    Lost(FailedReason),
}

/// Processor time of one process is bounded; this much of work is far below that.
const MOST_BUSY: Duration = Duration::from_mins(2);

// === impl UnpackWorkers ===

impl UnpackWorkers {
    /// So many processes of this very program.
    pub fn of_this_program(count: usize) -> Self {
        Self {
            // Even if another version lies in its place by now.
            program: PathBuf::from("/proc/self/exe"),
            arguments: vec!["unpack-worker".into()],
            count,
            recycle_after: 100,
        }
    }
}

// === impl Unpacker ===

impl Unpacker {
    /// Has no process yet. To be called within a tokio runtime, whose reactor serves the sockets.
    pub(crate) fn new(
        workers: UnpackWorkers,
        memory: u64,
        nice: i32,
        metrics: UnpackMetrics,
    ) -> io::Result<Self> {
        Ok(Self {
            recycle_after: workers.recycle_after,
            turns: Arc::new(Semaphore::new(workers.count)),
            metrics,
            idle: Mutex::new(Vec::new()),
            is_closed: AtomicBool::new(false),
            keeper: Keeper::start(workers, memory, nice)?,
        })
    }

    /// Hands a container over, once it is its turn.
    pub(crate) async fn open(
        self: &Arc<Self>,
        file: OwnedFd,
        mut limits: MemberLimits,
        wanted: Wanted,
        deadline: Instant,
    ) -> Result<Opening, FailedReason> {
        let turn = tokio::time::timeout_at(deadline.into(), self.turns.clone().acquire_owned()).await;
        let turn = match turn {
            Ok(Ok(turn)) => turn,
            Ok(Err(_)) => return Err(self.ended(Outcome::Unavailable)),
            Err(_) => return Err(self.ended(Outcome::Deadline)),
        };
        let left = deadline.saturating_duration_since(Instant::now());
        // It should give up by itself before it is killed.
        limits.time_ms = u32::try_from(left.mul_f64(0.9).as_millis()).unwrap_or(u32::MAX).max(1);
        let mut process = None;
        let isolated = wanted == Wanted::Isolated;
        // One that died while it was idle is nobody's fault.
        let idle = if isolated { None } else { self.idle.lock().pop() };
        if let Some(mut idle) = idle {
            match idle.begin(&file, limits) {
                Ok(()) => process = Some(idle),
                Err(_) => self.end(idle, Ending::Crash),
            }
        }
        if process.is_none() {
            match self.start(&file, limits, deadline).await {
                Ok(started) => process = Some(started),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {
                    return Err(self.ended(Outcome::Deadline));
                }
                Err(error) => {
                    tracing::error!(%error, "No process that opens archives can be started.");
                    return Err(self.ended(Outcome::Unavailable));
                }
            }
        }
        let begun = Instant::now();
        self.metrics.busy.inc();
        Ok(Opening {
            unpacker: self.clone(),
            process,
            limits,
            deadline,
            begun,
            owes: false,
            isolated,
            _turn: turn,
        })
    }

    async fn start(&self, file: &OwnedFd, limits: MemberLimits, deadline: Instant) -> io::Result<Process> {
        let started = tokio::time::timeout_at(deadline.into(), self.keeper.spawn()).await;
        let mut process = started.map_err(|_| io::ErrorKind::TimedOut)??;
        self.metrics.started.inc();
        process.begin(file, limits)?;
        Ok(process)
    }

    fn ended(&self, outcome: Outcome) -> FailedReason {
        self.metrics.outcomes.inc(outcome);
        match outcome {
            Outcome::Deadline => FailedReason::Time,
            Outcome::Unavailable => FailedReason::NoScanner,
            Outcome::Crash => FailedReason::Crash,
            Outcome::Whole | Outcome::Partly | Outcome::Protocol => FailedReason::EngineError,
        }
    }

    fn put_back(&self, process: Process) {
        if process.served() >= self.recycle_after || process.busy() >= MOST_BUSY {
            return self.end(process, Ending::Recycled);
        }
        let mut idle = self.idle.lock();
        // Under the lock, so that what is being closed is found either empty or closed.
        if self.is_closed.load(Ordering::SeqCst) {
            drop(idle);
            return self.end(process, Ending::Retired);
        }
        idle.push(process);
    }

    fn end(&self, process: Process, cause: Ending) {
        self.count(&process, cause);
        self.keeper.end(process, None);
    }

    /// Of a process that has died of what it had.
    fn bury(&self, process: Process) -> Obituary {
        self.count(&process, Ending::Crash);
        let (told, signal) = sync_channel(1);
        let (pid, age, served) = (process.pid(), process.age(), process.served().into());
        self.keeper.end(process, Some(told));
        Obituary { pid, by: Deceased::Unpacker { signal }, age, served }
    }

    fn count(&self, process: &Process, cause: Ending) {
        self.metrics.endings.inc(cause);
        if matches!(cause, Ending::Crash | Ending::Protocol) {
            tracing::warn!(
                pid = process.pid(),
                cause = cause.as_str(),
                "A process that opens archives died."
            );
        }
    }

    /// Ends all processes that are idle; those that are not end as their containers do. Nothing is opened any more.
    pub(crate) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.turns.close();
        for process in std::mem::take(&mut *self.idle.lock()) {
            self.end(process, Ending::Retired);
        }
    }
}

impl Drop for Unpacker {
    fn drop(&mut self) {
        self.close();
    }
}

// === impl Opening ===

impl Opening {
    /// What comes next. After anything but a member there is nothing more.
    pub(crate) async fn next(&mut self) -> Step {
        let Some(process) = &mut self.process else { return Step::Lost(FailedReason::EngineError) };
        if std::mem::take(&mut self.owes) && process.acknowledge().is_err() {
            return self.die();
        }
        let received = tokio::time::timeout_at(self.deadline.into(), process.receive()).await;
        match received {
            Err(_) => self.lose(Outcome::Deadline, Ending::Deadline),
            Ok(Ok(None)) => self.die(),
            Ok(Ok(Some((Handed::Member { len, name, .. }, Some(file))))) => match self.admit(file, len) {
                Some(file) => {
                    self.owes = true;
                    Step::Member { file, len, name }
                }
                None => self.lose(Outcome::Protocol, Ending::Protocol),
            },
            Ok(Ok(Some((Handed::Done { gaps, .. }, None)))) => {
                self.unpacker.metrics.outcomes.inc(if gaps.is_empty() {
                    Outcome::Whole
                } else {
                    Outcome::Partly
                });
                if let Some(mut process) = self.process.take() {
                    process.done(self.begun.elapsed());
                    if self.isolated {
                        self.unpacker.end(process, Ending::Isolated);
                    } else {
                        self.unpacker.put_back(process);
                    }
                }
                Step::Done(gaps)
            }
            Ok(Ok(Some(_)) | Err(_)) => self.lose(Outcome::Protocol, Ending::Protocol),
        }
    }

    /// A member as it was promised. Whoever took the process over may send anything.
    fn admit(&mut self, file: OwnedFd, len: u64) -> Option<File> {
        use rustix::fs::{SealFlags, fcntl_get_seals};
        self.limits.max_members = self.limits.max_members.checked_sub(1)?;
        self.limits.max_total = self.limits.max_total.checked_sub(len)?;
        let wanted = SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK;
        let is_sealed = fcntl_get_seals(file.as_fd()).is_ok_and(|seals| seals.contains(wanted));
        let file = File::from(file);
        let is_whole = file.metadata().is_ok_and(|metadata| metadata.len() == len);
        (is_sealed && is_whole && len <= self.limits.max_member).then_some(file)
    }

    fn die(&mut self) -> Step {
        let reason = self.unpacker.ended(Outcome::Crash);
        self.process.take().map_or(Step::Lost(reason), |process| Step::Died(self.unpacker.bury(process)))
    }

    fn lose(&mut self, outcome: Outcome, ending: Ending) -> Step {
        if let Some(process) = self.process.take() {
            self.unpacker.end(process, ending);
        }
        Step::Lost(self.unpacker.ended(outcome))
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.unpacker.metrics.busy.dec();
        if let Some(process) = self.process.take() {
            self.unpacker.end(process, Ending::Cancelled);
        }
    }
}
