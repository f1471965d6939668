//! What a process in the sandbox can and cannot do, tried in children of the test.

#![allow(unsafe_code, reason = "forks, and system calls that nothing safe makes")]

use super::{calls, enter, offered, paths};
use icapstan_clamav_wire::Confinement;
use std::ffi::{CStr, CString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd as _, RawFd};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::symlink;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::ptr::null;
use std::sync::atomic::{AtomicU32, Ordering};

/// All went as it should in a child.
const DONE: i32 = 0;
const PANICKED: i32 = 101;

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Two folders that are removed at the end.
struct Place(PathBuf);

/// How a child ended.
#[derive(Debug, PartialEq, Eq)]
enum End {
    Code(i32),
    Signal(i32),
}

// === impl Place ===

impl Place {
    fn new() -> Self {
        let name =
            format!("icapstan-sandbox-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let place = Self(std::env::temp_dir().join(name));
        fs::create_dir_all(place.own()).unwrap();
        fs::create_dir_all(place.strange()).unwrap();
        place.furnish();
        place
    }

    /// The worker's.
    fn own(&self) -> PathBuf {
        self.0.join("own")
    }

    /// Puts what is in the folders, or put there again what was removed.
    fn furnish(&self) {
        let theirs = self.strange();
        fs::write(theirs.join("file"), "theirs").unwrap();
        let _ = fs::remove_file(theirs.join("new"));
        let _ = fs::remove_dir(theirs.join("folder"));
        let _ = fs::create_dir(theirs.join("empty"));
        let _ = symlink(theirs.join("file"), self.own().join("link"));
    }

    /// Somebody else's.
    fn strange(&self) -> PathBuf {
        self.0.join("strange")
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs `work` in a child that ends with what it gives.
fn in_child(work: impl FnOnce() -> i32) -> End {
    // SAFETY: the child makes plain calls of the standard library, whose only locks that others may hold
    // are those of the allocator, which the C library sees to; and it never returns.
    let pid = unsafe { libc::fork() };
    assert!(pid >= 0);
    if pid == 0 {
        let code = catch_unwind(AssertUnwindSafe(work)).unwrap_or(PANICKED);
        // SAFETY: ends the process at once.
        unsafe { libc::_exit(code) };
    }
    let mut status = 0;
    // SAFETY: the status is alive during the call; the child is ours alone.
    assert_eq!(unsafe { libc::waitpid(pid, &raw mut status, 0) }, pid);
    if libc::WIFSIGNALED(status) {
        End::Signal(libc::WTERMSIG(status))
    } else {
        End::Code(libc::WEXITSTATUS(status))
    }
}

/// Runs `work` in a child in the whole sandbox.
fn in_sandbox(place: &Place, work: impl FnOnce() -> i32) -> End {
    let own = c(&place.own());
    let null = File::options().write(true).open("/dev/null").unwrap();
    in_child(|| {
        // SAFETY: takes integers only.
        unsafe { libc::dup2(null.as_raw_fd(), libc::STDERR_FILENO) };
        enter(&own).unwrap();
        work()
    })
}

fn c(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).unwrap()
}

/// The error number of what was tried; [`DONE`] if it was done.
fn errno<T>(result: io::Result<T>) -> i32 {
    result.map_or_else(|error| error.raw_os_error().unwrap_or(PANICKED), |_| DONE)
}

fn errno_of(result: i64) -> i32 {
    if result < 0 { errno::<()>(Err(io::Error::last_os_error())) } else { DONE }
}

/// A call with integer arguments.
fn call(number: i64, arguments: [usize; 6]) -> i64 {
    let [first, second, third, fourth, fifth, sixth] = arguments;
    // SAFETY: made in a child whose memory nobody needs, with null pointers or none at all.
    unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) }
}

fn have(what: Confinement) -> bool {
    let has = offered().has(what);
    if !has {
        println!("SKIPPED: this kernel does not offer {what:?}");
    }
    has
}

#[test]
fn this_kernel_offers_what_the_other_tests_are_about() {
    // As for all tests that need what may not be there; the other ones skip what cannot be tried.
    let skipped = std::env::var("ICAPSTAN_SKIP").unwrap_or_default();
    if skipped.split(',').any(|word| word.trim() == "sandbox") {
        return println!("left out: ICAPSTAN_SKIP names sandbox");
    }
    assert!(offered().has(Confinement::FILES.with(Confinement::CALLS)), "{:?}", offered());
}

#[test]
fn all_that_libclamav_does_with_files_goes_in_the_own_folder() {
    let place = Place::new();
    let own = place.own();
    let end = in_sandbox(&place, || {
        let folder = own.join("clamav-1");
        fs::create_dir(&folder).unwrap();
        fs::write(folder.join("a"), "text").unwrap();
        fs::write(folder.join("a"), "shorter").unwrap();
        let mut file = OpenOptions::new().read(true).write(true).open(folder.join("a")).unwrap();
        file.set_len(3).unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!(text, "sho");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
        fs::remove_file(folder.join("a")).unwrap();
        fs::remove_dir(&folder).unwrap();
        DONE
    });
    assert_eq!(end, End::Code(DONE));
}

#[test]
fn nothing_outside_the_own_folder_is_opened_made_or_removed() {
    if !have(Confinement::FILES) {
        return;
    }
    let place = Place::new();
    let (own, theirs) = (place.own(), place.strange());
    let attempts: [(&str, &dyn Fn() -> i32); 12] = [
        ("read", &|| errno(File::open("/etc/passwd"))),
        ("read what is everybody's", &|| errno(File::open("/dev/null"))),
        ("look at another process", &|| errno(File::open("/proc/self/maps"))),
        ("list", &|| errno(fs::read_dir("/"))),
        ("read by a link", &|| errno(File::open(own.join("link")))),
        ("read by a detour", &|| errno(File::open(own.join("../strange/file")))),
        ("write", &|| errno(OpenOptions::new().write(true).open(theirs.join("file")))),
        ("empty", &|| errno(File::create(theirs.join("file")))),
        ("make", &|| errno(File::create(theirs.join("new")))),
        ("make a folder", &|| errno(fs::create_dir(theirs.join("folder")))),
        ("remove", &|| errno(fs::remove_file(theirs.join("file")))),
        ("remove a folder", &|| errno(fs::remove_dir(theirs.join("empty")))),
    ];
    for (what, attempt) in attempts {
        assert_eq!(in_child(attempt), End::Code(DONE), "{what}: it can be done outside the sandbox");
        place.furnish();
        assert_eq!(in_sandbox(&place, attempt), End::Code(libc::EACCES), "{what}");
    }
    assert_eq!(fs::read_to_string(theirs.join("file")).unwrap(), "theirs");
    assert_eq!(fs::read_dir(&theirs).unwrap().count(), 2);
}

#[test]
fn an_object_that_came_for_reading_cannot_be_opened_again_for_writing() {
    if !have(Confinement::FILES) {
        return;
    }
    let place = Place::new();
    let path = place.strange().join("object");
    fs::write(&path, "object").unwrap();
    let mut object = File::open(&path).unwrap();
    for unlinked in [false, true] {
        if unlinked {
            fs::remove_file(&path).unwrap();
        }
        let again = |fd: RawFd| errno(OpenOptions::new().write(true).open(format!("/proc/self/fd/{fd}")));
        let fd = object.as_raw_fd();
        assert_eq!(in_child(|| again(fd)), End::Code(DONE), "outside the sandbox it can be");
        assert_eq!(in_sandbox(&place, || again(fd)), End::Code(libc::EACCES));
    }
    let end = in_sandbox(&place, || {
        let mut text = String::new();
        object.read_to_string(&mut text).unwrap();
        assert_eq!(text, "object");
        errno(object.write_all(b"changed"))
    });
    assert_eq!(end, End::Code(libc::EBADF), "it can be read, and not written");
}

/// What is tried, by which call, with which arguments.
fn forbidden() -> Vec<(&'static str, i64, [usize; 6])> {
    let parent = std::process::id() as usize;
    let tcp = [libc::AF_INET as usize, libc::SOCK_STREAM as usize, 0, 0, 0, 0];
    let unix = [libc::AF_UNIX as usize, libc::SOCK_STREAM as usize, 0, 0, 0, 0];
    let on_parent = [parent, 0, 0, 0, 0, 0];
    let none = [0; 6];
    let mut forbidden: Vec<(&str, i64, [usize; 6])> = vec![
        ("a TCP socket", libc::SYS_socket, tcp),
        ("a Unix socket", libc::SYS_socket, unix),
        ("a pair of sockets", libc::SYS_socketpair, unix),
        ("connect", libc::SYS_connect, none),
        ("bind", libc::SYS_bind, none),
        ("sendto", libc::SYS_sendto, none),
        ("a process", libc::SYS_clone, [libc::SIGCHLD as usize, 0, 0, 0, 0, 0]),
        ("a thread", libc::SYS_clone, [(libc::CLONE_VM | libc::CLONE_THREAD) as usize, 0, 0, 0, 0, 0]),
        ("clone3", libc::SYS_clone3, none),
        ("a program", libc::SYS_execve, none),
        ("a program from memory", libc::SYS_execveat, none),
        ("a file in memory", libc::SYS_memfd_create, none),
        ("to look into another process", libc::SYS_ptrace, on_parent),
        ("to read another process", libc::SYS_process_vm_readv, on_parent),
        ("to write another process", libc::SYS_process_vm_writev, on_parent),
        ("to signal another process", libc::SYS_kill, on_parent),
        ("to signal a thread of another", libc::SYS_tgkill, [parent, parent, 0, 0, 0, 0]),
        ("to signal by thread", libc::SYS_tkill, on_parent),
        ("to queue a signal", libc::SYS_rt_sigqueueinfo, on_parent),
        ("a handle for another process", libc::SYS_pidfd_open, on_parent),
        ("a descriptor of another process", libc::SYS_pidfd_getfd, none),
        ("other limits", libc::SYS_prlimit64, [0, 0, 1, 0, 0, 0]),
        ("another priority", libc::SYS_setpriority, none),
        ("another user", libc::SYS_setuid, none),
        ("a capability", libc::SYS_capset, none),
        ("another namespace", libc::SYS_unshare, none),
        ("somebody's namespace", libc::SYS_setns, none),
        ("a mount", libc::SYS_mount, none),
        ("another root", libc::SYS_chroot, none),
        ("another folder", libc::SYS_chdir, none),
        ("a symbolic link", libc::SYS_symlinkat, none),
        ("a link", libc::SYS_linkat, none),
        ("another name", libc::SYS_renameat2, none),
        ("a device", libc::SYS_mknodat, none),
        ("another owner", libc::SYS_fchownat, none),
        ("other rights by descriptor", libc::SYS_fchmod, none),
        ("to cut by name", libc::SYS_truncate, none),
        ("other times", libc::SYS_utimensat, none),
        ("an attribute", libc::SYS_setxattr, none),
        ("to open by handle", libc::SYS_open_by_handle_at, none),
        (
            "to type into a terminal",
            libc::SYS_ioctl,
            [2, usize::try_from(libc::TIOCSTI).unwrap(), 0, 0, 0, 0],
        ),
        ("a signal by descriptor", libc::SYS_fcntl, [0, libc::F_SETOWN as usize, parent, 0, 0, 0]),
        ("a filter of its own", libc::SYS_seccomp, none),
        ("another way of being", libc::SYS_prctl, none),
        ("another personality", libc::SYS_personality, none),
        ("a program in the kernel", libc::SYS_bpf, none),
        ("a ring", libc::SYS_io_uring_setup, none),
        ("page faults", libc::SYS_userfaultfd, none),
        ("counters", libc::SYS_perf_event_open, none),
        ("keys", libc::SYS_keyctl, none),
        ("a key", libc::SYS_add_key, none),
        ("the clock", libc::SYS_clock_settime, none),
        ("a call that does not exist", 100_000, none),
    ];
    let code = (libc::PROT_READ | libc::PROT_EXEC) as usize;
    let anonymous = (libc::MAP_PRIVATE | libc::MAP_ANONYMOUS) as usize;
    forbidden.push(("memory with code", libc::SYS_mmap, [0, 4096, code, anonymous, usize::MAX, 0]));
    forbidden.push(("to make memory code", libc::SYS_mprotect, [0, 4096, code, 0, 0, 0]));
    #[cfg(target_arch = "x86_64")]
    forbidden.extend([
        ("fork", libc::SYS_fork, none),
        ("vfork", libc::SYS_vfork, none),
        ("link", libc::SYS_link, none),
        ("symlink", libc::SYS_symlink, none),
        ("rename", libc::SYS_rename, none),
        // With a null pointer as the new action nothing changes; the call is not made all the same.
        ("take the handler of SIGSYS away", libc::SYS_rt_sigaction, [libc::SIGSYS as usize, 0, 0, 8, 0, 0]),
        // Numbers of the 32-bit pointers' table name other calls.
        ("another table of calls", 0x4000_0000 + libc::SYS_getpid, none),
    ]);
    forbidden
}

#[test]
fn calls_that_scanning_does_not_take_end_the_process() {
    if !have(Confinement::CALLS) {
        return;
    }
    let place = Place::new();
    for (what, number, arguments) in forbidden() {
        let end = in_sandbox(&place, || {
            call(number, arguments);
            DONE
        });
        assert_eq!(end, End::Code(calls::FORBIDDEN_CALL), "{what}");
    }
}

#[test]
fn the_same_calls_go_with_arguments_that_do_no_harm() {
    let place = Place::new();
    let end = in_sandbox(&place, || {
        // SAFETY: memory that nobody else has.
        unsafe {
            let memory = libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
                -1,
                0,
            );
            assert_ne!(memory, libc::MAP_FAILED);
            assert_eq!(libc::mprotect(memory, 4096, libc::PROT_READ), 0);
        }
        assert_ne!(call(libc::SYS_fcntl, [1, libc::F_GETFL as usize, 0, 0, 0, 0]), -1);
        assert_eq!(call(libc::SYS_prlimit64, [0, libc::RLIMIT_AS as usize, 0, 0, 0, 0]), 0);
        DONE
    });
    assert_eq!(end, End::Code(DONE));
}

#[test]
fn a_forbidden_call_is_named_in_the_log() {
    if !have(Confinement::CALLS) {
        return;
    }
    let place = Place::new();
    let (mut log, theirs) = io::pipe().unwrap();
    let end = in_sandbox(&place, || {
        // SAFETY: takes integers only. Without a log of its own, standard error is it.
        unsafe { libc::dup2(theirs.as_raw_fd(), libc::STDERR_FILENO) };
        DONE
    });
    assert_eq!(end, End::Code(calls::FORBIDDEN_CALL), "dup2 is not allowed either");
    let end = in_child(|| {
        // SAFETY: as above.
        unsafe { libc::dup2(theirs.as_raw_fd(), libc::STDERR_FILENO) };
        calls::enter().unwrap();
        call(libc::SYS_socket, [0; 6]);
        DONE
    });
    assert_eq!(end, End::Code(calls::FORBIDDEN_CALL));
    drop(theirs);
    let mut text = String::new();
    log.read_to_string(&mut text).unwrap();
    assert!(text.contains(&format!("system call {} is not one", libc::SYS_socket)), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

#[test]
fn other_rights_on_files_are_refused_and_the_process_goes_on() {
    if !have(Confinement::CALLS) {
        return;
    }
    let place = Place::new();
    let file = c(&place.strange().join("file"));
    let chmod = |path: &CStr| {
        // SAFETY: a string that ends with a zero byte.
        errno_of(unsafe { libc::chmod(path.as_ptr(), 0o777) }.into())
    };
    assert_eq!(in_child(|| chmod(&file)), End::Code(DONE));
    assert_eq!(in_sandbox(&place, || chmod(&file)), End::Code(libc::EPERM));
}

#[test]
fn a_crash_looks_like_one() {
    let place = Place::new();
    assert_eq!(in_sandbox(&place, || std::process::abort()), End::Signal(libc::SIGABRT));
    let end = in_sandbox(&place, || {
        // SAFETY: nobody needs what is read, and it is never there.
        unsafe { null::<i32>().wrapping_add(4).read_volatile() }
    });
    assert_eq!(end, End::Signal(libc::SIGSEGV));
}

/// Also where system calls are not filtered.
#[test]
fn landlock_alone_keeps_from_the_network_and_from_other_processes() {
    let place = Place::new();
    let own = c(&place.own());
    let only_paths = |work: &dyn Fn() -> i32| {
        in_child(|| {
            paths::enter(&own).unwrap();
            work()
        })
    };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let connect = || errno(TcpStream::connect(address));
    let bind = || errno(TcpListener::bind("127.0.0.1:0"));
    assert_eq!((in_child(connect), in_child(bind)), (End::Code(DONE), End::Code(DONE)));
    if have(Confinement::NETWORK) {
        assert_eq!(only_paths(&connect), End::Code(libc::EACCES));
        assert_eq!(only_paths(&bind), End::Code(libc::EACCES));
    }
    let parent = std::process::id().cast_signed();
    // SAFETY: takes integers only; the signal is none.
    let signal = || errno_of(unsafe { libc::kill(parent, 0) }.into());
    let name = format!("icapstan-sandbox-{parent}");
    let abstract_name = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
    let _listener = UnixListener::bind_addr(&abstract_name).unwrap();
    let reach = || errno(UnixStream::connect_addr(&abstract_name));
    assert_eq!((in_child(signal), in_child(reach)), (End::Code(DONE), End::Code(DONE)));
    if have(Confinement::PROCESSES) {
        assert_eq!(only_paths(&signal), End::Code(libc::EPERM));
        assert_eq!(only_paths(&reach), End::Code(libc::EPERM));
    }
}

#[test]
fn without_its_folder_nobody_enters() {
    let place = Place::new();
    let attempt = |path: PathBuf| in_child(move || errno(enter(&c(&path))));
    assert_eq!(attempt(place.own().join("gone")), End::Code(libc::ENOENT));
    assert_eq!(attempt(place.strange().join("file")), End::Code(libc::ENOTDIR));
    symlink(place.strange(), place.own().join("folder")).unwrap();
    assert_eq!(attempt(place.own().join("folder")), End::Code(libc::ENOTDIR), "a link is not followed");
}
