//! What has to hold of remembered verdicts.

use super::{Checker, HOUR};
use crate::{ByteSize, Config, VerdictCache};
use std::time::Duration;

// === impl Config ===

impl Config {
    pub(super) fn check_verdict_cache(&self, root: &mut Checker<'_>) {
        let mut here = root.at("verdictCache");
        self.verdict_cache.check(&mut here);
        if self.verdict_cache.shared && self.scanner.clamd.is_some() {
            let message = "is not possible with scanner.clamd: what a clamd finds depends on its own settings, which \
                           nobody here knows";
            here.report("shared", message);
        }
    }
}

// === impl VerdictCache ===

impl VerdictCache {
    fn check(&self, here: &mut Checker<'_>) {
        here.within("maxSize", self.max_size, ByteSize::mib(1), ByteSize::gib(16));
        here.within("maxObjectSize", self.max_object_size, ByteSize::kib(1), Config::MAX_OBJECT);
        here.lasts("ttl", self.ttl, Duration::from_secs(1), 24 * HOUR);
        here.lasts("lookupTimeout", self.lookup_timeout, Duration::from_millis(1), Duration::from_secs(1));
    }
}
