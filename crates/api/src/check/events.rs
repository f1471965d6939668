//! What has to hold between the settings of event sinks.

use super::Checker;
use crate::{
    ByteSize, EventSettings, EventTarget, Problem, SyslogPeer, SyslogSettings, SyslogTls, SyslogTransport,
};
use std::collections::HashSet;
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

/// What fits into a datagram of IPv4, the smaller one: 65,535 bytes without the heads of IP and UDP.
const MAX_DATAGRAM: ByteSize = ByteSize::new(65_507);

// === impl EventSettings ===

impl EventSettings {
    /// Everything that is wrong with `events`, each with its path.
    pub fn check(events: &[Self]) -> Result<(), Vec<Problem>> {
        let mut problems = Vec::new();
        let mut root = Checker { path: String::new(), problems: &mut problems };
        Self::check_into(events, None, &mut root);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// `access` is where the access log goes, if there is one: lines of two writers would tear each other.
    pub(super) fn check_into(events: &[Self], access: Option<&Path>, root: &mut Checker<'_>) {
        root.count("events", events.len(), 0, Self::MAX_SINKS);
        let access =
            access.map(|path| (Some(path).filter(|path| *path != Path::new("-")), "log.access".to_owned()));
        let mut taken: Vec<(Option<&Path>, String)> = access.into_iter().collect();
        for (index, settings) in events.iter().enumerate().take(Self::MAX_SINKS) {
            let mut here = root.at(&format!("events[{index}]"));
            settings.check_one(&mut here);
            let (file, field) = match settings.sink.target() {
                Some(EventTarget::File(path)) => (Some(path), "sink.file"),
                Some(EventTarget::Stdout) => (None, "sink.stdout"),
                Some(EventTarget::Syslog(_)) | None => continue,
            };
            match taken.iter().find(|(other, _)| *other == file) {
                Some((_, owner)) => here.report(field, format!("is already taken by {owner}")),
                None => taken.push((file, format!("events[{index}]"))),
            }
        }
    }

    fn check_one(&self, here: &mut Checker<'_>) {
        match self.sink.target() {
            None => here.report("sink", "name exactly one of file, stdout and syslog"),
            Some(EventTarget::File(path)) if !path.is_absolute() => {
                here.report("sink.file", "is not an absolute path");
            }
            Some(EventTarget::Syslog(server)) => server.check(here),
            Some(_) => {}
        }
        if self.kinds.is_empty() {
            here.report("kinds", "is empty; leave it out for all kinds");
        } else if self.kinds.len() != self.kinds.iter().collect::<HashSet<_>>().len() {
            here.report("kinds", "names a kind twice");
        } else if !self.kinds.iter().any(|kind| self.wants(*kind)) {
            here.report("minSeverity", "leaves nothing over: all kinds matter less");
        }
        here.within("queue", self.queue, 1, Self::MAX_QUEUE);
    }
}

// === impl SyslogSettings ===

impl SyslogSettings {
    fn check(&self, here: &mut Checker<'_>) {
        if SyslogPeer::parse(&self.address).is_none() {
            here.report(
                "sink.syslog.address",
                "is no name or IP address with a port, such as siem.example:6514",
            );
        }
        if self.transport == SyslogTransport::Udp && self.framing.is_some() {
            here.report("sink.syslog.framing", "says nothing for udp: each record has a datagram of its own");
        }
        if let Some(host) = &self.host
            && !((1..=255).contains(&host.len()) && host.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            here.report("sink.syslog.host", "is made of 1 to 255 printable ASCII characters without blanks");
        }
        let most = match self.transport {
            SyslogTransport::Udp => MAX_DATAGRAM,
            SyslogTransport::Tcp | SyslogTransport::Tls => ByteSize::kib(64),
        };
        if let Some(size) = self.max_size {
            here.within("sink.syslog.maxSize", size, Self::MIN_SIZE, most);
        }
        let (least, longest) = (Duration::from_millis(100), Duration::from_mins(1));
        here.lasts("sink.syslog.connectTimeout", self.connect_timeout, least, longest);
        here.lasts("sink.syslog.writeTimeout", self.write_timeout, least, longest);
        match &self.tls {
            Some(_) if self.transport != SyslogTransport::Tls => {
                here.report("sink.syslog.tls", "says nothing unless transport is tls");
            }
            Some(tls) => tls.check(here),
            None => {}
        }
    }
}

// === impl SyslogTls ===

impl SyslogTls {
    fn check(&self, here: &mut Checker<'_>) {
        if let Some(name) = &self.server_name
            && !is_server_name(name)
        {
            here.report("sink.syslog.tls.serverName", "is neither a host's name nor an IP address");
        }
        let files = [("caFile", &self.ca_file), ("certFile", &self.cert_file), ("keyFile", &self.key_file)];
        for (field, file) in files {
            if file.as_ref().is_some_and(|path| !path.is_absolute()) {
                here.report(&format!("sink.syslog.tls.{field}"), "is not an absolute path");
            }
        }
        match (&self.cert_file, &self.key_file) {
            (Some(_), None) => {
                here.report("sink.syslog.tls.keyFile", "is missing: certFile needs its key");
            }
            (None, Some(_)) => {
                here.report("sink.syslog.tls.certFile", "is missing: keyFile needs its certificate");
            }
            _ => {}
        }
    }
}

/// Whether a certificate can be for `name`.
fn is_server_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let bare = name.strip_suffix('.').unwrap_or(name);
    name.parse::<IpAddr>().is_ok() || (name.len() <= 253 && bare.split('.').all(is_label))
}

#[cfg(test)]
mod tests;
