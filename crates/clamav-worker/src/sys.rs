//! The system calls of the zygote and of a fresh worker.

#![allow(unsafe_code, reason = "process control is only to be had from libc")]

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, IntoRawFd as _, OwnedFd, RawFd};
use std::time::Duration;

/// Above all descriptors that have a meaning.
const HIGH: RawFd = 64;

/// Which side of a fork this is.
pub(crate) enum Fork {
    Child,
    Parent { pid: libc::pid_t },
}

/// How a child ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) pid: libc::pid_t,
    status: libc::c_int,
}

/// What of two descriptors has something to say.
pub(crate) struct Woken {
    pub(crate) first: bool,
    pub(crate) second: bool,
}

// === impl Ended ===

impl Ended {
    /// Whether the end is worth a line in the log. `SIGKILL` is not: it is how the supervisor ends a
    /// worker, and it knows.
    pub(crate) fn fault(self) -> Option<String> {
        if libc::WIFSIGNALED(self.status) {
            let signal = libc::WTERMSIG(self.status);
            return (signal != libc::SIGKILL).then(|| format!("signal {signal}"));
        }
        let code = libc::WEXITSTATUS(self.status);
        (code != 0).then(|| format!("exit code {code}"))
    }

    /// The signal that ended it; 0 if none did.
    pub(crate) fn signal(self) -> u32 {
        if libc::WIFSIGNALED(self.status) { libc::WTERMSIG(self.status).unsigned_abs() } else { 0 }
    }
}

/// The kernel kills this process when the thread that started it ends.
pub(crate) fn die_with_parent() -> io::Result<()> {
    // SAFETY: takes integers only.
    check(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) }).map(drop)
}

pub(crate) fn parent_pid() -> libc::pid_t {
    // SAFETY: no arguments, cannot fail.
    unsafe { libc::getppid() }
}

/// Neither this process nor what it starts can gain rights by running a program.
pub(crate) fn no_new_privileges() -> io::Result<()> {
    // SAFETY: takes integers only.
    check(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }).map(drop)
}

pub(crate) fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: takes integers only.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)
}

/// Both the soft and the hard limit.
pub(crate) fn set_limit(resource: libc::__rlimit_resource_t, value: u64) -> io::Result<()> {
    let limit = libc::rlimit { rlim_cur: value, rlim_max: value };
    // SAFETY: the limit is alive during the call.
    check(unsafe { libc::setrlimit(resource, &raw const limit) }).map(drop)
}

/// Bytes of address space in use.
pub(crate) fn address_space() -> io::Result<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm")?;
    let pages: Option<u64> = statm.split(' ').next().and_then(|pages| pages.parse().ok());
    // SAFETY: takes an integer only.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok();
    pages
        .zip(page)
        .and_then(|(pages, page)| pages.checked_mul(page))
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/statm is not understood"))
}

/// What the processor has spent on this thread.
pub(crate) fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the value is alive during the call.
    unsafe {
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time);
    }
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Gives memory that is not in use back to the system. The C library keeps what lies below anything that
/// is still in use.
pub(crate) fn trim_heap() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes an integer only; there is one thread.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// From now on this process, and each that it forks, goes on when its group is told to stop: a
/// terminal and a service manager tell all processes at once, and a supervisor that stops with grace
/// still waits for the scans under way. A closed socket and `SIGKILL` end it.
pub(crate) fn ignore_stop_signals() -> io::Result<()> {
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: takes a number and a constant; nothing runs when the signal comes.
        if unsafe { libc::signal(signal, libc::SIG_IGN) } == libc::SIG_ERR {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Whether the descriptor is a sequenced-packet Unix socket.
pub(crate) fn is_packet_socket(fd: RawFd) -> bool {
    let option = |name| {
        let mut value: libc::c_int = 0;
        let mut size = libc::socklen_t::try_from(size_of::<libc::c_int>()).unwrap_or(4);
        // SAFETY: value and size are alive and of the size that is told.
        let done =
            unsafe { libc::getsockopt(fd, libc::SOL_SOCKET, name, (&raw mut value).cast(), &raw mut size) };
        (done == 0).then_some(value)
    };
    option(libc::SO_DOMAIN) == Some(libc::AF_UNIX) && option(libc::SO_TYPE) == Some(libc::SOCK_SEQPACKET)
}

/// Takes over a descriptor that the starter of this program left open.
pub(crate) fn adopt(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: takes integers only; fails if the descriptor is not open.
    check(unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) })?;
    // SAFETY: it is open, and each descriptor is adopted once, at the start.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Standard input and output lead nowhere from now on. They stay open, so that no file that
/// libclamav opens gets their numbers.
pub(crate) fn null_stdio() -> io::Result<()> {
    let null = std::fs::OpenOptions::new().read(true).write(true).open("/dev/null")?;
    for fd in [libc::STDIN_FILENO, libc::STDOUT_FILENO] {
        // SAFETY: takes integers only.
        check(unsafe { libc::dup2(null.as_raw_fd(), fd) })?;
    }
    Ok(())
}

/// Standard error leads nowhere from now on: the C library prints there what an object makes it
/// print. What is returned leads to where it led.
pub(crate) fn null_stderr() -> io::Result<OwnedFd> {
    let null = std::fs::OpenOptions::new().write(true).open("/dev/null")?;
    // SAFETY: takes integers only; a new descriptor is nobody else's.
    let kept =
        unsafe { OwnedFd::from_raw_fd(check(libc::fcntl(libc::STDERR_FILENO, libc::F_DUPFD_CLOEXEC, 3))?) };
    // SAFETY: takes integers only.
    check(unsafe { libc::dup2(null.as_raw_fd(), libc::STDERR_FILENO) })?;
    Ok(kept)
}

/// Gives the descriptors the numbers from 3 on and closes all above. Nothing else above 2 may be in
/// use any more, other than in values that are never dropped.
pub(crate) fn keep_only<const N: usize>(fds: [OwnedFd; N]) -> io::Result<[OwnedFd; N]> {
    // Out of the way first, so that none is overwritten while it is still needed.
    let mut high = [0; N];
    for (index, fd) in fds.into_iter().enumerate() {
        // SAFETY: takes integers only.
        high[index] = check(unsafe { libc::fcntl(fd.into_raw_fd(), libc::F_DUPFD_CLOEXEC, HIGH) })?;
    }
    let mut next = libc::STDERR_FILENO;
    for fd in high {
        next += 1;
        // SAFETY: takes integers only.
        check(unsafe { libc::dup3(fd, next, libc::O_CLOEXEC) })?;
    }
    // SAFETY: takes integers only. What is closed here belongs to values that the caller gave up.
    check(unsafe { libc::close_range(next.unsigned_abs() + 1, libc::c_uint::MAX, 0) })?;
    next = libc::STDERR_FILENO;
    Ok(high.map(|_| {
        next += 1;
        // SAFETY: dup3 made it above.
        unsafe { OwnedFd::from_raw_fd(next) }
    }))
}

/// Forks. Both sides go on with all memory as it was.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: this process has one thread, so the child may do all that the parent may.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        pid => Ok(Fork::Parent { pid }),
    }
}

/// A descriptor for a child that was not waited for yet, so the number cannot mean another process.
pub(crate) fn pidfd(pid: libc::pid_t) -> io::Result<OwnedFd> {
    // SAFETY: takes integers only.
    let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
    let fd = check(RawFd::try_from(fd).unwrap_or(-1))?;
    // SAFETY: the kernel made it just now.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Kills a child that was not waited for yet.
pub(crate) fn kill(pid: libc::pid_t) {
    // SAFETY: takes integers only.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

/// The next child that ended, if one did.
pub(crate) fn reap() -> Option<Ended> {
    let mut status = 0;
    // SAFETY: the status is alive during the call.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    (pid > 0).then_some(Ended { pid, status })
}

/// A descriptor that can be read when a child ended.
pub(crate) fn child_signal() -> io::Result<OwnedFd> {
    let set = child_signal_set();
    // SAFETY: the set is alive during the calls; no old set is asked for.
    unsafe {
        check(libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()))?;
        let fd = check(libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK))?;
        Ok(OwnedFd::from_raw_fd(fd))
    }
}

/// Empties a descriptor of [`child_signal`].
pub(crate) fn drain(fd: BorrowedFd<'_>) {
    let mut buffer = [0_u8; size_of::<libc::signalfd_siginfo>()];
    // SAFETY: the buffer is alive and as long as is told.
    while unsafe { libc::read(fd.as_raw_fd(), buffer.as_mut_ptr().cast(), buffer.len()) } > 0 {}
}

/// Undoes the blocking of [`child_signal`], which a fork inherits.
pub(crate) fn unblock_child_signal() -> io::Result<()> {
    let set = child_signal_set();
    // SAFETY: the set is alive during the call; no old set is asked for.
    check(unsafe { libc::sigprocmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) }).map(drop)
}

/// Waits until one of two descriptors can be read or is closed at the other end.
pub(crate) fn wait(first: BorrowedFd<'_>, second: BorrowedFd<'_>) -> io::Result<Woken> {
    let poll = |fd: BorrowedFd<'_>| libc::pollfd { fd: fd.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut both = [poll(first), poll(second)];
    loop {
        // SAFETY: the array has two elements.
        match check(unsafe { libc::poll(both.as_mut_ptr(), 2, -1) }) {
            Ok(_) => return Ok(Woken { first: both[0].revents != 0, second: both[1].revents != 0 }),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Gives the C library's random numbers a start of their own. libclamav names its temporary files
/// by them, and a fork inherits where the parent's stood.
pub(crate) fn reseed() -> io::Result<()> {
    let mut seed = [0_u8; size_of::<libc::c_uint>()];
    // SAFETY: the buffer is alive and as long as is told.
    let count = unsafe { libc::getrandom(seed.as_mut_ptr().cast(), seed.len(), 0) };
    if usize::try_from(count).ok() != Some(seed.len()) {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: takes an integer only.
    unsafe { libc::srand(libc::c_uint::from_ne_bytes(seed)) };
    Ok(())
}

/// Whether a file can be made in the folder.
pub(crate) fn is_writable_dir(path: &CStr) -> bool {
    // SAFETY: the path is a string that ends with a zero byte.
    unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) == 0 }
}

fn child_signal_set() -> libc::sigset_t {
    // SAFETY: sigemptyset makes the set; the signal number is valid.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, libc::SIGCHLD);
        set
    }
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}
