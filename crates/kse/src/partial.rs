//! What goes out before the verdict (`TransferBeforeScanEnding`).

use crate::blocked_urls;
use crate::document::Section;
use crate::draft::Draft;
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
    let values = names.map(|name| element.inner_value(name, &mut inner, draft));
    inner.finish(draft);
    // As an element of its own it may be switched on by a child; text decides, else the settings in it.
    let value = element.value();
    let on = if value.text.is_empty() {
        values.iter().any(Option::is_some)
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
    for (name, value) in names.into_iter().zip(values) {
        let Some(value) = value else { continue };
        if blocked_urls::import(name, &value, draft) {
            continue;
        }
        let Some(number) = value.number(draft) else { continue };
        if name == "Delay" {
            let seconds = value.within(draft, number, 1, 3600);
            draft.policy().partial.delay = Duration::from_secs(seconds);
            draft.write("policies[].partial.delay");
        } else {
            let kib = value.within(draft, number, 1, 1024);
            draft.policy().partial.chunk_size = ByteSize::kib(kib);
            draft.write("policies[].partial.chunkSize");
        }
    }
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
