//! What has to hold of objects that workers crash of.

use super::{Checker, HOUR};
use crate::{CrashReports, Poison};
use std::time::Duration;

// === impl Poison ===

impl Poison {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        here.lasts("ttl", self.ttl, Duration::from_secs(1), 24 * HOUR);
        here.within("entries", self.entries, 0, 1_000_000);
    }
}

// === impl CrashReports ===

impl CrashReports {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        if self.folder.as_ref().is_some_and(|folder| !folder.is_absolute()) {
            here.report("folder", "is not an absolute path");
        }
        here.within("files", self.files, 1, 10_000);
    }
}
