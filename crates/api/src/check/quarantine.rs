//! What has to hold of the place where infected objects are kept.

use super::{Checker, HOUR};
use crate::{ByteSize, Config, QuarantineFolder, QuarantineS3, QuarantineSettings, RuleVerdict};
use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

// === impl QuarantineSettings ===

impl QuarantineSettings {
    pub(super) fn check(&self, here: &mut Checker<'_>) {
        if let Some(folder) = &self.folder {
            folder.check(&mut here.at("folder"));
            if folder.max_size < self.max_object_size {
                let message = format!(
                    "{} is more than quarantine.folder.maxSize ({}): such an object could never be kept",
                    self.max_object_size, folder.max_size
                );
                here.report("maxObjectSize", message);
            }
        }
        if let Some(s3) = &self.s3 {
            s3.check(&mut here.at("s3"));
            if self.folder.is_some() {
                here.report("s3", "stands beside `folder`; name one place");
            }
        }
        match &self.recipient_file {
            None if self.is_on() => here.report(
                "recipientFile",
                "is missing: what is kept is encrypted for the holder of a key. Make one with \
                 `icapstan quarantine keygen`",
            ),
            Some(_) if !self.is_on() => here.report("recipientFile", "says nothing without `folder` or `s3`"),
            Some(file) => check_path(here, "recipientFile", file),
            None => {}
        }
        self.check_verdicts(here);
        here.within("maxObjectSize", self.max_object_size, ByteSize::kib(1), Config::MAX_OBJECT);
        here.within("queue", self.queue, 1, Self::MAX_QUEUE);
        here.within("queueSize", self.queue_size, ByteSize::kib(64), ByteSize::gib(64));
        if self.queue_size < self.max_object_size {
            let message = format!(
                "{} is more than quarantine.queueSize ({}): such an object could never be taken",
                self.max_object_size, self.queue_size
            );
            here.report("maxObjectSize", message);
        }
    }

    fn check_verdicts(&self, here: &mut Checker<'_>) {
        if self.verdicts.is_empty() {
            here.report("verdicts", "is empty; name DETECT, or leave out the place");
        }
        for (index, verdict) in self.verdicts.iter().enumerate().take(Config::MAX_CONDITIONS) {
            let is_kept = matches!(
                verdict,
                RuleVerdict::Detect | RuleVerdict::Phishing | RuleVerdict::Macro | RuleVerdict::Failed
            );
            if !is_kept {
                let message =
                    format!("{} is not kept; use DETECT, PHISHING, MACRO or FAILED", verdict.as_str());
                here.report(&format!("verdicts[{index}]"), message);
            }
        }
        if self.verdicts.len() != self.verdicts.iter().collect::<HashSet<_>>().len() {
            here.report("verdicts", "names a verdict twice");
        }
    }
}

// === impl QuarantineFolder ===

impl QuarantineFolder {
    fn check(&self, here: &mut Checker<'_>) {
        check_path(here, "path", &self.path);
        here.within("maxSize", self.max_size, ByteSize::mib(1), ByteSize::gib(65_536));
        here.within("maxObjects", self.max_objects, 1, 1_000_000);
        here.lasts("maxAge", self.max_age, Duration::from_mins(1), 87_600 * HOUR);
    }
}

// === impl QuarantineS3 ===

impl QuarantineS3 {
    fn check(&self, here: &mut Checker<'_>) {
        let endpoint = self.endpoint();
        match &endpoint {
            None => here.report(
                "endpoint",
                "is no URL of a store: http:// or https:// and a host, without user, path and query; such as \
                 https://s3.eu-central-1.amazonaws.com or http://minio:9000",
            ),
            Some(endpoint) if !self.path_style => self.check_host(here, &endpoint.host),
            Some(_) => {}
        }
        if !is_bucket(&self.bucket) {
            here.report(
                "bucket",
                "is no name of a bucket: 3 to 63 small letters, digits, `-` and `.`, of which the first and the last \
                 are letters or digits",
            );
        }
        if !is_prefix(&self.prefix) {
            let message = format!(
                "is at most {} letters, digits, `-`, `_`, `.` and `/`, such as icapstan/; without a part that is \
                 empty, `.` or `..`",
                Self::MAX_PREFIX
            );
            here.report("prefix", message);
        }
        let is_region = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
        if !(1..=64).contains(&self.region.len()) || !self.region.chars().all(is_region) {
            here.report("region", "is 1 to 64 letters, digits, `-` and `_`, such as eu-central-1");
        }
        check_path(here, "credentialsFile", &self.credentials_file);
        if let Some(file) = &self.ca_file {
            check_path(here, "caFile", file);
            if endpoint.is_none_or(|endpoint| !endpoint.is_secure) {
                here.report("caFile", "says nothing unless `endpoint` begins with https://");
            }
        }
        here.lasts("timeout", self.timeout, Duration::from_secs(1), Duration::from_mins(10));
        here.lasts("retryFor", self.retry_for, Duration::ZERO, HOUR);
    }

    /// Of a host whose name has the bucket in front.
    fn check_host(&self, here: &mut Checker<'_>, host: &str) {
        let own = &host[self.bucket.len() + 1..];
        if own.parse::<IpAddr>().is_ok() {
            here.report(
                "pathStyle",
                "has to be true: the host of `endpoint` is an address, which has no names below it",
            );
        } else if self.bucket.contains('.') && self.endpoint.starts_with("https:") {
            here.report("pathStyle", "has to be true: no certificate is for a bucket with a `.` in its name");
        }
    }
}

fn is_bucket(name: &str) -> bool {
    let is_end = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    (3..=63).contains(&name.len())
        && name.chars().all(|c| is_end(c) || matches!(c, '-' | '.'))
        && name.starts_with(is_end)
        && name.ends_with(is_end)
        && !name.contains("..")
}

/// What a path of a URL can have as it is, and no part that anybody resolves.
fn is_prefix(prefix: &str) -> bool {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '/');
    let folders = prefix.strip_suffix('/').unwrap_or(prefix);
    let is_part = |part: &str| !matches!(part, "" | "." | "..");
    prefix.len() <= QuarantineS3::MAX_PREFIX
        && prefix.chars().all(is_plain)
        && (prefix.is_empty() || folders.split('/').all(is_part))
}

fn check_path(here: &mut Checker<'_>, field: &str, path: &Path) {
    if !path.is_absolute() {
        here.report(field, "is not an absolute path");
    }
}
