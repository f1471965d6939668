//! What scanners tell each other of objects that take workers.

use crate::{Findings, Sha256};
use std::fmt;

/// What is known of such an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PoisonMark {
    /// A worker died while it had it. Whether of it nobody knows.
    Suspect,
    /// It is not to be scanned again; this came of it.
    Poison {
        /// With the reason for which it is not. Never clean.
        findings: Findings,
        /// Of the object, if something was found beside.
        sha256: Option<Sha256>,
    },
    /// Suspected before, for nothing.
    Innocent,
}

/// Where scanners share what they remember of such objects. Nothing here waits for anybody.
pub trait PoisonShare: Send + Sync + fmt::Debug {
    /// What keys are to be made with, so that equal objects have equal keys in all processes.
    fn secret(&self) -> [u8; 32];

    /// Whether something is known of any object of `len` bytes: most need not be hashed.
    fn knows_length(&self, len: u64) -> bool;

    /// What others said last of the object with this key.
    fn recall(&self, key: &[u8; 32]) -> Option<PoisonMark>;

    /// Tells others what to make of the object with this key, which has `len` bytes.
    fn remember(&self, key: &[u8; 32], len: u64, mark: PoisonMark);
}
