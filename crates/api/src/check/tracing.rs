//! What has to hold of the collector that traces go to.

use super::Checker;
use crate::TracingSettings;
use std::time::Duration;

/// The longest name of a service.
const MAX_NAME: usize = 64;

impl TracingSettings {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        let collector = self.collector();
        if self.endpoint.is_some() && collector.is_none() {
            here.report(
                "endpoint",
                "is no address of a collector: http:// or https://, a host and a port, without path, user, query and \
                 fragment; such as http://collector.example:4317",
            );
        }
        here.within("parentsPerSecond", self.parents_per_second, 0, 100_000);
        here.lasts("timeout", self.timeout, Duration::from_millis(100), Duration::from_mins(1));
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._/".contains(c);
        let name = &self.service_name;
        if name.is_empty() || name.len() > MAX_NAME || !name.chars().all(is_plain) {
            here.report(
                "serviceName",
                format!("is not 1 to {MAX_NAME} letters, digits and characters of \"-._/\""),
            );
        }
        for (field, file) in [("caFile", &self.ca_file), ("headersFile", &self.headers_file)] {
            let Some(file) = file else { continue };
            if !file.is_absolute() {
                here.report(field, "is not an absolute path");
            }
            if self.endpoint.is_none() {
                here.report(field, "says nothing without `endpoint`");
            }
        }
        if self.ca_file.is_some() && collector.is_some_and(|collector| !collector.is_secure) {
            here.report("caFile", "says nothing unless `endpoint` begins with https://");
        }
    }
}
