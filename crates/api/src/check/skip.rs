//! What has to hold within what is left out.

use super::{Checker, check_word};
use crate::{Config, ScanPolicy, SkipRule};
use std::collections::BTreeMap;

/// Checks the entries of one policy.
pub(super) fn check(skips: &[SkipRule], here: &mut Checker<'_>) {
    here.count("skip", skips.len(), 0, Config::MAX_SKIPS);
    let mut names = BTreeMap::new();
    for (index, skip) in skips.iter().enumerate().take(Config::MAX_SKIPS) {
        let mut here = here.at(&format!("skip[{index}]"));
        check_word(&mut here, "name", &skip.name);
        if let Some(first) = names.get(skip.name.as_str()) {
            here.report("name", format!("\"{}\" is already taken by skip[{first}]", skip.name));
        } else {
            names.insert(skip.name.as_str(), index);
        }
        if skip.when.is_empty() {
            here.report(
                "when",
                "would leave everything out; name a condition, or write `scan: none` at a service",
            );
        }
        skip.when.check(&mut here.at("when"));
    }
}

/// Each has a series in metrics.
pub(super) fn check_count(policies: &[ScanPolicy], root: &mut Checker<'_>) {
    let count: usize = policies.iter().map(|policy| policy.skip.len()).sum();
    if count > Config::MAX_SKIPS {
        let most = Config::MAX_SKIPS;
        root.report("policies", format!("have {count} entries of `skip` together; allowed are {most}"));
    }
}

// === impl Config ===

impl Config {
    /// Where previews are too short to tell types.
    pub(super) fn advise_previews(&self, root: &mut Checker<'_>) {
        /// What icapstan-sniff wants of a longer body.
        const ENOUGH: u32 = 512;
        for (index, service) in self.services.iter().enumerate().take(Self::MAX_ENTRIES) {
            let asks = |skip: &SkipRule| !skip.when.types.is_empty();
            let is_asked = self.policy(&service.policy).is_some_and(|policy| policy.skip.iter().any(asks));
            let preview = service.preview.bytes().unwrap_or(0);
            if is_asked && service.scan.content() && preview < ENOUGH {
                let message = format!(
                    "{preview} bytes are too few to tell types, and policy \"{}\" leaves some out: they are told \
                     when the whole body is there; ask for {ENOUGH} or more",
                    service.policy
                );
                root.report(&format!("services[{index}].preview"), message);
            }
        }
    }
}
