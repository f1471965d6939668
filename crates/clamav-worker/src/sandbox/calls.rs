//! System calls, by seccomp.
//!
//! Two filters, of which the stricter answer counts. One lets pass what scanning takes and stops the
//! rest with `SIGSYS`: the call is not made, a handler names it in the log, and the process ends. The
//! other one answers `EPERM` to `chmod`: libclamav calls it on folders that it is about to remove and
//! does not care, and on the files of others it would do harm, since Landlock does not see it.

#![allow(unsafe_code, reason = "a signal handler, and a call that libc has no function for")]

mod allowed;

use allowed::{FREE, FREE_OLD, WITHOUT_RIGHTS};
use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch, apply_filter,
};
use std::collections::BTreeMap;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd;

const SIGSYS: u64 = libc::SIGSYS.unsigned_abs() as u64;

/// What a worker ends with that makes a call it may not, as a shell would tell of `SIGSYS`.
pub(super) const FORBIDDEN_CALL: libc::c_int = 128 + libc::SIGSYS;

/// `siginfo_t` of `SIGSYS`, on systems of 64 bits.
#[repr(C)]
struct Caught {
    signal: libc::c_int,
    error: libc::c_int,
    code: libc::c_int,
    _padding: libc::c_int,
    address: *mut libc::c_void,
    call: libc::c_int,
    architecture: libc::c_uint,
}

/// Whether the kernel can do it, and this program for this kind of processor.
pub(super) fn are_filtered() -> bool {
    if TargetArch::try_from(std::env::consts::ARCH).is_err() {
        return false;
    }
    let action = libc::SECCOMP_RET_TRAP;
    // SAFETY: the action is alive during the call.
    let result =
        unsafe { libc::syscall(libc::SYS_seccomp, libc::SECCOMP_GET_ACTION_AVAIL, 0, &raw const action) };
    result == 0
}

/// From now on no other calls are made.
pub(super) fn enter() -> io::Result<()> {
    name_forbidden_calls()?;
    let programs = programs().map_err(io::Error::other)?;
    programs.iter().try_for_each(|program| apply_filter(program).map_err(io::Error::other))
}

/// In the order in which they are to be applied: the last one forbids to apply more.
fn programs() -> Result<[BpfProgram; 2], BackendError> {
    let without_rights = WITHOUT_RIGHTS.iter().map(|call| (*call, Vec::new())).collect();
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        FREE.iter().chain(FREE_OLD).chain(WITHOUT_RIGHTS).map(|call| (*call, Vec::new())).collect();
    rules.extend(conditional()?);
    let refuse = SeccompAction::Errno(libc::EPERM.unsigned_abs());
    let trap = SeccompAction::Trap;
    Ok([filter(without_rights, SeccompAction::Allow, refuse)?, filter(rules, trap, SeccompAction::Allow)?])
}

/// The calls that pass with some arguments only.
fn conditional() -> Result<Vec<(i64, Vec<SeccompRule>)>, BackendError> {
    let exec = argument(2, SeccompCmpOp::MaskedEq(libc::PROT_EXEC.unsigned_abs().into()), 0)?;
    let no_code = || SeccompRule::new(vec![exec.clone()]);
    let own = u64::from(std::process::id());
    Ok(vec![
        // Nothing that was written becomes a program.
        (libc::SYS_mmap, vec![no_code()?]),
        (libc::SYS_mprotect, vec![no_code()?]),
        // Neither signals by way of a descriptor nor anything else with effect on others.
        (libc::SYS_fcntl, one_of(1, &allowed::FCNTL)?),
        // Is this a terminal? Anything more could type into the operator's.
        (libc::SYS_ioctl, one_of(1, &allowed::IOCTL)?),
        // `abort` and what the C library does about damaged memory.
        (libc::SYS_tgkill, vec![SeccompRule::new(vec![argument(0, SeccompCmpOp::Eq, own)?])?]),
        // Whoever took the worker over may not take the handler away that ends it.
        (libc::SYS_rt_sigaction, vec![SeccompRule::new(vec![argument(0, SeccompCmpOp::Ne, SIGSYS)?])?]),
        // Limits are read, not set.
        (libc::SYS_prlimit64, vec![SeccompRule::new(vec![pointer(2, 0)?])?]),
    ])
}

fn filter(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    action: SeccompAction,
) -> Result<BpfProgram, BackendError> {
    let architecture = TargetArch::try_from(std::env::consts::ARCH)?;
    SeccompFilter::new(rules, otherwise, action, architecture)?.try_into()
}

/// A rule for each value of an argument of 32 bits.
fn one_of(index: u8, values: &[u64]) -> Result<Vec<SeccompRule>, BackendError> {
    values.iter().map(|value| SeccompRule::new(vec![argument(index, SeccompCmpOp::Eq, *value)?])).collect()
}

fn argument(index: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value)
}

fn pointer(index: u8, value: u64) -> Result<SeccompCondition, BackendError> {
    SeccompCondition::new(index, SeccompCmpArgLen::Qword, SeccompCmpOp::Eq, value)
}

/// Has the first forbidden call named in the log and the process ended.
fn name_forbidden_calls() -> io::Result<()> {
    // SAFETY: all-zero is a valid sigaction; the set is made; the handler has the type that SA_SIGINFO asks for.
    let result = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_flags = libc::SA_SIGINFO;
        action.sa_sigaction = on_forbidden as *const () as usize;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Interrupts anything, even an allocation: no lock, no allocation, no panic.
extern "C" fn on_forbidden(_: libc::c_int, caught: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes what it says about this signal, which has this layout.
    let call = unsafe { (*caught.cast::<Caught>()).call };
    let mut line = [0_u8; 160];
    let mut rest = &mut line[..];
    let pid = std::process::id();
    let _ = writeln!(
        rest,
        "icapstan-clamav-worker[{pid}]: system call {call} is not one that scanning takes; the worker ends"
    );
    let left = rest.len();
    let fd = crate::LOG.get().map_or(libc::STDERR_FILENO, AsRawFd::as_raw_fd);
    // SAFETY: the line is alive and of this length; the process ends here.
    unsafe {
        libc::write(fd, line.as_ptr().cast(), line.len() - left);
        libc::_exit(FORBIDDEN_CALL);
    }
}
