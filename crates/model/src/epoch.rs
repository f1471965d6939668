//! Which signatures decide, and what keeps them loaded.

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

/// The content of a signature set: BLAKE3 over its files' names and bytes. Equal content gives an
/// equal id on every machine.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct GenerationId(pub [u8; 32]);

/// What is known of a loaded signature set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureSet {
    /// Its content.
    pub id: GenerationId,
    /// How many signatures the engine loaded.
    pub count: u64,
    /// Only the built-in test signatures: this finds EICAR and no malware.
    pub test_only: bool,
    /// The engine and its version, such as `ClamAV 1.4.6`.
    pub engine: String,
    /// When they were made, as their makers say; else when the newest file changed.
    pub released: Option<SystemTime>,
}

/// What a transaction pins at its start: as long as an `Arc<Epoch>` lives, the signatures that it
/// names stay loaded where the scan port has them.
pub struct Epoch {
    /// The signatures.
    pub signatures: SignatureSet,
    hold: Option<Arc<dyn Any + Send + Sync>>,
}

// === impl GenerationId ===

impl fmt::Display for GenerationId {
    /// The first 16 hexadecimal digits: enough to tell generations apart in logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().take(8).try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// === impl Epoch ===

impl Epoch {
    /// `hold` is whatever the scan port needs to serve this epoch; it is dropped with the epoch.
    pub fn new(signatures: SignatureSet, hold: Option<Arc<dyn Any + Send + Sync>>) -> Self {
        Self { signatures, hold }
    }

    /// What the scan port put in, if it is a `T`.
    pub fn hold<T: Any>(&self) -> Option<&T> {
        self.hold.as_deref()?.downcast_ref()
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Epoch").field("signatures", &self.signatures).finish_non_exhaustive()
    }
}
