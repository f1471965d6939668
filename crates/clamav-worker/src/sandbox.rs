//! What a worker may still do, whatever an object makes of it.
//!
//! ```text
//!  paths (Landlock): files beneath its own temporary folder; no network, no signals to others
//!  calls (seccomp):  the system calls that scanning takes; any other ends the process
//! ```
//!
//! libclamav calls many things clean that it failed to do, so nothing that it does need may fail here:
//! what it would look for on disk is loaded before ([`preload`](crate::preload)), and a call that is not
//! allowed for ends the worker instead of returning an error. Its death is a crash to the supervisor,
//! and never a verdict.
//!
//! What the kernel has is used without exception; what it lacks is told ([`offered`]).

mod calls;
mod paths;
#[cfg(test)]
mod tests;

use icapstan_clamav_wire::Confinement;
use std::ffi::CStr;
use std::io;

/// What the kernel has.
pub(crate) fn offered() -> Confinement {
    let calls = if calls::are_filtered() { Confinement::CALLS } else { Confinement::default() };
    paths::offered().with(calls)
}

/// For the rest of this process's life. Fails if anything of what is offered cannot be had.
pub(crate) fn enter(folder: &CStr) -> io::Result<()> {
    // In this order: afterwards there is no way to restrict oneself further.
    paths::enter(folder)?;
    if calls::are_filtered() { calls::enter() } else { Ok(()) }
}
