//! What the process may still do, whatever a container makes of it.
//!
//! ```text
//!  paths (Landlock): none; no network, no signals to others
//!  calls (seccomp):  what unpacking takes; opening by a name is refused, any other ends the process
//! ```
//!
//! What the kernel has is used without exception; what it lacks is done without.

mod calls;

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _, Scope,
};
use std::io;

/// Everything of this version is forbidden, as far as the kernel knows it.
const NEWEST: ABI = ABI::V10;

/// For the rest of this thread's life, which is the only one. Fails if anything that the kernel has cannot be had.
pub fn enter() -> io::Result<()> {
    enter_paths()?;
    // Behind all that needs more: afterwards there is no way to restrict oneself further.
    enter_calls()
}

/// From now on nothing can be opened by a path. What is open stays open.
pub fn enter_paths() -> io::Result<()> {
    // What the kernel lacks, all of it even, is left out by this.
    Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(NEWEST))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(NEWEST)))
        .and_then(|rules| rules.scope(Scope::from_all(NEWEST)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .map(drop)
        .map_err(io::Error::other)
}

/// From now on no other system calls are made than those that unpacking takes.
pub fn enter_calls() -> io::Result<()> {
    calls::enter()
}
