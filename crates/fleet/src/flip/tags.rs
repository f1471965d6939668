//! What answers are named after.

use icapstan_api::fleet::ContentDigest;
use icapstan_model::{GenerationId, IsTag};
use std::collections::BTreeMap;

/// The tag of each service, as a process of that verdict version would derive it by itself
/// ([`IsTag::derive`]), by the paths of services without slashes around them.
pub fn istags(
    revision: &ContentDigest,
    bases: &BTreeMap<String, [u8; 32]>,
    verdict_version: u32,
) -> BTreeMap<String, String> {
    let generation = GenerationId(revision.0);
    let tag = |service: &str, basis| {
        IsTag::derive_for(verdict_version, &generation, basis, service).as_str().to_owned()
    };
    bases.iter().map(|(service, basis)| (service.clone(), tag(service, basis))).collect()
}
