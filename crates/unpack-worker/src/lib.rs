//! Takes containers apart that libclamav does not open, in a process that can do nothing else.
//!
//! ```text
//!  scanner ─ Open, sealed file ─▶ socket ─▶ Container::of ─▶ formats ─ bytes ─▶ Members ─ Member, sealed file ─▶ scanner
//!                                            (rar, zip, 7z, tar, ar, streams)  └─ Done, gaps ─▶
//! ```
//!
//! Decoders of archives are where scanners break: some of these are young, some are C. So they run here, and what
//! takes them over has one socket, memory and a bounded number of files in memory, and nothing else: no paths, no
//! network, no other process, no program to start.
//!
//! Refuses to do: engines, judgement, passwords, links, metadata. Containers inside of containers are the scanner's
//! matter, which sends them again.
//!
//! Invariants
//! 1. [`Handed::Done`](icapstan_unpack::Handed) without a gap says that each member was handed over wholly, and that
//!    its checksum was right where the format has one; and so were bytes behind its end, as one more.
//! 2. At most two members are in memory at once: one that the scanner has, one that is being unpacked.
//! 3. Nothing is written beyond the limits of the order. A member that reaches them is handed over as far as it goes.
//! 4. A panic of a decoder costs the rest of its container, and is a gap ([`Gap::Malformed`](icapstan_unpack::Gap)).
//! 5. A system call that unpacking does not take ends the process.

mod formats;
mod members;
mod process;
pub mod sandbox;
mod serve;
mod socket;
mod tail;

pub use process::{Start, run};
