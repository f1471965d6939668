//! One worker process and the exchange of records with it.

#![expect(unsafe_code, reason = "the reactor is told which descriptor to watch")]

use icapstan_clamav_wire::{FileDigests, Files, Reply, Request};
use parking_lot::Mutex;
use rustix::process::{Signal, pidfd_send_signal};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::metrics::Presence;
use crate::obituary::{Deceased, Obituary};
use crate::packet;
use crate::pool::DearTurn;
use crate::temp::{Room, WorkerFolder};
use crate::zygote::{self, Forked, Zygote};

/// How often the temporary files of a busy worker are looked at.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The kernel needs a few milliseconds to take down a large address space.
const END_TIMEOUT: Duration = Duration::from_secs(5);

/// A process that scans one object at a time. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) pid: u32,
    /// Where it came from; it cannot outlive that.
    pub(crate) zygote: Arc<Zygote>,
    /// Scans done.
    pub(crate) served: u64,
    /// When it was forked.
    pub(crate) born: Instant,
    /// When it last proved that it detects.
    pub(crate) proven: Instant,
    pub(crate) presence: Presence,
    pub(crate) folder: WorkerFolder,
    /// Set while a dear object has it, or has had it and another one is not yet in its place.
    pub(crate) dear: Option<DearTurn>,
    pidfd: OwnedFd,
    socket: AsyncFd<OwnedFd>,
    last_id: u64,
    inside: Mutex<Inside>,
}

/// What the worker tells of what lies inside of the object that it has.
#[derive(Debug, Default)]
struct Inside {
    files: Vec<FileDigests>,
    /// No object has more.
    most: usize,
}

/// How the wait for a reply ended.
#[derive(Debug)]
pub(crate) enum Answer {
    Reply(Reply),
    /// The process ended by itself.
    Died,
    /// What came is no reply to this request.
    Protocol,
    /// Its temporary files take more than its share.
    TempShare,
    /// It takes too long.
    Deadline,
}

// === impl Worker ===

impl Worker {
    /// To be called within a tokio runtime, whose reactor serves the socket from then on.
    pub(crate) fn new(
        forked: Forked,
        folder: WorkerFolder,
        zygote: Arc<Zygote>,
        presence: Presence,
    ) -> io::Result<Self> {
        // SAFETY: an `OwnedFd` names one open descriptor as long as it lives, and the `AsyncFd` owns it.
        let socket = unsafe { AsyncFd::register_with_interest(forked.socket, Interest::READABLE)? };
        Ok(Self {
            pid: forked.pid,
            zygote,
            served: 0,
            born: Instant::now(),
            proven: Instant::now(),
            presence,
            folder,
            dear: None,
            pidfd: forked.pidfd,
            socket,
            last_id: 0,
            inside: Mutex::default(),
        })
    }

    pub(crate) fn next_id(&mut self) -> u64 {
        self.last_id += 1;
        self.last_id
    }

    /// Hands over a file. Fails at once if the worker is gone.
    pub(crate) fn send(&self, file: BorrowedFd<'_>, request: &Request) -> io::Result<()> {
        let most = usize::try_from(request.limits.files).unwrap_or(usize::MAX);
        *self.inside.lock() = Inside { files: Vec::new(), most };
        packet::send(self.socket.as_fd(), &request.encode(), Some(file))
    }

    /// What lies inside of the last object, as far as the request asked for it.
    pub(crate) fn take_files(&self) -> Vec<FileDigests> {
        std::mem::take(&mut self.inside.lock().files)
    }

    /// Waits for the reply to the last request. Can be called again after it was dropped.
    pub(crate) async fn answer(&self, room: Room, deadline: Instant) -> Answer {
        tokio::select! {
            biased;
            answer = self.receive() => answer,
            () = self.outgrows(room) => Answer::TempShare,
            () = tokio::time::sleep_until(deadline.into()) => Answer::Deadline,
        }
    }

    async fn receive(&self) -> Answer {
        loop {
            let Ok(mut guard) = self.socket.readable().await else { return Answer::Protocol };
            match guard.try_io(|socket| packet::receive(socket.as_fd())) {
                Ok(received) => {
                    if let Some(answer) = self.decode(received) {
                        return answer;
                    }
                }
                Err(_would_block) => {}
            }
        }
    }

    async fn outgrows(&self, room: Room) {
        loop {
            tokio::time::sleep(LOOK_INTERVAL).await;
            let path = self.folder.path().to_owned();
            // If the runtime takes no more work, it is shutting down and the scan with it.
            if !tokio::task::spawn_blocking(move || room.holds(&path)).await.unwrap_or(false) {
                return;
            }
        }
    }

    /// Sends and waits in this thread.
    pub(crate) fn exchange_blocking(
        &mut self,
        file: BorrowedFd<'_>,
        request: &Request,
        deadline: Instant,
    ) -> io::Result<Reply> {
        self.send(file, request)?;
        loop {
            if !packet::wait_readable(self.socket.as_fd(), deadline)? {
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            return match self.decode(packet::receive(self.socket.as_fd())) {
                None => continue,
                Some(Answer::Reply(reply)) => Ok(reply),
                Some(Answer::Died) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
                Some(_) => Err(io::Error::from(io::ErrorKind::InvalidData)),
            };
        }
    }

    /// `None`: there is more to come.
    fn decode(&self, received: io::Result<Option<packet::Packet>>) -> Option<Answer> {
        let Ok(received) = received else { return Some(Answer::Protocol) };
        let Some(packet) = received else { return Some(Answer::Died) };
        if let Ok(files) = Files::decode(&packet.bytes) {
            return (files.id != self.last_id || !self.inside.lock().add(&files.files))
                .then_some(Answer::Protocol);
        }
        match Reply::decode(&packet.bytes) {
            Ok(reply) if reply.id == self.last_id => Some(Answer::Reply(reply)),
            _ => Some(Answer::Protocol),
        }
    }

    /// Whether the process is gone.
    pub(crate) fn has_ended(&self) -> bool {
        zygote::has_ended(&self.pidfd)
    }

    /// What is to be known of it after its end. `None` if there are no descriptors left.
    pub(crate) fn obituary(&self) -> Option<Obituary> {
        Some(Obituary {
            pid: self.pid,
            by: Deceased::Worker { pidfd: self.pidfd.try_clone().ok()?, zygote: self.zygote.clone() },
            age: self.born.elapsed(),
            served: self.served,
        })
    }

    /// Does not wait for the end.
    pub(crate) fn kill(&self) {
        // The only error is that it has ended already.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// Kills it and waits for its end. Nobody writes to its folder any more then.
    pub(crate) fn end(&self) {
        self.kill();
        if !packet::wait_readable(self.pidfd.as_fd(), Instant::now() + END_TIMEOUT).unwrap_or(false) {
            tracing::error!(pid = self.pid, "A killed worker has not ended.");
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

// === impl Inside ===

impl Inside {
    /// False if these are none, or more than there may be.
    fn add(&mut self, files: &[FileDigests]) -> bool {
        self.files.extend_from_slice(files);
        !files.is_empty() && self.files.len() <= self.most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_tells_of_more_files_than_there_may_be_is_not_believed() {
        let mut inside = Inside { files: Vec::new(), most: 3 };
        let file = FileDigests::default();
        assert!(inside.add(&[file, file]));
        assert!(inside.add(&[file]));
        assert!(!inside.add(&[file]));
        let mut inside = Inside { files: Vec::new(), most: 3 };
        assert!(!inside.add(&[]), "it could go on for ever");
    }
}
