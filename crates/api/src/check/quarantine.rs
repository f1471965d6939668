//! What has to hold of the place where infected objects are kept.

use super::{Checker, HOUR};
use crate::{ByteSize, Config, QuarantineFolder, QuarantineSettings, RuleVerdict};
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

// === impl QuarantineSettings ===

impl QuarantineSettings {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        if let Some(folder) = &self.folder {
            folder.check(&mut here.at("folder"));
            if folder.max_size < self.max_object_size {
                let message = format!(
                    "{} is more than quarantine.folder.maxSize ({}): such an object could never be kept",
                    self.max_object_size, folder.max_size
                );
                here.report("maxObjectSize", message);
            }
        }
        match &self.recipient_file {
            None if self.is_on() => here.report(
                "recipientFile",
                "is missing: what is kept is encrypted for the holder of a key. Make one with \
                 `icapstan quarantine keygen`",
            ),
            Some(_) if !self.is_on() => here.report("recipientFile", "says nothing without `folder`"),
            Some(file) => check_path(here, "recipientFile", file),
            None => {}
        }
        self.check_verdicts(here);
        here.within("maxObjectSize", self.max_object_size, ByteSize::kib(1), Config::MAX_OBJECT);
        here.within("queue", self.queue, 1, Self::MAX_QUEUE);
        here.within("queueSize", self.queue_size, ByteSize::kib(64), ByteSize::gib(64));
        if self.queue_size < self.max_object_size {
            let message = format!(
                "{} is more than quarantine.queueSize ({}): such an object could never be taken",
                self.max_object_size, self.queue_size
            );
            here.report("maxObjectSize", message);
        }
    }

    fn check_verdicts(&self, here: &mut Checker<'_>) {
        if self.verdicts.is_empty() {
            here.report("verdicts", "is empty; name DETECT, or leave out `folder`");
        }
        for (index, verdict) in self.verdicts.iter().enumerate().take(Config::MAX_CONDITIONS) {
            let is_kept = matches!(
                verdict,
                RuleVerdict::Detect | RuleVerdict::Phishing | RuleVerdict::Macro | RuleVerdict::Failed
            );
            if !is_kept {
                let message =
                    format!("{} is not kept; use DETECT, PHISHING, MACRO or FAILED", verdict.as_str());
                here.report(&format!("verdicts[{index}]"), message);
            }
        }
        if self.verdicts.len() != self.verdicts.iter().collect::<HashSet<_>>().len() {
            here.report("verdicts", "names a verdict twice");
        }
    }
}

// === impl QuarantineFolder ===

impl QuarantineFolder {
    fn check(&self, here: &mut Checker<'_>) {
        check_path(here, "path", &self.path);
        here.within("maxSize", self.max_size, ByteSize::mib(1), ByteSize::gib(65_536));
        here.within("maxObjects", self.max_objects, 1, 1_000_000);
        here.lasts("maxAge", self.max_age, Duration::from_mins(1), 87_600 * HOUR);
    }
}

fn check_path(here: &mut Checker<'_>, field: &str, path: &Path) {
    if !path.is_absolute() {
        here.report(field, "is not an absolute path");
    }
}
