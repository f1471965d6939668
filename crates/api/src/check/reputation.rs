//! What has to hold of the service that is asked about URLs.

use super::{Checker, HOUR};
use crate::{Config, ReputationEndpoint, ReputationSettings};
use std::time::Duration;

impl ReputationSettings {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        here.lasts("timeout", self.timeout, Duration::from_millis(10), Duration::from_secs(5));
        here.within("cacheEntries", self.cache_entries, 0, Config::MAX_REPUTATIONS);
        here.lasts("cacheTtl", self.cache_ttl, Duration::from_secs(1), 24 * HOUR);
        let endpoint = self.endpoint();
        match &self.url {
            Some(_) if endpoint.is_none() => here.report(
                "url",
                format!(
                    "is no URL of a service: http:// or https://, a host, and a path, without user and fragment, \
                     at most {} bytes; such as https://reputation.example/v1/url",
                    ReputationEndpoint::MAX_LEN
                ),
            ),
            None if self.required => here.report("required", "says nothing without `url`"),
            _ => {}
        }
        if let Some(file) = &self.ca_file {
            if !file.is_absolute() {
                here.report("caFile", "is not an absolute path");
            }
            if endpoint.is_none_or(|endpoint| !endpoint.is_secure) {
                here.report("caFile", "says nothing unless `url` begins with https://");
            }
        }
    }
}
