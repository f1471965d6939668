//! What is known of an ICAP client besides its address.

use icapstan_icap_server::{Caller, CallerNames};
use std::sync::Arc;

/// Who sends requests: a proxy, not its user.
#[derive(Clone, Debug, Default)]
pub(crate) struct Client {
    certificate: Option<CallerNames>,
    user: Option<Arc<str>>,
}

// === impl Client ===

impl Client {
    pub(crate) fn of(caller: &Caller) -> Self {
        Self { certificate: caller.certificate.clone(), user: caller.user.clone() }
    }

    /// All names in its certificate.
    pub(crate) fn names(&self) -> &[Box<str>] {
        self.certificate.as_ref().map_or(&[], CallerNames::all)
    }

    /// The one for logs; empty without a certificate.
    pub(crate) fn certificate(&self) -> &str {
        self.certificate.as_ref().map_or("", CallerNames::first)
    }

    /// The name by which it authenticated; empty if it did not.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or_default()
    }
}
