//! Checks of YARA rules.

use super::Checker;
use crate::YaraSettings;
use std::time::Duration;

// === impl YaraSettings ===

impl YaraSettings {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        if self.path.as_ref().is_some_and(|folder| !folder.is_absolute()) {
            here.report("path", "is not an absolute path");
        }
        here.lasts("timeout", self.timeout, Duration::from_millis(10), Duration::from_mins(1));
    }
}
