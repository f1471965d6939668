//! Drives the program as the supervisor does.

#![allow(unsafe_code, reason = "sockets with descriptors, memfds and pidfds")]

use icapstan_clamav_wire::{
    CONTROL_FD, Command, Confinement, Event, Limits, MAX_RECORD, Options, Reply, Request,
};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_icapstan-clamav-worker");
/// The harmless file inside all of clamav-testfiles.
const CLAM_EXE: &str = "aa15bcf478d165efd2065190eb473bcb:544:Clam\n";
/// Found anywhere by the test database.
pub(crate) const MARKER: &[u8] = b"ICAPSTAN-MARKER";
/// A wait for longer is a failure.
const PATIENCE_SECS: i64 = 60;
/// Of a worker beyond its engine.
pub(crate) const MEMORY: u64 = 512 << 20;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// A folder that is removed at the end.
pub(crate) struct Folder(PathBuf);

/// A zygote that is killed at the end.
pub(crate) struct Zygote {
    child: Child,
    control: Option<OwnedFd>,
    /// Once it is ready.
    pub(crate) confinement: Confinement,
}

/// A forked worker. It ends when this is dropped.
pub(crate) struct Worker {
    pub(crate) socket: OwnedFd,
    pub(crate) pidfd: OwnedFd,
    pub(crate) pid: u32,
    _temp: Folder,
}

/// The test file of the European Institute for Computer Anti-Virus Research, never whole in a file.
pub(crate) fn eicar() -> Vec<u8> {
    let halves = [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-STANDARD", "-ANTIVIRUS-TEST-FILE!$H+H*"];
    halves.concat().into_bytes()
}

/// Everything on, and wide limits.
pub(crate) fn request() -> Request {
    Request {
        id: 7,
        options: Options::PACKED
            .with(Options::ARCHIVES)
            .with(Options::MAIL)
            .with(Options::HEURISTICS)
            .with(Options::PHISHING)
            .with(Options::MACROS),
        limits: Limits {
            time_ms: 60_000,
            file_size: 100 << 20,
            scan_size: 400 << 20,
            files: 10_000,
            depth: 16,
        },
    }
}

/// A folder with the small test database.
pub(crate) fn database() -> Folder {
    let folder = Folder::new();
    folder.file("test.ndb", format!("Eicar:0:0:{}\nMarker:0:*:{}\n", hex(&eicar()), hex(MARKER)));
    folder.file("test.hdb", CLAM_EXE);
    folder
}

pub(crate) fn names(reply: &Reply) -> Vec<String> {
    reply.names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

// === impl Folder ===

impl Folder {
    pub(crate) fn new() -> Self {
        let name = format!("icapstan-worker-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) {
        fs::write(self.0.join(name), content).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

// === impl Zygote ===

impl Zygote {
    pub(crate) fn start(databases: &[&Path]) -> Self {
        Self::start_with(databases, &[])
    }

    /// With more words on the command line.
    pub(crate) fn start_with(databases: &[&Path], words: &[&str]) -> Self {
        let (ours, theirs) = pair();
        let mut command = std::process::Command::new(PROGRAM);
        command.arg("zygote").arg("--temp").arg(std::env::temp_dir()).args(["--nice", "1"]);
        for database in databases {
            command.arg("--database").arg(database);
        }
        command.args(words);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let fd = theirs.as_raw_fd();
        // SAFETY: the hook makes system calls only.
        unsafe { command.pre_exec(move || give(fd, CONTROL_FD)) };
        let child = command.spawn().unwrap();
        Self { child, control: Some(ours), confinement: Confinement::default() }
    }

    /// A zygote that has loaded the small test database.
    pub(crate) fn ready() -> (Self, Folder) {
        let database = database();
        let mut zygote = Self::start(&[database.path()]);
        match zygote.event().0 {
            Event::Ready { signatures: 3, engine, confinement, .. } if engine.starts_with(b"1.") => {
                zygote.confinement = confinement;
            }
            other => panic!("{other:?}"),
        }
        (zygote, database)
    }

    pub(crate) fn control(&self) -> &OwnedFd {
        self.control.as_ref().unwrap()
    }

    pub(crate) fn event(&self) -> (Event, Vec<OwnedFd>) {
        let (bytes, fds) = receive(self.control());
        (Event::decode(&bytes).unwrap(), fds)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(crate) fn fork(&self) -> Worker {
        let temp = Folder::new();
        let path = temp.path().to_owned();
        self.fork_at(temp, &path, MEMORY)
    }

    /// A worker whose temporary folder is elsewhere.
    pub(crate) fn fork_at(&self, temp: Folder, path: &Path, memory: u64) -> Worker {
        let (socket, theirs) = pair();
        let command = Command::Fork { temp_dir: path.as_os_str().as_bytes().to_vec(), memory };
        send(self.control(), &command.encode(), &[theirs.as_raw_fd()]);
        drop(theirs);
        let (event, mut fds) = self.event();
        let Event::Forked { pid } = event else { panic!("{event:?}") };
        assert_eq!(fds.len(), 1);
        Worker { socket, pidfd: fds.remove(0), pid, _temp: temp }
    }

    /// Closes the control socket and waits for the end.
    pub(crate) fn end(&mut self) -> ExitStatus {
        self.control = None;
        self.child.wait().unwrap()
    }

    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Zygote {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

// === impl Worker ===

impl Worker {
    pub(crate) fn scan(&self, object: &[u8]) -> Reply {
        self.scan_with(object, &request())
    }

    pub(crate) fn scan_with(&self, object: &[u8], request: &Request) -> Reply {
        self.submit(object, request);
        let (bytes, _) = receive(&self.socket);
        let reply = Reply::decode(&bytes).unwrap();
        assert_eq!(reply.id, request.id);
        reply
    }

    pub(crate) fn submit(&self, object: &[u8], request: &Request) {
        let object = sealed(object);
        send(&self.socket, &request.encode(), &[object.as_raw_fd()]);
    }

    pub(crate) fn kill(&self) {
        // SAFETY: takes integers and a null pointer.
        let result = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.pidfd.as_raw_fd(), libc::SIGKILL, 0, 0)
        };
        assert_eq!(result, 0, "{}", io::Error::last_os_error());
    }

    /// Whether the process ends before patience does.
    pub(crate) fn ends(&self) -> bool {
        ended(&self.pidfd)
    }
}

/// Sends a signal to a process of this test.
pub(crate) fn tell(pid: u32, signal: i32) {
    // SAFETY: takes integers only.
    let result = unsafe { libc::kill(pid.cast_signed(), signal) };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
}

/// Whether the process ends before patience does.
pub(crate) fn ended(pidfd: &OwnedFd) -> bool {
    let mut poll = libc::pollfd { fd: pidfd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    // SAFETY: one element.
    unsafe {
        uninterrupted(|| libc::poll(&raw mut poll, 1, 1000 * i32::try_from(PATIENCE_SECS).unwrap())) == 1
    }
}

/// A sequenced-packet pair whose ends never wait for ever.
pub(crate) fn pair() -> (OwnedFd, OwnedFd) {
    let mut fds = [0; 2];
    // SAFETY: room for two descriptors, which are new.
    let (ours, theirs) = unsafe {
        let kind = libc::SOCK_SEQPACKET | libc::SOCK_CLOEXEC;
        assert_eq!(libc::socketpair(libc::AF_UNIX, kind, 0, fds.as_mut_ptr()), 0);
        (OwnedFd::from_raw_fd(fds[0]), OwnedFd::from_raw_fd(fds[1]))
    };
    let patience = libc::timeval { tv_sec: PATIENCE_SECS, tv_usec: 0 };
    // SAFETY: the value is alive and of the size that is told.
    let result = unsafe {
        libc::setsockopt(
            ours.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_RCVTIMEO,
            (&raw const patience).cast(),
            u32::try_from(size_of_val(&patience)).unwrap(),
        )
    };
    assert_eq!(result, 0);
    (ours, theirs)
}

/// Makes a descriptor another number in a child that is about to become a program.
fn give(fd: RawFd, number: RawFd) -> io::Result<()> {
    // SAFETY: takes integers only.
    let result =
        unsafe { if fd == number { libc::fcntl(fd, libc::F_SETFD, 0) } else { libc::dup2(fd, number) } };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

pub(crate) fn send(socket: &OwnedFd, bytes: &[u8], fds: &[RawFd]) {
    let mut control = [0_u64; 8];
    let mut part = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    // SAFETY: the message points to one buffer and one area with room for eight descriptors.
    let sent = unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        if !fds.is_empty() {
            let size = u32::try_from(size_of_val(fds)).unwrap();
            message.msg_control = control.as_mut_ptr().cast();
            message.msg_controllen = libc::CMSG_SPACE(size) as usize;
            let header = libc::CMSG_FIRSTHDR(&raw const message);
            (*header).cmsg_level = libc::SOL_SOCKET;
            (*header).cmsg_type = libc::SCM_RIGHTS;
            (*header).cmsg_len = libc::CMSG_LEN(size) as usize;
            libc::CMSG_DATA(header).copy_from_nonoverlapping(fds.as_ptr().cast(), size_of_val(fds));
        }
        libc::sendmsg(socket.as_raw_fd(), &raw const message, libc::MSG_NOSIGNAL)
    };
    assert_eq!(usize::try_from(sent).ok(), Some(bytes.len()), "{}", io::Error::last_os_error());
}

/// The result of a system call, made again for as long as signals interrupt it: a test that is stopped and
/// continued meanwhile has lost nothing.
fn uninterrupted<T: PartialEq + From<i8>>(mut call: impl FnMut() -> T) -> T {
    loop {
        let result = call();
        if result != T::from(-1) || io::Error::last_os_error().kind() != io::ErrorKind::Interrupted {
            return result;
        }
    }
}

/// One packet; empty if the other end is closed.
pub(crate) fn receive(socket: &OwnedFd) -> (Vec<u8>, Vec<OwnedFd>) {
    let mut bytes = vec![0; MAX_RECORD];
    let mut control = [0_u64; 8];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    let mut fds = Vec::new();
    // SAFETY: the message points to one buffer and one area; descriptors that come are ours.
    unsafe {
        let mut message: libc::msghdr = std::mem::zeroed();
        message.msg_iov = &raw mut part;
        message.msg_iovlen = 1;
        message.msg_control = control.as_mut_ptr().cast();
        message.msg_controllen = size_of_val(&control);
        let count =
            uninterrupted(|| libc::recvmsg(socket.as_raw_fd(), &raw mut message, libc::MSG_CMSG_CLOEXEC));
        bytes.truncate(usize::try_from(count).unwrap_or_else(|_| panic!("{}", io::Error::last_os_error())));
        let header = libc::CMSG_FIRSTHDR(&raw const message);
        if !header.is_null() {
            let mut fd = [0; size_of::<RawFd>()];
            libc::CMSG_DATA(header).copy_to_nonoverlapping(fd.as_mut_ptr(), fd.len());
            fds.push(OwnedFd::from_raw_fd(RawFd::from_ne_bytes(fd)));
        }
    }
    (bytes, fds)
}

/// A memfd as the supervisor makes them: nobody can change it any more.
fn sealed(content: &[u8]) -> OwnedFd {
    use std::io::Write as _;
    // SAFETY: the name is a string; the descriptor is new.
    let fd = unsafe {
        let fd = libc::memfd_create(c"object".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING);
        assert!(fd >= 0);
        OwnedFd::from_raw_fd(fd)
    };
    let mut file = fs::File::from(fd);
    file.write_all(content).unwrap();
    let seals = libc::F_SEAL_SEAL | libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_WRITE;
    // SAFETY: takes integers only.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) }, 0);
    file.into()
}
