//! Pure values that every part of icapstan shares: what a scan found, why something was not
//! scanned, which signatures decided, and the tag that tells clients so.
//!
//! Refuses to do: I/O, waiting, clocks, protocol bytes.
//!
//! ```text
//!  Object + ScanContext + Epoch ──ScanPort──▶ ScanReport { Findings, .. } ──policy──▶ answer
//! ```
//!
//! Invariants
//! 1. [`Findings`] is never empty, and holds [`Verdict::Clean`] only alone: "nothing was found
//!    out" cannot be mistaken for "nothing is wrong".
//! 2. Every verdict but clean, infected, phishing and macro carries a [`Reason`] of a closed set,
//!    so that headers, logs and metric labels can name it.
//! 3. A [`ThreatName`] holds printable ASCII only; it may go into headers, pages and logs.

mod digest;
mod epoch;
mod findings;
mod istag;
mod object;
mod poison;
mod port;
mod reason;
mod text;
mod threat;
mod trace;
mod verdict;

pub use digest::Sha256;
pub use epoch::{Epoch, GenerationId, SignatureSet};
pub use findings::Findings;
pub use istag::{IsTag, IsTagError, VERDICT_VERSION};
pub use object::{Content, HeuristicLevel, Mode, Object, ScanContext, ScanProfile, Unpack};
pub use poison::{PoisonMark, PoisonShare};
pub use port::{Load, Origin, Readiness, Refusal, ScanFuture, ScanPort, ScanReport};
pub use reason::{FailedReason, NonScannedReason, Reason};
pub use text::is_deceptive;
pub use threat::ThreatName;
pub use trace::{TraceContext, TraceParentError};
pub use verdict::{Verdict, VerdictKind};
