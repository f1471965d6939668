//! Gateways and scanners as processes of their own.

use super::Checker;
use crate::load::printable;
use crate::{InstanceSettings, ScalerSettings, ScanServerSettings, ScannersSettings};
use std::path::Path;
use std::time::Duration;

/// The longest name, in bytes.
const MAX_NAME: usize = 253;
/// The most names of gateways.
const MAX_NAMES: usize = 64;

impl InstanceSettings {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        for (field, value) in [("name", &self.name), ("zone", &self.zone)] {
            let is_name = |name: &String| {
                (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
            };
            if value.as_ref().is_some_and(|value| !is_name(value)) {
                checker.report(field, format!("is not 1 to {MAX_NAME} printable characters without spaces"));
            }
        }
    }
}

impl ScannersSettings {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        if self.addresses.len() > Self::MAX_ADDRESSES {
            checker.report("addresses", format!("has more than {} entries", Self::MAX_ADDRESSES));
        }
        for (at, address) in self.addresses.iter().take(Self::MAX_ADDRESSES).enumerate() {
            if !is_address(address) {
                let text = format!("{} is not HOST:PORT, such as scanners.example:7344", printable(address));
                checker.report(&format!("addresses[{at}]"), text);
            }
        }
        let remote = self.remote().filter(|address| is_address(address));
        match (&self.tls, remote) {
            (Some(_), _) if self.plaintext => checker.report("plaintext", "is true beside tls"),
            (None, Some(address)) if !self.plaintext => checker.report(
                "tls",
                format!(
                    "is missing: objects would go to {} as they are. Where the network is trusted, say \
                     scanners.plaintext: true",
                    printable(address)
                ),
            ),
            _ => {}
        }
        if let Some(tls) = &self.tls {
            let files = [
                ("tls.caFile", &tls.ca_file),
                ("tls.certFile", &tls.cert_file),
                ("tls.keyFile", &tls.key_file),
            ];
            check_files(checker, &files.map(|(field, path)| (field, path.as_path())));
            if tls.server_name.as_ref().is_some_and(|name| !is_host(name)) {
                checker.report("tls.serverName", "is no name of a host");
            }
        }
        let (least, most) = (Duration::from_millis(200), Duration::from_mins(1));
        checker.lasts("silence", self.silence, least, most);
        let (least, most) = (Duration::from_secs(1), Duration::from_mins(10));
        checker.lasts("lookupInterval", self.lookup_interval, least, most);
    }
}

impl ScanServerSettings {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        if self.tls.is_some() && self.plaintext {
            checker.report("plaintext", "is true beside tls");
        }
        if self.tls.is_none() && !self.plaintext && !self.listen.ip().is_loopback() {
            checker.report(
                "tls",
                format!(
                    "is missing: objects would come to {} as they are. Where the network is trusted, say \
                     scanServer.plaintext: true",
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
        checker.within("connections", self.connections, 1, 65_536);
    }
}

impl ScalerSettings {
    pub(super) fn check(&self, checker: &mut Checker<'_>) {
        if self.tls.is_some() && self.plaintext {
            checker.report("plaintext", "is true beside tls");
        }
        if self.tls.is_none() && !self.plaintext && !self.listen.ip().is_loopback() {
            checker.report(
                "tls",
                format!(
                    "is missing: whoever reaches {} could ask. Where the network is trusted, say \
                     scaler.plaintext: true",
                    self.listen
                ),
            );
        }
        if let Some(tls) = &self.tls {
            let files = [("tls.certFile", &tls.cert_file), ("tls.keyFile", &tls.key_file)];
            check_files(checker, &files.map(|(field, path)| (field, path.as_path())));
            match &tls.client_ca_file {
                Some(path) => check_files(checker, &[("tls.clientCaFile", path)]),
                None if !tls.client_names.is_empty() => {
                    checker.report(
                        "tls.clientNames",
                        "asks for names of certificates, and there is no clientCaFile",
                    );
                }
                None => {}
            }
            check_names(checker, &tls.client_names);
        }
    }
}

/// Names of those who may connect (`tls.clientNames`).
pub(super) fn check_names(checker: &mut Checker<'_>, names: &[String]) {
    if names.len() > MAX_NAMES {
        checker.report("tls.clientNames", format!("has more than {MAX_NAMES} entries"));
    }
    for (at, name) in names.iter().take(MAX_NAMES).enumerate() {
        let kinds = ["cn:", "dns:", "uri:", "email:", "ip:"];
        if !kinds.iter().any(|kind| name.len() > kind.len() && name.starts_with(kind)) {
            checker.report(
                &format!("tls.clientNames[{at}]"),
                "does not begin with the kind of the name: cn:, dns:, uri:, email: or ip:",
            );
        }
    }
}

pub(super) fn check_files(checker: &mut Checker<'_>, files: &[(&str, &Path)]) {
    for (field, path) in files {
        if !path.is_absolute() {
            checker.report(field, "is not an absolute path");
        }
    }
}

fn is_address(text: &str) -> bool {
    if text.parse::<std::net::SocketAddr>().is_ok_and(|address| address.port() > 0) {
        return true;
    }
    text.rsplit_once(':').is_some_and(|(host, port)| {
        is_host(host)
            && port.parse::<u16>().is_ok_and(|port| port > 0)
            && port.bytes().all(|byte| byte.is_ascii_digit())
    })
}

fn is_host(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
        && !text.starts_with(['.', '-'])
}
