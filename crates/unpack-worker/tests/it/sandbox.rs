//! What a process that a container has taken over cannot do: each thing is tried by a process in the sandbox.

#![allow(unsafe_code, reason = "system calls that nothing safe makes")]
#![allow(clippy::exit, reason = "a program that was started again has nothing to go back to")]

use super::support::{again, role};
use icapstan_unpack_worker::sandbox;
use std::fs::File;
use std::io;
use std::net::{TcpStream, UdpSocket};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus, exit};
use std::sync::OnceLock;

/// It was done.
const DONE: i32 = 42;
/// It was refused.
const REFUSED: i32 = 43;

/// What is tried, by name. True if it was done.
type Attempt = (&'static str, fn() -> bool);

/// What ends the process.
const ATTEMPTS: &[Attempt] = &[
    ("start a program", || Command::new("/bin/true").status().is_ok()),
    ("become a program", || call(libc::SYS_execve, [0; 4]).is_ok()),
    ("become a program in memory", || call(libc::SYS_execveat, [0; 4]).is_ok()),
    ("make a process", || call(libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0]).is_ok()),
    ("make a thread", || std::thread::Builder::new().spawn(|| {}).is_ok()),
    ("connect", || TcpStream::connect("127.0.0.1:9").is_ok()),
    ("bind", || UdpSocket::bind("127.0.0.1:0").is_ok()),
    ("listen for others", || UnixListener::bind("/tmp/icapstan-never").is_ok()),
    ("make a pair of sockets", || UnixStream::pair().is_ok()),
    ("look into another process", || call(libc::SYS_ptrace, [16, parent(), 0, 0]).is_ok()),
    ("read another process", || call(libc::SYS_process_vm_readv, [parent(), 0, 0, 0]).is_ok()),
    ("write another process", || call(libc::SYS_process_vm_writev, [parent(), 0, 0, 0]).is_ok()),
    ("signal another process", || call(libc::SYS_kill, [parent(), 0, 0, 0]).is_ok()),
    ("signal a thread of another", || call(libc::SYS_tgkill, [parent(), parent(), 0, 0]).is_ok()),
    ("get hold of another process", || call(libc::SYS_pidfd_open, [parent(), 0, 0, 0]).is_ok()),
    ("take a descriptor of another", || call(libc::SYS_pidfd_getfd, [0; 4]).is_ok()),
    ("remove a file", || std::fs::remove_file("/tmp/icapstan-never").is_ok()),
    ("make a folder", || std::fs::create_dir("/tmp/icapstan-never-a-folder").is_ok()),
    ("rename", || std::fs::rename("/tmp/icapstan-never", "/tmp/icapstan-neither").is_ok()),
    ("change rights", || call(libc::SYS_fchmodat, [0; 4]).is_ok()),
    ("go elsewhere", || std::env::set_current_dir("/tmp").is_ok()),
    ("change its limits", || call(libc::SYS_prlimit64, [0, 0, 1, 0]).is_ok()),
    ("become somebody else", || call(libc::SYS_setuid, [0; 4]).is_ok()),
    ("make a namespace", || call(libc::SYS_unshare, [0; 4]).is_ok()),
    ("mount", || call(libc::SYS_mount, [0; 4]).is_ok()),
    ("load a program into the kernel", || call(libc::SYS_bpf, [0; 4]).is_ok()),
    ("make a ring", || call(libc::SYS_io_uring_setup, [0; 4]).is_ok()),
    ("catch page faults", || call(libc::SYS_userfaultfd, [0; 4]).is_ok()),
    ("type into a terminal", || call(libc::SYS_ioctl, [0, 0x5412, 0, 0]).is_ok()),
    ("have a signal sent", || call(libc::SYS_fcntl, [0, libc::F_SETOWN as usize, parent(), 0]).is_ok()),
    ("have memory with code", || {
        let code = (libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC) as usize;
        call(libc::SYS_mmap, [0, 4096, code, (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize]).is_ok()
    }),
    ("make memory code", || call(libc::SYS_mprotect, [0, 4096, libc::PROT_EXEC as usize, 0]).is_ok()),
    ("take its filter off", || call(libc::SYS_seccomp, [0; 4]).is_ok()),
    ("be another way", || call(libc::SYS_prctl, [0; 4]).is_ok()),
    ("make a call that does not exist", || call(100_000, [0; 4]).is_ok()),
];

const PATHLESS: &str = "open again what is open";

/// What is refused, and no more: the library does without.
const OPENINGS: &[Attempt] = &[
    ("list a folder", || std::fs::read_dir("/").is_ok()),
    ("read the system's files", || File::open("/etc/passwd").is_ok()),
    ("read what is everybody's", || File::open("/dev/null").is_ok()),
    ("look at itself", || File::open("/proc/self/maps").is_ok()),
    ("look at another process", || File::open(format!("/proc/{}/environ", parent())).is_ok()),
    ("write", || File::create("/tmp/icapstan-never").is_ok()),
    (PATHLESS, || File::options().write(true).open("/proc/self/fd/1").is_ok()),
];

/// The process that started this one, asked for before that is no longer allowed.
static PARENT: OnceLock<usize> = OnceLock::new();

fn parent() -> usize {
    *PARENT.get_or_init(|| usize::try_from(std::os::unix::process::parent_id()).unwrap())
}

fn call(number: i64, [first, second, third, fourth]: [usize; 4]) -> io::Result<i64> {
    // SAFETY: the pointers among the arguments are null, and the process ends right afterwards.
    let result = unsafe { libc::syscall(number, first, second, third, fourth, 0, 0) };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

#[test]
#[ignore = "is what the other tests start"]
fn as_an_intruder() {
    let Some(role) = role() else { return };
    parent();
    let (layer, what) = role.split_once(':').unwrap();
    match layer {
        "all" => sandbox::enter().unwrap(),
        "paths" => sandbox::enter_paths().unwrap(),
        _ => {}
    }
    let (_, attempt) = ATTEMPTS.iter().chain(OPENINGS).find(|(name, _)| *name == what).unwrap();
    exit(if attempt() { DONE } else { REFUSED });
}

fn tried(layer: &str, what: &str) -> ExitStatus {
    let output = again("sandbox::as_an_intruder", &format!("{layer}:{what}")).output().unwrap();
    output.status
}

#[test]
fn calls_that_unpacking_does_not_take_end_the_process() {
    for (what, _) in ATTEMPTS {
        let status = tried("all", what);
        assert_eq!(status.signal(), Some(libc::SIGSYS), "{what}: {status}");
    }
}

#[test]
fn nothing_is_opened_by_a_path() {
    for (what, _) in OPENINGS {
        assert_eq!(tried("all", what).code(), Some(REFUSED), "{what}");
        // Landlock alone does it, too, but for pipes and files in memory, which have no path.
        if *what != PATHLESS {
            assert_eq!(tried("paths", what).code(), Some(REFUSED), "{what}");
        }
    }
    assert_eq!(tried("paths", "make a folder").code(), Some(REFUSED));
}

#[test]
fn outside_of_the_sandbox_the_same_can_be_done() {
    for what in [
        "start a program",
        "make a thread",
        "bind",
        "list a folder",
        "signal another process",
        "have memory with code",
    ] {
        assert_eq!(tried("none", what).code(), Some(DONE), "{what}");
    }
    assert_eq!(tried("none", "make a folder").code(), Some(DONE));
    std::fs::remove_dir("/tmp/icapstan-never-a-folder").unwrap();
    for what in ["read the system's files", "look at itself", "read what is everybody's"] {
        assert_eq!(tried("none", what).code(), Some(DONE), "{what}");
    }
}
