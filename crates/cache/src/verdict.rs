//! What was found in objects: an equal one that comes later, or while the first is being scanned, is not
//! scanned again.
//!
//! ```text
//!  gateway ── scan ──▶ CachedPort ─ digest ─▶ Key ─▶ Memory ── hit ───────────────────────────▶ report
//!                                                      │ miss
//!                                                      ▼
//!                                                   Flights ── under way ──▶ wait ────────────▶ report
//!                                                      │ first              ▲ landed
//!                                                      ▼                    │
//!                                                    Pilot ── scan ──▶ scanner ── complete ──▶ Memory
//! ```
//!
//! Refuses to do: scanning, and what a verdict means for a message (policy).
//!
//! Invariants
//! 1. A verdict counts only for the same bytes that are read in the same way: all that a scan is told goes into
//!    the key, with the signatures and the version of the program.
//! 2. Only what is known for certain is remembered: complete scans of whole objects. What failed, was refused, or
//!    was left out in part is looked at anew.
//! 3. Whoever waits for the scan of another has an answer by its own deadline, whatever becomes of the other:
//!    what failed is tried once more, for each on its own.
//! 4. A scan goes on as long as somebody waits for it, and no longer.
//! 5. Bytes, scans that are shared, and the time for which a verdict counts are bounded.

mod content;
mod flights;
mod key;
mod memory;
mod metrics;
mod pilot;
mod port;

#[cfg(test)]
mod tests;

pub use metrics::VerdictMetrics;
pub use port::{CachedPort, CachedPortError};
