//! The process that loads a database once and forks workers that share it.

#![expect(unsafe_code, reason = "what a new process does before it becomes another program")]

use icapstan_clamav_wire::{CONTROL_FD, Command as Order, Confinement, Event};
use parking_lot::Mutex;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, pidfd_open, pidfd_send_signal, waitid,
};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use thiserror::Error;

use crate::config::YaraRules;
use crate::{packet, worker_log, yara};

/// A fork takes milliseconds. A zygote that has not answered by then is not waited for.
const FORK_TIMEOUT: Duration = Duration::from_secs(10);

/// The kernel needs a few milliseconds to take down a large address space.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// How often a load looks whether it is still wanted.
const STOP_INTERVAL: Duration = Duration::from_millis(200);

/// A loaded database. Its process ends when this is dropped, and with it all workers that are left.
#[derive(Debug)]
pub(crate) struct Zygote {
    /// Tells zygotes of one run apart.
    pub(crate) serial: u64,
    /// How many signatures were loaded from all folders together.
    pub(crate) signatures: u64,
    /// How many YARA rules are tried, of all folders together.
    pub(crate) rules: u64,
    /// The engine's name and version.
    pub(crate) engine: String,
    /// What its workers are kept from.
    pub(crate) confinement: Confinement,
    /// Of the process itself, to be asked without its lock.
    pidfd: OwnedFd,
    process: Mutex<Process>,
    is_broken: AtomicBool,
}

#[derive(Debug)]
struct Process {
    child: Child,
    control: OwnedFd,
    /// The pidfds of its workers, but for those that have ended before the last fork.
    workers: Vec<OwnedFd>,
}

/// What a forked worker consists of.
#[derive(Debug)]
pub(crate) struct Forked {
    pub(crate) pid: u32,
    pub(crate) pidfd: OwnedFd,
    /// Our end of the object socket.
    pub(crate) socket: OwnedFd,
}

/// How to start one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start<'a> {
    pub(crate) worker: &'a Path,
    pub(crate) databases: &'a [&'a Path],
    /// With the folders that these are in.
    pub(crate) rules: Option<(&'a [&'a Path], &'a YaraRules)>,
    pub(crate) temp: &'a Path,
    pub(crate) nice: i32,
    pub(crate) timeout: Duration,
    /// Set when nobody wants the database any more.
    pub(crate) stop: &'a AtomicBool,
}

/// Why a database was not loaded.
#[derive(Debug, Error)]
pub(crate) enum ZygoteError {
    #[error("the worker cannot be started: {0}")]
    Spawn(io::Error),
    #[error("{0}")]
    Load(String),
    #[error("the worker ended while it loaded the database{0}")]
    Died(String),
    #[error("the worker sent something that is no answer")]
    Protocol,
    #[error("the database is not loaded after {0:?}")]
    Slow(Duration),
    #[error("the scanner is shutting down")]
    Stopped,
}

/// Why a worker was not forked.
#[derive(Debug, Error)]
pub(crate) enum ForkError {
    #[error("the system refuses: {0}")]
    Refused(io::Error),
    /// No further fork of this zygote can succeed.
    #[error("the zygote does not answer: {0}")]
    Broken(io::Error),
}

static SERIAL: AtomicU64 = AtomicU64::new(1);

// === impl Zygote ===

impl Zygote {
    /// Starts the process and waits until it has loaded the databases.
    ///
    /// The kernel kills the process when the calling *thread* ends, so that nothing is left over
    /// when this process is killed: call it from a thread that lives as long as the scanner.
    pub(crate) fn start(start: &Start<'_>) -> Result<Self, ZygoteError> {
        let mut process = spawn(start).map_err(ZygoteError::Spawn)?;
        let pidfd = pidfd_open(Pid::from_child(&process.child), PidfdFlags::empty());
        let event = wait_for_load(&process, start);
        match pidfd.map_err(|error| ZygoteError::Spawn(error.into())).and_then(|pidfd| Ok((event?, pidfd))) {
            Ok((Event::Ready { signatures, engine, confinement, rules }, pidfd)) => Ok(Self {
                serial: SERIAL.fetch_add(1, Ordering::Relaxed),
                signatures,
                rules,
                engine: format!("ClamAV {}", String::from_utf8_lossy(&engine)),
                confinement,
                pidfd,
                process: Mutex::new(process),
                is_broken: AtomicBool::new(false),
            }),
            other => {
                let _ = process.child.kill();
                let status = process.child.wait();
                Err(match other {
                    Ok((Event::LoadFailed { message }, _)) => {
                        ZygoteError::Load(String::from_utf8_lossy(&message).into_owned())
                    }
                    Ok(_) => ZygoteError::Protocol,
                    // Said by the process itself, unless it was us who killed it.
                    Err(ZygoteError::Died(_)) => ZygoteError::Died(
                        status.map_or_else(|_| String::new(), |status| format!(" ({status})")),
                    ),
                    Err(error) => error,
                })
            }
        }
    }

    /// Forks one worker. Waits for it, so it is not for async code.
    pub(crate) fn fork(&self, temp: &Path, memory: u64) -> Result<Forked, ForkError> {
        let (ours, theirs) = packet::pair().map_err(ForkError::Refused)?;
        let order = Order::Fork { temp_dir: temp.as_os_str().as_bytes().to_vec(), memory };
        let mut process = self.process.lock();
        let answer = packet::send(process.control.as_fd(), &order.encode(), Some(theirs.as_fd()))
            .and_then(|()| await_packet(&process, FORK_TIMEOUT));
        drop(theirs);
        // After a silence a late answer would be taken for the next one's, so the silent are given up.
        let packet = answer.map_err(|error| self.broken(error))?;
        match (Event::decode(&packet.bytes), packet.fd) {
            (Ok(Event::Forked { pid }), Some(pidfd)) => {
                process.workers.retain(|worker| !has_ended(worker));
                process.workers.push(pidfd.try_clone().map_err(ForkError::Refused)?);
                Ok(Forked { pid, pidfd, socket: ours })
            }
            (Ok(Event::ForkFailed { errno }), _) => {
                Err(ForkError::Refused(io::Error::from_raw_os_error(i32::try_from(errno).unwrap_or(0))))
            }
            _ => Err(self.broken(io::Error::from(io::ErrorKind::InvalidData))),
        }
    }

    /// The signal that ended a worker, which has ended. Waits for the answer, so it is not for async code.
    pub(crate) fn fate(&self, worker: u32) -> Option<u32> {
        if self.is_broken() {
            return None;
        }
        let process = self.process.lock();
        let answer = packet::send(process.control.as_fd(), &Order::Fate { pid: worker }.encode(), None)
            .and_then(|()| await_packet(&process, FORK_TIMEOUT));
        drop(process);
        // As with a fork: a late answer would be taken for the next one's.
        let packet = answer.map_err(|error| self.broken(error)).ok()?;
        match Event::decode(&packet.bytes) {
            Ok(Event::Fate { pid, signal }) if pid == worker => (signal > 0).then_some(signal),
            _ => {
                self.is_broken.store(true, Ordering::Relaxed);
                None
            }
        }
    }

    /// What this kernel cannot keep its workers from, and by what it would; `None` if there is nothing.
    pub(crate) fn gaps(&self) -> Option<String> {
        gaps(self.confinement)
    }

    /// Whether the process is gone, and with it all of its workers: the kernel ends them, whatever they have.
    pub(crate) fn is_gone(&self) -> bool {
        has_ended(&self.pidfd)
    }

    /// Whether it can fork no more.
    pub(crate) fn is_broken(&self) -> bool {
        self.is_broken.load(Ordering::Relaxed)
    }

    /// Ends the process and all of its workers, whoever still holds them, and waits for that.
    pub(crate) fn end(&self) {
        self.process.lock().end();
    }

    fn broken(&self, error: io::Error) -> ForkError {
        self.is_broken.store(true, Ordering::Relaxed);
        ForkError::Broken(error)
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        self.process.get_mut().end();
    }
}

// === impl Process ===

impl Process {
    fn end(&mut self) {
        // The only error is that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        for worker in self.workers.drain(..) {
            let _ = pidfd_send_signal(&worker, Signal::KILL);
            let _ = packet::wait_readable(worker.as_fd(), Instant::now() + END_TIMEOUT);
            // Orphans become children of the first process, which in a container is this one, and stay
            // in the process table until it has asked for them. Elsewhere they are not ours to ask for.
            let _ = waitid(WaitId::PidFd(worker.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG);
        }
    }
}

/// Whether the process that a pidfd names is gone.
pub(crate) fn has_ended(pidfd: &OwnedFd) -> bool {
    packet::wait_readable(pidfd.as_fd(), Instant::now()).unwrap_or(true)
}

fn gaps(confinement: Confinement) -> Option<String> {
    let filtered = confinement.has(Confinement::CALLS);
    let missing = [
        (confinement.has(Confinement::FILES), "files of others (Landlock)"),
        (filtered, "system calls that scanning does not take (seccomp)"),
        (filtered || confinement.has(Confinement::NETWORK), "the network (Landlock 4)"),
        (filtered || confinement.has(Confinement::PROCESSES), "signals to other processes (Landlock 6)"),
    ];
    let missing: Vec<_> =
        missing.into_iter().filter(|(is_there, _)| !is_there).map(|(_, what)| what).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

fn spawn(start: &Start<'_>) -> io::Result<Process> {
    let (ours, theirs) = packet::pair()?;
    let mut command = Command::new(start.worker);
    command.arg("zygote");
    for folder in start.databases {
        command.arg("--database").arg(folder);
    }
    command.arg("--temp").arg(start.temp).arg("--nice").arg(start.nice.to_string());
    if let Some((folders, rules)) = start.rules {
        command.args(yara::arguments(folders, rules));
    }
    // Nothing of this process's environment is the worker's business, but where its libraries are.
    command.env_clear();
    if let Some(path) = std::env::var_os("LD_LIBRARY_PATH") {
        command.env("LD_LIBRARY_PATH", path);
    }
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let parent = rustix::process::getpid();
    let fd = theirs.as_raw_fd();
    // SAFETY: between fork and exec only system calls are made: no allocation, no lock, no panic.
    unsafe {
        command.pre_exec(move || prepare(fd, parent));
    }
    let mut child = command.spawn()?;
    if let Some(stderr) = child.stderr.take()
        && let Err(error) = worker_log::follow(stderr)
    {
        let _ = child.kill();
        let _ = child.wait();
        return Err(error);
    }
    Ok(Process { child, control: ours, workers: Vec::new() })
}

/// In the new process, before it becomes the worker.
fn prepare(fd: i32, parent: Pid) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have ended before the kernel was told.
    if rustix::process::getppid() != Some(parent) {
        return Err(io::Error::from(io::ErrorKind::NotConnected));
    }
    // SAFETY: `fd` is open in this process, which is a copy of the one that opened it. It is only
    // borrowed here.
    let theirs = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
    if fd == CONTROL_FD {
        rustix::io::fcntl_setfd(theirs, rustix::io::FdFlags::empty())?;
    } else {
        // SAFETY: whatever the number meant in the parent means nothing here any more; it is
        // replaced, and never closed by this value.
        let mut control = ManuallyDrop::new(unsafe { OwnedFd::from_raw_fd(CONTROL_FD) });
        rustix::io::dup2(theirs, &mut control)?;
    }
    Ok(())
}

fn wait_for_load(process: &Process, start: &Start<'_>) -> Result<Event, ZygoteError> {
    let deadline = Instant::now() + start.timeout;
    let protocol = |_| ZygoteError::Protocol;
    while !packet::wait_readable(process.control.as_fd(), deadline.min(Instant::now() + STOP_INTERVAL))
        .map_err(protocol)?
    {
        if start.stop.load(Ordering::Relaxed) {
            return Err(ZygoteError::Stopped);
        }
        if Instant::now() >= deadline {
            return Err(ZygoteError::Slow(start.timeout));
        }
    }
    let packet = packet::receive(process.control.as_fd()).map_err(protocol)?;
    let packet = packet.ok_or_else(|| ZygoteError::Died(String::new()))?;
    Event::decode(&packet.bytes).map_err(|_| ZygoteError::Protocol)
}

fn await_packet(process: &Process, timeout: Duration) -> io::Result<packet::Packet> {
    if !packet::wait_readable(process.control.as_fd(), Instant::now() + timeout)? {
        return Err(io::Error::from(io::ErrorKind::TimedOut));
    }
    packet::receive(process.control.as_fd())?.ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_kernel_lacks_is_told_unless_something_else_sees_to_it() {
        let all = Confinement::FILES
            .with(Confinement::NETWORK)
            .with(Confinement::PROCESSES)
            .with(Confinement::CALLS);
        assert_eq!(gaps(all), None);
        assert_eq!(gaps(Confinement::FILES.with(Confinement::CALLS)), None);
        assert_eq!(gaps(Confinement::CALLS).unwrap(), "files of others (Landlock)");
        let without_calls = gaps(Confinement::FILES).unwrap();
        for word in ["seccomp", "network", "signals"] {
            assert!(without_calls.contains(word), "{without_calls}");
        }
        assert_eq!(gaps(Confinement::default()).unwrap().split(", ").count(), 4);
    }
}
