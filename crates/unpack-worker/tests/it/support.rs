//! A worker process, which is this test's own program started again, and what tests ask of it.

#![allow(clippy::exit, reason = "a program that was started again has nothing to go back to")]

use icapstan_unpack::{Gap, Handed, MAX_RECORD, MemberLimits, Order};
use icapstan_unpack_worker::Start;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_get_seals, memfd_create};
use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair,
};
use std::fs::File;
use std::io::Write as _;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::process::{Child, Command, ExitCode, Stdio, exit};
use std::time::Duration;

pub(crate) const LIMITS: MemberLimits =
    MemberLimits { max_member: 10 << 20, max_total: 40 << 20, max_members: 100, time_ms: 20_000 };

/// What a test's program does instead of testing when it is started again.
const ROLE: &str = "ICAPSTAN_TEST_ROLE";

pub(crate) struct Worker {
    child: Child,
    socket: OwnedFd,
    id: u64,
}

/// What came out of a container.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) members: Vec<(String, Vec<u8>)>,
    pub(crate) gaps: Vec<Gap>,
}

/// The role of a program that was started again, and no test.
pub(crate) fn role() -> Option<String> {
    std::env::var(ROLE).ok()
}

/// This program again, which runs one test only, in that role.
pub(crate) fn again(test: &str, role: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]).env(ROLE, role);
    command
}

#[test]
#[ignore = "is what the other tests start"]
fn as_a_worker() {
    if role().as_deref() == Some("worker") {
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
        let ended = icapstan_unpack_worker::run(&Start { parent, memory: 1 << 30, nice: 0 });
        let is_success = format!("{ended:?}") == format!("{:?}", ExitCode::SUCCESS);
        exit(i32::from(!is_success));
    }
}

// === impl Worker ===

impl Worker {
    pub(crate) fn start() -> Self {
        let (socket, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let child = again("support::as_a_worker", "worker")
            .stdin(Stdio::from(theirs))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self { child, socket, id: 0 }
    }

    /// Closes the socket.
    pub(crate) fn hang_up(&mut self) {
        self.socket = File::open("/dev/null").unwrap().into();
    }

    pub(crate) fn has_answer_within(&self, time: Duration) -> bool {
        let time = Timespec::try_from(time).unwrap();
        poll(&mut [PollFd::new(&self.socket, PollFlags::IN)], Some(&time)).unwrap() > 0
    }

    pub(crate) fn child(&mut self) -> &mut Child {
        &mut self.child
    }

    /// All that comes out of a container.
    pub(crate) fn take(&mut self, container: &[u8], limits: MemberLimits) -> Taken {
        self.begin(container, limits);
        let mut taken = Taken::default();
        loop {
            match self.receive().expect("it lives") {
                (Handed::Member { id, len, name }, Some(file)) => {
                    assert_eq!(id, self.id);
                    taken.members.push((String::from_utf8_lossy(&name).into_owned(), content(file, len)));
                    self.send(&Order::More { id }, None);
                }
                (Handed::Done { id, gaps }, None) => {
                    assert_eq!(id, self.id);
                    taken.gaps = gaps.iter().collect();
                    return taken;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    pub(crate) fn begin(&mut self, container: &[u8], limits: MemberLimits) {
        let mut file = File::from(memfd_create("test", MemfdFlags::CLOEXEC).unwrap());
        file.write_all(container).unwrap();
        self.id += 1;
        self.send(&Order::Open { id: self.id, limits }, Some(&file.into()));
    }

    pub(crate) fn send(&self, order: &Order, file: Option<&OwnedFd>) {
        self.send_bytes(&order.encode(), file);
    }

    pub(crate) fn send_bytes(&self, bytes: &[u8], file: Option<&OwnedFd>) {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let files = file.map(|file| [file.as_fd()]);
        if let Some(files) = &files {
            assert!(control.push(SendAncillaryMessage::ScmRights(files)));
        }
        sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL).unwrap();
    }

    /// The next answer; `None` if the worker is gone.
    pub(crate) fn receive(&self) -> Option<(Handed, Option<OwnedFd>)> {
        let mut bytes = vec![0; MAX_RECORD];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received =
            recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)
                .ok()?;
        let file = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut files) => files.next(),
            _ => None,
        });
        bytes.truncate(received.bytes);
        (!bytes.is_empty()).then(|| (Handed::decode(&bytes).unwrap(), file))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn content(file: OwnedFd, len: u64) -> Vec<u8> {
    let seals = fcntl_get_seals(&file).unwrap();
    assert!(seals.contains(SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK), "{seals:?}");
    let file = File::from(file);
    assert_eq!(file.metadata().unwrap().len(), len);
    let mut bytes = vec![0; usize::try_from(len).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

/// Text that compresses, and differs for each seed.
pub(crate) fn text(len: usize, mut seed: u64) -> Vec<u8> {
    let mut text = Vec::with_capacity(len + 16);
    while text.len() < len {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.extend_from_slice(format!("{:x} word ", seed >> 50).as_bytes());
    }
    text.truncate(len);
    text
}
