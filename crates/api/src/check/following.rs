//! How a process follows the plan of its fleet.

use super::Checker;
use super::tiers::{check_files, check_names};
use crate::{ByteSize, FleetSettings};
use std::time::Duration;

/// The longest name of an object of Kubernetes.
const MAX_NAME: usize = 253;
/// The longest of a namespace.
const MAX_NAMESPACE: usize = 63;

impl FleetSettings {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        if self.plan.is_some() && self.plan_name.is_some() {
            checker.report("planName", "stands beside plan: a process follows one plan");
        }
        if self.plan_namespace.is_some() && self.plan_name.is_none() {
            checker.report("planNamespace", "says where a plan is that planName does not name");
        }
        let names =
            [("planName", &self.plan_name, MAX_NAME), ("planNamespace", &self.plan_namespace, MAX_NAMESPACE)];
        for (field, name, most) in names {
            if name.as_ref().is_some_and(|name| !is_name(name, most)) {
                checker.report(
                    field,
                    "is no name of Kubernetes: a-z, 0-9, - and ., with a letter or digit at both ends",
                );
            }
        }
        if self.is_planned() && self.state.is_none() {
            checker.report(
                "state",
                "is missing: what a plan needs has to be kept somewhere, also for the next start",
            );
        }
        for (field, path) in [("plan", &self.plan), ("state", &self.state)] {
            if path.as_ref().is_some_and(|path| !path.is_absolute()) {
                checker.report(field, "is not an absolute path");
            }
        }
        if self.tls.is_some() && self.plaintext {
            checker.report("plaintext", "is true beside tls");
        }
        if self.is_planned() && self.tls.is_none() && !self.plaintext && !self.listen.ip().is_loopback() {
            checker.report(
                "tls",
                format!(
                    "is missing: whoever reaches {} could ask. Where the network is trusted, say \
                     fleet.plaintext: true",
                    self.listen
                ),
            );
        }
        if let Some(tls) = &self.tls {
            let files = [
                ("tls.certFile", &tls.cert_file),
                ("tls.keyFile", &tls.key_file),
                ("tls.clientCaFile", &tls.client_ca_file),
            ];
            check_files(checker, &files.map(|(field, path)| (field, path.as_path())));
            check_names(checker, &tls.client_names);
        }
        checker.within("stateSize", self.state_size, ByteSize::mib(1), ByteSize::gib(1024));
        checker.within("memoryReserve", self.memory_reserve, ByteSize::mib(0), ByteSize::gib(1024));
        checker.lasts(
            "planStaleAfter",
            self.plan_stale_after,
            Duration::from_secs(1),
            Duration::from_mins(10),
        );
    }
}

fn is_name(name: &str, most: usize) -> bool {
    let is_end = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = name.as_bytes();
    bytes.len() <= most
        && bytes.iter().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && is_end(bytes.first())
        && is_end(bytes.last())
}
