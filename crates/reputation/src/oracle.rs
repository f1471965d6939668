//! Who is asked.

use crate::{Answer, AskError, Question};
use std::future::Future;
use std::pin::Pin;

/// A lookup under way.
pub type Asking<'a> = Pin<Box<dyn Future<Output = Result<Answer, AskError>> + Send + 'a>>;

/// Knows something of URLs. Takes as long as it takes: whoever asks has deadlines, and drops what takes
/// too long.
pub trait Oracle: Send + Sync + 'static {
    /// Asks about one URL.
    fn ask<'a>(&'a self, question: &'a Question) -> Asking<'a>;
}
