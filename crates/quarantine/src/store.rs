//! Where the thread writes to.

use crate::id::Id;
use crate::keeper::Record;
use crate::metrics::Failure;

/// A place, for who writes.
pub(crate) trait Store: Send {
    /// Writes one object and says how many bytes it takes.
    fn put(&mut self, id: &Id, record: &Record<'_>) -> Result<u64, Failed>;

    /// What is to be done now and then.
    fn tend(&mut self) -> Result<(), Failed>;
}

/// Why an object was not written.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) cause: Failure,
    pub(crate) error: String,
}
