//! Where security events go (`events[]`).

use crate::{ByteSize, EventKind, Severity};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A sink and what goes into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventSettings {
    /// Where events go.
    pub sink: SinkSettings,
    /// How they look there.
    #[serde(default)]
    pub format: EventFormat,
    /// Which ones go there. Default: all but `pass`.
    #[serde(default = "usual_kinds")]
    pub kinds: Vec<EventKind>,
    /// Those that matter less do not.
    #[serde(default)]
    pub min_severity: Severity,
    /// How many wait at most while the sink is slow or down.
    #[serde(default = "default_queue")]
    pub queue: u32,
}

/// Where events go: exactly one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SinkSettings {
    /// A file, made if there is none, and appended to. When its path leads to another file or to none,
    /// because it was renamed or removed, it is opened anew with the next event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<PathBuf>,
    /// Standard output.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stdout: Option<StdoutSettings>,
    /// A syslog server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub syslog: Option<SyslogSettings>,
}

/// Standard output has no settings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StdoutSettings {}

/// A syslog server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SyslogSettings {
    /// Its name or IP address, and its port: `siem.example:6514`, `[::1]:514`.
    pub address: String,
    /// How it is reached.
    #[serde(default)]
    pub transport: SyslogTransport,
    /// Where one record ends and the next begins (`tcp`, `tls`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub framing: Option<SyslogFraming>,
    /// By what the server sorts.
    #[serde(default)]
    pub facility: SyslogFacility,
    /// What the records call this machine. Default: its own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The most bytes of a record; what is longer is shortened. Default: 2048 for `udp` (RFC 5424 section
    /// 6.1), else 8192 (RFC 5425 section 4.3.1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_size: Option<ByteSize>,
    /// Until there is a connection.
    #[serde(default = "default_timeout", with = "crate::duration")]
    pub connect_timeout: Duration,
    /// Until the server takes a record, after which the connection is given up.
    #[serde(default = "default_timeout", with = "crate::duration")]
    pub write_timeout: Duration,
    /// Whom to believe, and who to be (`tls`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<SyslogTls>,
}

/// Whom to believe, and who to be. The files are read anew for each connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct SyslogTls {
    /// The name that the server's certificate has to be for. Default: that of the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// The certificates, in PEM, one of which has to have signed the server's. Default: those of the system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// The certificate to show, in PEM, with those between it and its authority.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cert_file: Option<PathBuf>,
    /// Its key, in PEM.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
}

/// How records look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EventFormat {
    /// A JSON object.
    #[default]
    Json,
    /// ArcSight's Common Event Format.
    Cef,
    /// For people; in syslog a message with structured data.
    Text,
}

/// How a syslog server is reached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SyslogTransport {
    /// One datagram for each record (RFC 5426). Losses on the way are not seen.
    #[default]
    Udp,
    /// A connection (RFC 6587).
    Tcp,
    /// A secured connection (RFC 5425).
    Tls,
}

/// Where one record ends and the next begins (RFC 6587 section 3.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum SyslogFraming {
    /// The length comes first.
    #[default]
    OctetCounting,
    /// A line feed comes last.
    Newline,
}

/// By what syslog servers sort (RFC 5424 section 6.2.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of syslog.conf(5)")]
pub enum SyslogFacility {
    User,
    Daemon,
    Auth,
    AuthPriv,
    Local0,
    Local1,
    Local2,
    Local3,
    /// As the reference product does.
    #[default]
    Local4,
    Local5,
    Local6,
    Local7,
}

/// The one sink that was named.
#[derive(Clone, Copy, Debug)]
pub enum EventTarget<'a> {
    /// A file.
    File(&'a Path),
    /// Standard output.
    Stdout,
    /// A syslog server.
    Syslog(&'a SyslogSettings),
}

/// A server's name or IP address, and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogPeer {
    /// The name, or the address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

// === impl EventSettings ===

impl EventSettings {
    /// The most sinks. Metrics tell them apart by their place.
    pub const MAX_SINKS: usize = 8;
    /// The most events that wait for a sink.
    pub const MAX_QUEUE: u32 = 65_536;

    /// The usual kinds as JSON for `sink`.
    pub fn new(sink: SinkSettings) -> Self {
        Self {
            sink,
            format: EventFormat::default(),
            kinds: usual_kinds(),
            min_severity: Severity::default(),
            queue: default_queue(),
        }
    }

    /// Whether events of `kind` go there.
    pub fn wants(&self, kind: EventKind) -> bool {
        kind.severity() >= self.min_severity && self.kinds.contains(&kind)
    }
}

fn usual_kinds() -> Vec<EventKind> {
    EventKind::ALL.into_iter().filter(|kind| *kind != EventKind::Pass).collect()
}

const fn default_queue() -> u32 {
    4096
}

const fn default_timeout() -> Duration {
    Duration::from_secs(10)
}

// === impl SinkSettings ===

impl SinkSettings {
    /// A file.
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self { file: Some(path.into()), ..Self::default() }
    }

    /// Standard output.
    pub fn stdout() -> Self {
        Self { stdout: Some(StdoutSettings {}), ..Self::default() }
    }

    /// A syslog server.
    pub fn syslog(server: SyslogSettings) -> Self {
        Self { syslog: Some(server), ..Self::default() }
    }

    /// The one that is named. None if there are more or fewer.
    pub fn target(&self) -> Option<EventTarget<'_>> {
        match (&self.file, self.stdout, &self.syslog) {
            (Some(path), None, None) => Some(EventTarget::File(path)),
            (None, Some(_), None) => Some(EventTarget::Stdout),
            (None, None, Some(server)) => Some(EventTarget::Syslog(server)),
            _ => None,
        }
    }
}

// === impl SyslogSettings ===

impl SyslogSettings {
    /// The least that a record can be limited to: every event fits, and every syslog server takes as much
    /// (RFC 5424 section 6.1).
    pub const MIN_SIZE: ByteSize = ByteSize::kib(2);

    /// A server with everything else left to default.
    pub fn new(address: impl Into<String>, transport: SyslogTransport) -> Self {
        Self {
            address: address.into(),
            transport,
            framing: None,
            facility: SyslogFacility::default(),
            host: None,
            max_size: None,
            connect_timeout: default_timeout(),
            write_timeout: default_timeout(),
            tls: None,
        }
    }

    /// The most bytes of a record.
    pub fn most(&self) -> usize {
        let default = match self.transport {
            SyslogTransport::Udp => 2048,
            SyslogTransport::Tcp | SyslogTransport::Tls => 8192,
        };
        self.max_size.map_or(default, ByteSize::to_usize)
    }
}

// === impl SyslogPeer ===

impl SyslogPeer {
    /// From `host:port` or `[address]:port`.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let bare = match host.strip_prefix('[') {
            Some(rest) => {
                rest.strip_suffix(']').filter(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())?
            }
            None => host,
        };
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_host = bare != host || bare.chars().all(is_name);
        let port = port.parse().ok().filter(|port| *port > 0)?;
        ((1..=253).contains(&bare.len()) && is_host).then(|| Self { host: bare.to_owned(), port })
    }
}
