//! Where the thread writes to.

use crate::id::Id;
use crate::keeper::Record;
use crate::metrics::Failure;
use std::time::Duration;

/// A place, for who writes.
pub(crate) trait Store: Send {
    /// Writes one object and says how many bytes it takes.
    fn put(&mut self, id: &Id, record: &Record<'_>) -> Result<u64, Failed>;

    /// What is to be done now and then.
    fn tend(&mut self) -> Result<(), Failed> {
        Ok(())
    }

    /// How long an object is tried again that was not written for a reason that may pass.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}

/// Why an object was not written.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) cause: Failure,
    pub(crate) error: String,
    /// Whether another try may be worth it.
    pub(crate) may_pass: bool,
}
