//! How new signatures and settings become those of a whole fleet.
//!
//! Refuses to do: I/O, waiting, clocks (each call is told the time), Kubernetes, fetching and verifying.

mod cohort;
mod condition;
mod event;
pub mod flip;
pub mod plan;
mod reason;
pub mod rollout;
mod scanner;
mod text;

pub use condition::{Condition, ConditionType, Status};
pub use event::{Event, EventType};
pub use reason::Reason;
pub use scanner::{Failure, Mirrored, Report, Scanner, Stage};
