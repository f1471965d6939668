//! The system calls that scanning takes.
//!
//! Found by watching workers scan several thousand files of hundreds of kinds, with signatures of every
//! kind, bytecode and hashes of pictures among them; with what other C libraries, newer kernels and
//! failing allocations bring besides. Nothing in the lists reaches another process, the network, or,
//! with Landlock, a file outside the worker's own folder.

/// With any arguments.
pub(super) const FREE: &[i64] = &[
    // Descriptors that are open.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_ftruncate,
    libc::SYS_dup,
    libc::SYS_close,
    // Files and folders, of which Landlock decides.
    libc::SYS_openat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_getcwd,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // Time, and what the process is.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_gettimeofday,
    libc::SYS_times,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    libc::SYS_uname,
    libc::SYS_sysinfo,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_futex,
    // Its own signals: how it crashes.
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    // The next object and the reply, on the only socket there is.
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// What the C library uses instead on x86-64, where these have been there from the start.
#[cfg(target_arch = "x86_64")]
pub(super) const FREE_OLD: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_rmdir,
    libc::SYS_unlink,
    libc::SYS_time,
];

/// Other architectures never had them.
#[cfg(not(target_arch = "x86_64"))]
pub(super) const FREE_OLD: &[i64] = &[];

/// Answered with `EPERM`: what libclamav calls and does not depend on.
#[cfg(target_arch = "x86_64")]
pub(super) const WITHOUT_RIGHTS: &[i64] = &[libc::SYS_chmod, libc::SYS_fchmodat];

/// See above.
#[cfg(not(target_arch = "x86_64"))]
pub(super) const WITHOUT_RIGHTS: &[i64] = &[libc::SYS_fchmodat];

/// What may be asked of descriptors and set on them.
pub(super) const FCNTL: [u64; 6] = [
    libc::F_GETFL as u64,
    libc::F_SETFL as u64,
    libc::F_GETFD as u64,
    libc::F_SETFD as u64,
    libc::F_DUPFD as u64,
    libc::F_DUPFD_CLOEXEC as u64,
];

/// What `isatty` asks, in one C library or another.
pub(super) const IOCTL: [u64; 2] = [libc::TCGETS, libc::TIOCGWINSZ];
