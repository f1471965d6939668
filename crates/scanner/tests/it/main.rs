//! The scanner with real worker processes and the real engine.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod confinement;
mod deaths;
mod faults;
mod generations;
mod harness;
mod log;
mod poison;
mod recovery;
mod temporary;
mod verdicts;
