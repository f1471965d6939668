//! The attributes of `TransferBeforeScanEnding` that are about URLs whose download was cut.

use crate::draft::Draft;
use crate::values::Value;
use icapstan_api::ByteSize;
use std::time::Duration;

/// A day.
const MOST_SECONDS: u64 = 24 * 3600;

/// Takes one of them over. False: it is another one.
pub(crate) fn import(name: &str, value: &Value, draft: &mut Draft) -> bool {
    match name {
        "BlockedUrlCacheEnabled" => {
            if let Some(on) = value.switch(draft) {
                draft.config.blocked_urls.enabled = on;
                draft.write("blockedUrls.enabled");
            }
        }
        "BlockedUrlCacheKb" => {
            if let Some(number) = value.number(draft) {
                // The bounds of `blockedUrls.maxSize`.
                let kib = value.within(draft, number, 64, 1 << 20);
                draft.config.blocked_urls.max_size = ByteSize::kib(kib);
                draft.write("blockedUrls.maxSize");
            }
        }
        "BlockedUrlCacheTtlSec" => {
            if let Some(number) = value.number(draft) {
                let seconds = value.within(draft, number, 1, MOST_SECONDS);
                draft.config.blocked_urls.ttl = Duration::from_secs(seconds);
                draft.write("blockedUrls.ttl");
            }
        }
        _ => return false,
    }
    true
}
