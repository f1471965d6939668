//! One process, and the thread that starts and buries them.

#![expect(unsafe_code, reason = "the reactor is told which descriptor to watch")]

use super::UnpackWorkers;
use crate::packet;
use icapstan_unpack::{Handed, MemberLimits, Order};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::thread;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// A process that takes one container apart at a time.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    socket: AsyncFd<OwnedFd>,
    id: u64,
    served: u32,
    busy: Duration,
    born: Instant,
}

/// Has a thread that lives as long as this: the kernel ends a process when the thread ends that started it.
#[derive(Debug)]
pub(super) struct Keeper(Sender<Job>);

/// Bounded by the number of processes.
enum Job {
    Start(oneshot::Sender<io::Result<Process>>),
    End(Process, Option<Told>),
}

/// Who is told by which signal a process ended, if any.
pub(super) type Told = SyncSender<Option<u32>>;

struct Starter {
    workers: UnpackWorkers,
    memory: u64,
    nice: i32,
}

// === impl Keeper ===

impl Keeper {
    pub(super) fn start(workers: UnpackWorkers, memory: u64, nice: i32) -> io::Result<Self> {
        let (sender, jobs) = channel();
        let runtime = Handle::current();
        let starter = Starter { workers, memory, nice };
        thread::Builder::new().name("icapstan-unpack".to_owned()).spawn(move || {
            // The sockets are served by this runtime's reactor.
            let _entered = runtime.enter();
            starter.keep(&jobs);
        })?;
        Ok(Self(sender))
    }

    pub(super) async fn spawn(&self) -> io::Result<Process> {
        let (sender, receiver) = oneshot::channel();
        let gone = || io::Error::other("the scanner is shutting down");
        self.0.send(Job::Start(sender)).map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }

    pub(super) fn end(&self, mut process: Process, told: Option<Told>) {
        // At once, and by a number that cannot mean another process as long as nobody asked for its end.
        let _ = process.child.kill();
        // Without the thread the number stays taken until this process ends.
        let _ = self.0.send(Job::End(process, told));
    }
}

// === impl Starter ===

impl Starter {
    fn keep(&self, jobs: &Receiver<Job>) {
        for job in jobs {
            match job {
                Job::Start(answer) => {
                    // Who does not wait any more has it ended.
                    if let Err(Ok(process)) = answer.send(self.spawn()) {
                        bury(process, None);
                    }
                }
                Job::End(process, told) => bury(process, told),
            }
        }
    }

    fn spawn(&self) -> io::Result<Process> {
        let (ours, theirs) = packet::pair()?;
        let child = Command::new(&self.workers.program)
            .args(&self.workers.arguments)
            .args(["--parent", &std::process::id().to_string()])
            .args(["--memory", &self.memory.to_string()])
            .args(["--nice", &self.nice.to_string()])
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        // SAFETY: an `OwnedFd` names one open descriptor as long as it lives, and the `AsyncFd` owns it.
        let socket = unsafe { AsyncFd::register_with_interest(ours, Interest::READABLE)? };
        tracing::debug!(pid = child.id(), "A process that opens archives has been started.");
        Ok(Process { child, socket, id: 0, served: 0, busy: Duration::ZERO, born: Instant::now() })
    }
}

/// Waits for the end, which a killed process comes to in milliseconds.
fn bury(mut process: Process, told: Option<Told>) {
    let _ = process.child.kill();
    let ended = process.child.wait();
    if let Some(told) = told {
        let signal = ended.as_ref().ok().and_then(ExitStatus::signal);
        // Who does not wait any more does without.
        let _ = told.try_send(signal.and_then(|signal| u32::try_from(signal).ok()));
    }
    match ended {
        Ok(status) if status.signal().is_none_or(|signal| signal == sigkill()) => {}
        Ok(status) => {
            tracing::warn!(pid = process.pid(), %status, "A process that opens archives ended by itself.");
        }
        Err(error) => tracing::error!(%error, "A process that opens archives cannot be waited for."),
    }
}

fn sigkill() -> i32 {
    rustix::process::Signal::KILL.as_raw()
}

// === impl Process ===

impl Process {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn served(&self) -> u32 {
        self.served
    }

    pub(super) fn busy(&self) -> Duration {
        self.busy
    }

    pub(super) fn age(&self) -> Duration {
        self.born.elapsed()
    }

    /// Hands a container over. Fails at once if the process is gone.
    pub(super) fn begin(&mut self, file: &OwnedFd, limits: MemberLimits) -> io::Result<()> {
        self.id += 1;
        let order = Order::Open { id: self.id, limits };
        packet::send(self.socket.as_fd(), &order.encode(), Some(file.as_fd()))
    }

    /// The last member is done with.
    pub(super) fn acknowledge(&self) -> io::Result<()> {
        packet::send(self.socket.as_fd(), &Order::More { id: self.id }.encode(), None)
    }

    /// The next answer to the last container; `None` if the process is gone.
    pub(super) async fn receive(&self) -> io::Result<Option<(Handed, Option<OwnedFd>)>> {
        let received = loop {
            let mut guard = self.socket.readable().await?;
            if let Ok(received) = guard.try_io(|socket| packet::receive(socket.as_fd())) {
                break received?;
            }
        };
        let Some(packet) = received else { return Ok(None) };
        match Handed::decode(&packet.bytes) {
            Ok(handed) if handed.id() == self.id => Ok(Some((handed, packet.fd))),
            _ => Err(io::ErrorKind::InvalidData.into()),
        }
    }

    /// It took so long.
    pub(super) fn done(&mut self, took: Duration) {
        self.served += 1;
        self.busy += took;
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
    }
}
