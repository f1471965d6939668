//! Rolls signatures and policies out over a fleet, by custom resources.
//!
//! ```text
//!  Lease ─▶ Candidate ─▶ Standing: follows, or leads until a moment that no other can begin before
//! ```
//!
//! Refuses to do: the data path. What is to be done next is decided elsewhere, without sockets and clocks.
//!
//! Invariants
//! 1. Nothing is written by who does not lead, and each write is refused if somebody else wrote first.
//! 2. Nothing that the operator fails to do changes a verdict: without it everything stays as it is.

mod lease;
mod roster;
mod settings;

pub use lease::{Candidate, LeaseSettings, Standing};
pub use roster::{Place, Roster};
pub use settings::{Assembled, MAX_OBJECTS, Outcome, Wanted};
