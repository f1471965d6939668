//! What has to hold of partial mode.

use super::Checker;
use crate::{ByteSize, Config, PartialSettings, ScanPolicy};
use std::time::Duration;

// === impl PartialSettings ===

impl PartialSettings {
    pub(super) fn check(&self, policy: &ScanPolicy, here: &mut Checker<'_>) {
        /// The reference product's range.
        const HOUR: Duration = Duration::from_hours(1);
        here.lasts("delay", self.delay, Duration::from_secs(1), HOUR);
        here.within("chunkSize", self.chunk_size, ByteSize::kib(1), ByteSize::mib(1));
        here.within("tail", self.tail, ByteSize::new(0), ByteSize::mib(16));
        here.count("exceptTypes", self.except_types.len(), 0, Config::MAX_CONDITIONS);
        let most = policy.scan.max_object_size;
        // Where the default is more, all of an object is kept back as its tail.
        let is_chosen = self.chunk_size != Self::default().chunk_size;
        if self.enabled && is_chosen && self.chunk_size.bytes().saturating_mul(4) > most.bytes() {
            let message = format!(
                "{} is more than a quarter of scan.maxObjectSize ({most}): most of an object would be out before its \
                 verdict",
                self.chunk_size
            );
            here.report("chunkSize", message);
        }
    }
}
