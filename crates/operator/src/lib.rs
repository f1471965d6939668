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

mod endpoints;
mod hear;
mod lease;
mod roster;
mod round;
mod settings;
mod standing;

pub use endpoints::places;
pub use hear::Hearing;
pub use lease::{Candidate, LeaseSettings, Standing};
pub use roster::{Place, Roster};
pub use round::{Round, Seen};
pub use settings::{Assembled, MAX_OBJECTS, Outcome, Wanted};
pub use standing::{Progress, policy_status, service_status};
