//! Rules that work, but probably not as intended: nothing ever meets them, or everything does.

use super::Checker;
use crate::{Config, MediaRange, ScanPolicy, SizeRange, SkipRule, UrlListKind, When};
use std::collections::BTreeSet;

// === impl Config ===

impl Config {
    /// Where conditions name what does not exist, and where a skip leaves everything out.
    pub(super) fn advise_conditions(&self, root: &mut Checker<'_>) {
        let categories = self.known_categories();
        for (index, policy) in self.policies.iter().enumerate().take(Self::MAX_ENTRIES) {
            let mut here = root.at(&format!("policies[{index}]"));
            for (index, rule) in policy.rules.iter().enumerate().take(Self::MAX_RULES) {
                let mut here = here.at(&format!("rules[{index}].when"));
                self.advise_services(policy, &rule.when, &mut here);
                advise_categories(categories.as_ref(), &rule.when, &mut here);
            }
            for (index, skip) in policy.skip.iter().enumerate().take(Self::MAX_SKIPS) {
                let mut here = here.at(&format!("skip[{index}].when"));
                self.advise_services(policy, &skip.when, &mut here);
                advise_categories(categories.as_ref(), &skip.when, &mut here);
                if leaves_everything_out(skip) {
                    here.report("", "every body meets this, so that nothing is scanned under this policy");
                }
            }
        }
    }

    /// Rules see the path of the service, not the alias that the client used.
    fn advise_services(&self, policy: &ScanPolicy, when: &When, here: &mut Checker<'_>) {
        for (index, path) in when.services.iter().enumerate().take(Self::MAX_CONDITIONS) {
            let field = format!("services[{index}]");
            match self.services.iter().find(|service| service.paths().any(|known| known == path)) {
                None => here.report(&field, format!("there is no service \"{path}\", so this never holds")),
                Some(service) if service.path != *path => {
                    let message =
                        format!("\"{path}\" is an alias; rules know the service as {}", service.path);
                    here.report(&field, message);
                }
                Some(service) if service.policy != policy.name => {
                    let message = format!(
                        "\"{path}\" has the policy \"{}\", not this one, so this never holds",
                        service.policy
                    );
                    here.report(&field, message);
                }
                Some(_) => {}
            }
        }
    }

    /// The categories that URLs can have; `None` where only a compiled file or a service knows them.
    fn known_categories(&self) -> Option<BTreeSet<&str>> {
        if self.url_lists.file.is_some() || self.reputation.url.is_some() {
            return None;
        }
        let lists = self.url_lists.sources.iter().filter(|source| source.kind == UrlListKind::Category);
        Some(lists.filter_map(|source| source.category.as_deref()).collect())
    }
}

fn advise_categories(known: Option<&BTreeSet<&str>>, when: &When, here: &mut Checker<'_>) {
    let Some(known) = known else { return };
    for (index, category) in when.categories.iter().enumerate().take(Config::MAX_CONDITIONS) {
        if !known.contains(category.as_str()) {
            let message =
                format!("no list of `urlLists` has the category \"{category}\", so this never holds");
            here.report(&format!("categories[{index}]"), message);
        }
    }
}

/// Whether its only condition is one that every body meets.
fn leaves_everything_out(skip: &SkipRule) -> bool {
    let When { types, size, .. } = &skip.when;
    let is_any_type = types.iter().any(|range: &MediaRange| range.as_str() == "*/*");
    let is_any_size =
        matches!(size, Some(SizeRange { min, max: None }) if min.is_none_or(|min| min.bytes() == 0));
    let rest = When {
        types: if is_any_type { Vec::new() } else { types.clone() },
        size: size.filter(|_| !is_any_size),
        ..skip.when.clone()
    };
    (is_any_type || is_any_size) && rest.is_empty()
}
