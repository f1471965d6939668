//! System calls, by seccomp.
//!
//! Two filters, of which the stricter answer counts. One lets pass what unpacking takes and ends the process at
//! anything else. The other one answers `EACCES` to opening by a name: the standard library looks at files of the
//! system for what it can do without.

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};
use std::collections::BTreeMap;
use std::io;

type Rules = BTreeMap<i64, Vec<SeccompRule>>;

/// With any arguments.
const FREE: &[i64] = &[
    // Descriptors that are open, and files in memory.
    libc::SYS_read,
    libc::SYS_write,
    libc::SYS_readv,
    libc::SYS_writev,
    libc::SYS_pread64,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_close,
    libc::SYS_memfd_create,
    // Memory.
    libc::SYS_brk,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    // The socket.
    libc::SYS_recvmsg,
    libc::SYS_sendmsg,
    // Time, and what the process is.
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_futex,
    // Its own signals: how it crashes.
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

/// Answered with `EACCES`.
#[cfg(target_arch = "x86_64")]
const WITHOUT_RIGHTS: &[i64] = &[libc::SYS_openat, libc::SYS_open, libc::SYS_readlink, libc::SYS_readlinkat];

/// See above.
#[cfg(not(target_arch = "x86_64"))]
const WITHOUT_RIGHTS: &[i64] = &[libc::SYS_openat, libc::SYS_readlinkat];

/// Seals, flags, copies of descriptors.
const FCNTL: [i32; 6] = [
    libc::F_ADD_SEALS,
    libc::F_GET_SEALS,
    libc::F_GETFD,
    libc::F_SETFD,
    libc::F_GETFL,
    libc::F_DUPFD_CLOEXEC,
];

/// From now on no other calls are made. On processors that nobody wrote filters for, all are.
pub(super) fn enter() -> io::Result<()> {
    if TargetArch::try_from(std::env::consts::ARCH).is_err() {
        return Ok(());
    }
    for program in programs().map_err(io::Error::other)? {
        apply_filter(&program).map_err(io::Error::other)?;
    }
    Ok(())
}

/// In the order in which they are to be applied: the last one forbids to apply more.
fn programs() -> Result<[BpfProgram; 2], BackendError> {
    let plain = |call: &i64| (*call, Vec::new());
    let refused = WITHOUT_RIGHTS.iter().map(plain).collect();
    let mut rules: Rules = FREE.iter().chain(WITHOUT_RIGHTS).map(plain).collect();
    // Nothing that was written becomes a program.
    let exec = argument(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC.unsigned_abs().into()), 0)?;
    let no_code = SeccompRule::new(vec![exec])?;
    rules.insert(libc::SYS_mmap, vec![no_code.clone()]);
    rules.insert(libc::SYS_mprotect, vec![no_code]);
    rules.insert(libc::SYS_fcntl, one_of(1, &FCNTL)?);
    // Of descriptors. With a name besides it could tell of a file that there is one, and no more.
    let by_descriptor = argument(2, SeccompCmpOp::Eq, libc::AT_EMPTY_PATH.unsigned_abs().into())?;
    rules.insert(libc::SYS_statx, vec![SeccompRule::new(vec![by_descriptor])?]);
    // `abort`: only itself.
    let own = argument(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?;
    rules.insert(libc::SYS_tgkill, vec![SeccompRule::new(vec![own])?]);
    let refuse = SeccompAction::Errno(libc::EACCES.unsigned_abs());
    Ok([
        filter(refused, SeccompAction::Allow, refuse)?,
        filter(rules, SeccompAction::KillProcess, SeccompAction::Allow)?,
    ])
}

fn filter(rules: Rules, otherwise: SeccompAction, action: SeccompAction) -> Result<BpfProgram, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, otherwise, action, architecture)?.try_into()
}

/// A rule for each value of an argument of 32 bits.
fn one_of(index: u8, values: &[i32]) -> Result<Vec<SeccompRule>, BackendError> {
    let rule =
        |value: &i32| SeccompRule::new(vec![argument(index, SeccompCmpOp::Eq, value.unsigned_abs().into())?]);
    values.iter().map(rule).collect()
}

fn argument(index: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}
