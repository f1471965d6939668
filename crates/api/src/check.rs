//! What has to hold between the fields of a configuration.

mod blocked_urls;
mod crash;
mod events;
mod following;
mod hash_lists;
mod headers;
mod hooks;
mod identity;
mod listeners;
mod overload;
mod partial;
mod policy;
mod policy_test;
mod quarantine;
mod reputation;
mod silent;
mod skip;
mod tiers;
mod tracing;
mod verdict_cache;
mod yara;

use crate::{
    ByteSize, Config, EventSettings, IcapService, KeepAlive, Limits, Preview, Problem, ScannerSettings,
    Sizing, SyslogPeer, Timeouts, UrlListKind, UrlLists, duration::format_duration, load::printable,
};
use std::collections::BTreeMap;
use std::fmt::Display;
use std::time::Duration;

const HOUR: Duration = Duration::from_hours(1);

/// Collects problems below one path.
struct Checker<'a> {
    path: String,
    problems: &'a mut Vec<Problem>,
}

// === impl Config ===

impl Config {
    /// The most services, and the most policies.
    pub const MAX_ENTRIES: usize = 64;
    /// The most rules of a policy.
    pub const MAX_RULES: usize = 4096;
    /// The most entries of `skip`, in all policies together.
    pub const MAX_SKIPS: usize = 256;
    /// The most tests of a policy.
    pub const MAX_TESTS: usize = 1000;
    /// The most entries of a list in a rule's conditions.
    pub const MAX_CONDITIONS: usize = 1024;
    /// The most aliases of a service.
    pub const MAX_ALIASES: usize = 16;
    /// The most answers about URLs that are remembered.
    pub const MAX_REPUTATIONS: u32 = 1_000_000;
    /// The most worker processes.
    pub const MAX_WORKERS: u32 = 512;
    /// The most processes that take containers apart.
    pub const MAX_UNPACK_WORKERS: u32 = 64;
    /// The largest object that the engine can scan: libclamav counts in 31 bits.
    pub const MAX_OBJECT: ByteSize = ByteSize::new((2 << 30) - 1);

    /// Everything that is wrong with the values. [`Config::parse`] has done this; it is to be done
    /// again after command line options were laid over a configuration.
    pub fn check(&self) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut root = Checker { path: String::new(), problems: &mut problems };
        self.check_listeners(&mut root);
        if self.signatures.as_ref().is_some_and(|folder| folder.as_os_str().is_empty()) {
            root.report("signatures", "names no folder");
        }
        if self.log.access.as_ref().is_some_and(|path| path.as_os_str() != "-" && !path.is_absolute()) {
            root.report("log.access", "neither an absolute path nor - for standard output");
        }
        if self.templates.folder.as_ref().is_some_and(|folder| !folder.is_absolute()) {
            root.report("templates.folder", "is not an absolute path");
        }
        self.check_services(&mut root);
        self.check_policies(&mut root);
        self.limits.check(&mut root.at("limits"));
        self.scanner.check(&mut root.at("scanner"));
        self.keep_alive.check(&mut root.at("keepAlive"));
        self.timeouts.check(&mut root.at("timeouts"));
        self.identity.check(&mut root.at("identity"));
        self.detection_headers.check(&mut root.at("detectionHeaders"));
        self.url_lists.check(&mut root.at("urlLists"));
        self.hash_lists.check(&mut root.at("hashLists"));
        self.reputation.check(&mut root.at("reputation"));
        self.check_blocked_urls(&mut root);
        self.check_verdict_cache(&mut root);
        EventSettings::check_into(&self.events, self.log.access.as_deref(), &mut root);
        self.check_hooks(&mut root);
        self.tracing.check(&mut root.at("tracing"));
        self.quarantine.check(&mut root.at("quarantine"));
        self.instance.check(&mut root.at("instance"));
        self.scanners.check(&mut root.at("scanners"));
        self.scan_server.check(&mut root.at("scanServer"));
        self.scaler.check(&mut root.at("scaler"));
        self.fleet.check(&mut root.at("fleet"));
        self.check_rule_headers(&mut root);
        if let Some(memory) = self.limits.memory {
            self.check_object_sizes(&mut root, "limits.memory", memory);
        }
        self.check_object_sizes(&mut root, "limits.spool", self.limits.spool);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// What works, but probably not as intended. For the log and for `check-config`.
    pub fn advice(&self, sizing: &Sizing) -> Vec<Problem> {
        let mut advice = Vec::new();
        let mut root = Checker { path: String::new(), problems: &mut advice };
        let shares = [
            ("verdictCache.shared", self.verdict_cache.enabled && self.verdict_cache.shared),
            ("scanner.poison.shared", self.scanner.poison.entries > 0 && self.scanner.poison.shared),
        ];
        for (field, _) in shares.iter().filter(|(_, is_shared)| *is_shared && !self.redis.is_set()) {
            root.report(field, "shares nothing: redis names no server");
        }
        let sessions = self.limits.sessions;
        if u64::from(sizing.queue_length) < 2 * u64::from(sessions) {
            root.report(
                "limits.queueLength",
                format!(
                    "{} is less than twice limits.sessions ({sessions}): when the queue is full, clients \
                     are refused although they hold a session",
                    sizing.queue_length
                ),
            );
        }
        if sizing.queue_length <= sizing.in_flight {
            root.report(
                "limits.queueLength",
                format!(
                    "{} is not more than scanner.inFlight ({}): the queue cannot keep the workers busy",
                    sizing.queue_length, sizing.in_flight
                ),
            );
        }
        if sessions <= sizing.in_flight {
            root.report(
                "limits.sessions",
                format!(
                    "{sessions} is not more than scanner.inFlight ({}): some workers will be idle for \
                     lack of clients",
                    sizing.in_flight
                ),
            );
        }
        for (index, policy) in self.policies.iter().enumerate().take(Self::MAX_ENTRIES) {
            let size = policy.scan.max_object_size;
            if size.bytes().saturating_mul(2) > sizing.memory.bytes() {
                root.report(
                    &format!("policies[{index}].scan.maxObjectSize"),
                    format!(
                        "{size} is more than half of limits.memory ({}): two such objects at the same \
                         time do not fit, and one of them is refused",
                        sizing.memory
                    ),
                );
            }
        }
        self.advise_conditions(&mut Checker { path: String::new(), problems: &mut advice });
        self.advise_previews(&mut Checker { path: String::new(), problems: &mut advice });
        advice
    }

    /// What is wrong with the values on a machine of which this was made. [`Config::sizing`] has done this.
    pub fn check_sizing(&self, sizing: &Sizing) -> Vec<Problem> {
        let mut problems = Vec::new();
        let mut root = Checker { path: String::new(), problems: &mut problems };
        self.check_object_sizes(&mut root, "limits.memory", sizing.memory);
        if sizing.in_flight < sizing.workers {
            let message = format!(
                "{} is less than scanner.workers ({}): some workers would never get an object",
                sizing.in_flight, sizing.workers
            );
            root.report("scanner.inFlight", message);
        }
        problems
    }

    fn check_object_sizes(&self, root: &mut Checker<'_>, limit: &str, most: ByteSize) {
        for (index, policy) in self.policies.iter().enumerate().take(Self::MAX_ENTRIES) {
            let size = policy.scan.max_object_size;
            if size > most {
                root.report(
                    &format!("policies[{index}].scan.maxObjectSize"),
                    format!("{size} is more than {limit} ({most}): such an object could never be taken in"),
                );
            }
        }
    }

    fn check_services(&self, root: &mut Checker<'_>) {
        root.count("services", self.services.len(), 1, Self::MAX_ENTRIES);
        let mut owners: BTreeMap<&str, String> = BTreeMap::new();
        for (index, service) in self.services.iter().enumerate().take(Self::MAX_ENTRIES) {
            let mut here = root.at(&format!("services[{index}]"));
            service.check(&mut here);
            if self.policy(&service.policy).is_none() {
                let known: Vec<_> = self.policies.iter().map(|policy| policy.name.as_str()).collect();
                here.report(
                    "policy",
                    format!("there is no policy \"{}\"; there are: {}", service.policy, known.join(", ")),
                );
            }
            for (place, path) in service.paths().enumerate().take(1 + Self::MAX_ALIASES) {
                let field = match place {
                    0 => "path".to_owned(),
                    _ => format!("aliases[{}]", place - 1),
                };
                let full = format!("services[{index}].{field}");
                if let Some(owner) = owners.get(path) {
                    here.report(&field, format!("\"{path}\" is already taken by {owner}"));
                } else {
                    owners.insert(path, full);
                }
            }
        }
    }

    fn check_policies(&self, root: &mut Checker<'_>) {
        root.count("policies", self.policies.len(), 1, Self::MAX_ENTRIES);
        let mut names = BTreeMap::new();
        for (index, policy) in self.policies.iter().enumerate().take(Self::MAX_ENTRIES) {
            let mut here = root.at(&format!("policies[{index}]"));
            policy.check_into(&mut here);
            if self.templates.folder.is_none() {
                policy.check_templates(&mut here);
            }
            if let Some(first) = names.get(policy.name.as_str()) {
                here.report("name", format!("\"{}\" is already taken by policies[{first}]", policy.name));
            } else {
                names.insert(policy.name.as_str(), index);
            }
        }
        skip::check_count(&self.policies, root);
    }
}

// === impl IcapService ===

impl IcapService {
    fn check(&self, here: &mut Checker<'_>) {
        check_path(here, "path", &self.path);
        for (index, alias) in self.aliases.iter().enumerate().take(Config::MAX_ALIASES) {
            check_path(here, &format!("aliases[{index}]"), alias);
        }
        here.count("aliases", self.aliases.len(), 0, Config::MAX_ALIASES);
        if self.modes.is_empty() {
            here.report("modes", "is empty; name REQMOD, RESPMOD or both");
        }
        if self.modes.len() != self.modes.iter().collect::<std::collections::HashSet<_>>().len() {
            here.report("modes", "names a mode twice");
        }
        if let Some(bytes) = self.preview.bytes() {
            let most = Preview::MAX;
            if bytes > most {
                here.report("preview", format!("{bytes} is not within 0 (which is off) to {most}"));
            }
        }
        if !self.tenant.is_empty() {
            check_word(here, "tenant", &self.tenant);
        }
        here.lasts("optionsTtl", self.options_ttl, Duration::from_mins(1), 720 * HOUR);
    }
}

/// A path is compared byte by byte with what stands in the ICAP URI, so it may only hold what no
/// client encodes (RFC 3986 section 2.3), and nothing that a client might resolve.
fn check_path(here: &mut Checker<'_>, field: &str, path: &str) {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-._~/".contains(c);
    if let Some(odd) = path.chars().find(|c| !allowed(*c)) {
        here.report(field, format!("{odd:?} cannot stand in a path; use letters, digits and - . _ ~ /"));
    }
    let segments = path.strip_prefix('/').map(|rest| rest.split('/'));
    match segments {
        None => here.report(field, "a path begins with a slash, such as /respmod"),
        Some(mut segments) => {
            if segments.any(|segment| matches!(segment, "" | "." | "..")) {
                here.report(field, "a path has no empty parts and no . or .., and does not end with a slash");
            }
        }
    }
    here.count(field, path.len(), 0, 128);
}

// === impl Limits ===

impl Limits {
    fn check(&self, here: &mut Checker<'_>) {
        here.within("sessions", self.sessions, 1, 1_000_000);
        here.within("handshakes", self.handshakes, 1, 100_000);
        if let Some(length) = self.queue_length {
            here.within("queueLength", length, 1, 10_000_000);
        }
        if let Some(memory) = self.memory {
            here.within("memory", memory, ByteSize::mib(1), ByteSize::gib(65_536));
        }
        here.within("spool", self.spool, ByteSize::mib(1), ByteSize::gib(65_536));
        here.within("icapHeadSize", self.icap_head_size, ByteSize::kib(4), ByteSize::mib(1));
        here.within("httpHeadSize", self.http_head_size, ByteSize::kib(8), ByteSize::mib(4));
        if let Some(advertised) = self.advertised_sessions {
            advertised.check(here);
        }
        self.refusals.check(&mut here.at("refusals"));
        self.per_client.check(&mut here.at("perClient"));
    }
}

// === impl ScannerSettings ===

impl ScannerSettings {
    fn check(&self, here: &mut Checker<'_>) {
        if let Some(workers) = self.workers {
            here.within("workers", workers, 1, Config::MAX_WORKERS);
        }
        if let Some(in_flight) = self.in_flight {
            here.within("inFlight", in_flight, 1, 16 * Config::MAX_WORKERS);
            if let Some(workers) = self.workers
                && in_flight < workers
            {
                let message = format!(
                    "{in_flight} is less than scanner.workers ({workers}): some workers would never get an object"
                );
                here.report("inFlight", message);
            }
        }
        if self.temp_dir.as_ref().is_some_and(|folder| !folder.is_absolute()) {
            here.report("tempDir", "is not an absolute path");
        }
        here.within("memory", self.memory, ByteSize::mib(64), ByteSize::gib(1024));
        here.within("nice", self.nice, 0, 19);
        if let Some(clamd) = &self.clamd
            && !clamd.is_local()
            && SyslogPeer::parse(&clamd.address).is_none()
        {
            let message =
                "is neither the absolute path of a Unix socket nor a name or IP address with a port";
            here.report("clamd.address", message);
        }
        if self.clamd.is_some() && self.yara_rules.path.is_some() {
            here.report("yaraRules.path", "says nothing beside `clamd`, which has rules of its own");
        }
        self.poison.check(&mut here.at("poison"));
        self.crash_reports.check(&mut here.at("crashReports"));
        here.within("unpackWorkers", self.unpack_workers, 0, Config::MAX_UNPACK_WORKERS);
        self.yara_rules.check(&mut here.at("yaraRules"));
    }
}

// === impl KeepAlive ===

impl KeepAlive {
    fn check(&self, here: &mut Checker<'_>) {
        here.lasts("idleTimeout", self.idle_timeout, Duration::from_secs(1), 24 * HOUR);
        if !self.max_age.is_zero() {
            here.lasts("maxAge", self.max_age, Duration::from_secs(1), 8760 * HOUR);
        }
        if self.only_when_asked && !self.enabled {
            here.report("onlyWhenAsked", "says nothing beside `enabled: false`");
        }
    }
}

// === impl Timeouts ===

impl Timeouts {
    fn check(&self, here: &mut Checker<'_>) {
        here.lasts("handshake", self.handshake, Duration::from_millis(100), HOUR);
        here.lasts("head", self.head, Duration::from_millis(100), HOUR);
        here.lasts("bodyIdle", self.body_idle, Duration::from_millis(100), HOUR);
        here.within("minimumRate", self.minimum_rate, ByteSize::new(1), ByteSize::gib(1));
        here.lasts("write", self.write, Duration::from_millis(100), HOUR);
    }
}

// === impl UrlLists ===

impl UrlLists {
    fn check(&self, here: &mut Checker<'_>) {
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
            match (&source.category, source.kind) {
                (None, UrlListKind::Category) => {
                    here.report("category", "is needed for lists of the kind category");
                }
                (Some(category), UrlListKind::Category) => check_word(&mut here, "category", category),
                (Some(_), kind) => {
                    let message =
                        format!("is for lists of the kind category, and this one's is {}", kind.as_str());
                    here.report("category", message);
                }
                (None, _) => {}
            }
        }
    }
}

/// Names that stand in threat names, metrics and rules.
fn check_word(here: &mut Checker<'_>, field: &str, word: &str) {
    here.count(field, word.len(), 1, 63);
    if !word.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        here.report(field, "is made of letters, digits and - _ .");
    }
}

// === impl Checker ===

impl Checker<'_> {
    fn at(&mut self, field: &str) -> Checker<'_> {
        Checker { path: join(&self.path, field), problems: self.problems }
    }

    fn report(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push(Problem::new(join(&self.path, field), printable(&message.into())));
    }

    fn within<T: Copy + PartialOrd + Display>(&mut self, field: &str, value: T, least: T, most: T) {
        if value < least || value > most {
            self.report(field, format!("{value} is not within {least} to {most}"));
        }
    }

    fn count(&mut self, field: &str, value: usize, least: usize, most: usize) {
        if value < least || value > most {
            self.report(field, format!("has a length of {value}; allowed is {least} to {most}"));
        }
    }

    fn lasts(&mut self, field: &str, value: Duration, least: Duration, most: Duration) {
        if value < least || value > most {
            let [value, least, most] = [value, least, most].map(format_duration);
            self.report(field, format!("{value} is not within {least} to {most}"));
        }
    }
}

fn join(path: &str, field: &str) -> String {
    if field.is_empty() {
        path.to_owned()
    } else if path.is_empty() {
        field.to_owned()
    } else {
        format!("{path}.{field}")
    }
}
