//! Checks of lists of files by their digests.

use super::{Checker, HOUR, check_word};
use crate::{Config, HashLists};
use std::collections::BTreeMap;
use std::time::Duration;

// === impl HashLists ===

impl HashLists {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        here.count("sources", self.sources.len(), 0, Config::MAX_CONDITIONS);
        if let Some(age) = self.max_age {
            here.lasts("maxAge", age, Duration::from_mins(1), 8760 * HOUR);
        }
        if self.file.is_some() && !self.sources.is_empty() {
            here.report("file", "stands beside `sources`; name one of the two");
        }
        let mut names = BTreeMap::new();
        for (index, source) in self.sources.iter().enumerate().take(Config::MAX_CONDITIONS) {
            let mut here = here.at(&format!("sources[{index}]"));
            check_word(&mut here, "name", &source.name);
            if let Some(first) = names.get(source.name.as_str()) {
                here.report("name", format!("\"{}\" is already taken by sources[{first}]", source.name));
            } else {
                names.insert(source.name.as_str(), index);
            }
        }
    }
}
