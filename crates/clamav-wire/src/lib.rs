//! The records between icapstan and its libclamav worker.
//!
//! ```text
//!  icapstan ──control (SEQPACKET)──▶ zygote: loads one database generation, forks workers
//!  icapstan ──object  (SEQPACKET)──▶ worker: one Request + one file at a time, one Reply each;
//!                                     in front of it Files, if they are asked for
//! ```
//!
//! One record is one packet, in little-endian byte order. Both ends are built from the same source
//! tree and started together, so there is no version negotiation; each record carries [`MAGIC`] so
//! that a mix-up is an error and not a verdict.
//!
//! Refuses to do: I/O, system calls, judging. What the engine said is passed on in full; what that
//! means is decided in the scanner.

mod codec;
mod control;
mod files;
pub mod layers;
mod scan;

pub use codec::WireError;
pub use control::{Command, Confinement, Event};
pub use files::{FileDigests, Files};
pub use scan::{Limits, Options, Reply, ReplyFlags, Request};

/// First word of each record.
pub const MAGIC: u32 = 0x4943_5731; // "ICW1"

/// No record is longer, in bytes.
pub const MAX_RECORD: usize = 8192;

/// The descriptor of the control socket in the zygote.
pub const CONTROL_FD: i32 = 3;
