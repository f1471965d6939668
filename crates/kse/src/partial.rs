//! What goes out before the verdict (`TransferBeforeScanEnding`).

use crate::document::Section;
use crate::draft::Draft;
use crate::values::Value;
use icapstan_api::ByteSize;
use std::time::Duration;

const ELEMENT: &str = "ICAPSettings/TransferBeforeScanEnding";

/// The element with its attributes, or with elements in their place.
pub(crate) fn import(section: &mut Section<'_>, draft: &mut Draft) {
    draft.write("policies[].partial.enabled");
    let Some(element) = section.take("TransferBeforeScanEnding", draft) else {
        draft.policy().partial.enabled = false;
        let message = "without it the reference sends nothing before the verdict, and so does the imported file; \
                       icapstan's default is `partial: {enabled: true}`";
        return draft.remark(ELEMENT, "", message);
    };
    let names =
        ["Delay", "ChunkSize", "BlockedUrlCacheEnabled", "BlockedUrlCacheKb", "BlockedUrlCacheTtlSec"];
    element.has_only_attributes(&names, draft);
    let mut inner = element.section();
    let [delay, chunk, cached, cache_size, cache_ttl] =
        names.map(|name| element.inner_value(name, &mut inner, draft));
    inner.finish(draft);
    // As an element of its own it may be switched on by a child; text decides, else the settings in it.
    let value = element.value();
    let on = if value.text.is_empty() {
        [&delay, &chunk, &cached, &cache_size, &cache_ttl].into_iter().any(Option::is_some)
    } else {
        value.switch(draft).unwrap_or(true)
    };
    draft.policy().partial.enabled = on;
    if !on {
        return;
    }
    let message = "downloads only: uploads wait for their verdict. Pages, scripts and the like are held back wholly \
                   (partial.exceptTypes), and of all else the last bytes (partial.tail)";
    draft.approximated(&value.path, &value.text, message);
    if let Some(number) = delay.and_then(|value| within(&value, 1..=3600, draft)) {
        draft.policy().partial.delay = Duration::from_secs(number);
        draft.write("policies[].partial.delay");
    }
    if let Some(number) = chunk.and_then(|value| within(&value, 1..=1024, draft)) {
        draft.policy().partial.chunk_size = ByteSize::kib(number);
        draft.write("policies[].partial.chunkSize");
    }
    for value in [cached, cache_size, cache_ttl].into_iter().flatten() {
        let message = "there is no setting for blocked URLs; those of downloads that were cut are remembered for 30 minutes";
        draft.dropped(&value.path, &value.text, message);
    }
}

/// The nearest number that the reference allows.
fn within(value: &Value, range: std::ops::RangeInclusive<u64>, draft: &mut Draft) -> Option<u64> {
    let number = value.number(draft)?;
    let (least, most) = range.into_inner();
    let bound = number.clamp(least, most);
    if bound != number {
        let message = format!("is not within {least} to {most}; {bound} is written");
        draft.approximated(&value.path, &value.text, message);
    }
    Some(bound)
}

/// icapstan wants chunks to be several times smaller than the largest object.
pub(crate) fn fit(draft: &mut Draft) {
    let policy = draft.policy();
    let most = ByteSize::new(policy.scan.max_object_size.bytes() / 4);
    let chunk = policy.partial.chunk_size;
    if !policy.partial.enabled || chunk <= most {
        return;
    }
    if most < ByteSize::kib(1) {
        policy.partial.enabled = false;
        let message = "objects of ScanMaxFileSize are too small for it; it is switched off";
        return draft.approximated(ELEMENT, "", message);
    }
    policy.partial.chunk_size = most;
    draft.write("policies[].partial.chunkSize");
    let message = format!("is more than a quarter of ScanMaxFileSize; {most} is written");
    draft.approximated(&format!("{ELEMENT}/@ChunkSize"), &chunk.to_string(), message);
}
