//! Every kept input through its target, and that nothing is forgotten.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod programs;
mod replay;
