//! What has to hold of remembered verdicts.

use super::{Checker, HOUR};
use crate::{ByteSize, Config, VerdictCache};
use std::time::Duration;

// === impl VerdictCache ===

impl VerdictCache {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        here.within("maxSize", self.max_size, ByteSize::mib(1), ByteSize::gib(16));
        here.within("maxObjectSize", self.max_object_size, ByteSize::kib(1), Config::MAX_OBJECT);
        here.lasts("ttl", self.ttl, Duration::from_secs(1), 24 * HOUR);
    }
}
