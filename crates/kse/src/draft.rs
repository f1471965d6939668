//! A configuration that is being made.

use crate::note::{Notes, Severity};
use icapstan_api::{Config, ScanPolicy};
use std::collections::BTreeSet;
use std::path::PathBuf;

/// What has been decided so far, and what there is to say about it.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    pub(crate) config: Config,
    /// Fields that are to stand in the text even if they have their default.
    pub(crate) written: BTreeSet<&'static str>,
    pub(crate) notes: Notes,
    /// The folder of scripts.
    pub(crate) scripts: Option<PathBuf>,
}

// === impl Draft ===

impl Draft {
    /// The one policy that both services have.
    pub(crate) fn policy(&mut self) -> &mut ScanPolicy {
        if self.config.policies.is_empty() {
            self.config.policies.push(ScanPolicy::new(ScanPolicy::DEFAULT_NAME));
        }
        &mut self.config.policies[0]
    }

    /// Keeps the field in the text.
    pub(crate) fn write(&mut self, field: &'static str) {
        self.written.insert(field);
    }

    pub(crate) fn dropped(&mut self, element: &str, value: &str, message: impl Into<String>) {
        self.notes.add(Severity::Dropped, element, value, message);
    }

    pub(crate) fn approximated(&mut self, element: &str, value: &str, message: impl Into<String>) {
        self.notes.add(Severity::Approximated, element, value, message);
    }

    pub(crate) fn remark(&mut self, element: &str, value: &str, message: impl Into<String>) {
        self.notes.add(Severity::Remark, element, value, message);
    }
}
