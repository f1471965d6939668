//! Settings of the process: limits, workers, connections, log.

use crate::{
    AdvertisedSessions, ByteSize, ClamdSettings, CrashReports, LogFilter, PerClient, Poison, RefusalStatuses,
    YaraSettings,
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::Duration;

/// How much is taken on at the same time (`limits`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// ICAP connections; requests on one more are refused, unless an idle one can give way.
    pub sessions: u32,
    /// What clients are told of that. Default: `sessions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advertised_sessions: Option<AdvertisedSessions>,
    /// TLS handshakes under way; further connections wait for their turn.
    pub handshakes: u32,
    /// Objects that wait for a worker; one more is refused. Default: twice `sessions`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_length: Option<u32>,
    /// Body bytes kept in memory; what goes beyond is refused. Default: half of what the process may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Body bytes kept in spool files; what goes beyond is refused.
    pub spool: ByteSize,
    /// The ICAP request line and header fields.
    pub icap_head_size: ByteSize,
    /// Each encapsulated HTTP head.
    pub http_head_size: ByteSize,
    /// What is answered to what there is no room for.
    pub refusals: RefusalStatuses,
    /// What one client may take.
    pub per_client: PerClient,
}

/// The pool of workers (`scanner`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct ScannerSettings {
    /// How many worker processes. Default: the CPUs that the process may use.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workers: Option<u32>,
    /// How many objects are handed to workers ahead of time, those under scan included. Default:
    /// twice `workers`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_flight: Option<u32>,
    /// Where spool files and the files of the workers lie. Default: spool files in `TMPDIR`, else
    /// `/tmp`; those of the workers in `/dev/shm` where there is room, else there too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temp_dir: Option<PathBuf>,
    /// What one worker may take besides the signatures that all share.
    pub memory: ByteSize,
    /// How much workers step back for others, as in nice(1).
    pub nice: u8,
    /// A clamd that scans instead of worker processes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clamd: Option<ClamdSettings>,
    /// What is remembered of objects that workers crash of, or take too long for.
    pub poison: Poison,
    /// What is written down of workers that crashed.
    pub crash_reports: CrashReports,
    /// How many processes take containers apart that libclamav does not open. 0: none, and such are `unsupported`.
    pub unpack_workers: u32,
    /// YARA rules that are tried besides the signatures.
    pub yara_rules: YaraSettings,
}

/// Connections between transactions (`keepAlive`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct KeepAlive {
    /// Whether a connection serves more than one transaction.
    pub enabled: bool,
    /// How long a connection may be idle.
    #[serde(with = "crate::duration")]
    pub idle_timeout: Duration,
    /// How many transactions a connection serves, give or take a tenth; 0 sets no limit.
    pub max_requests: u32,
    /// How old a connection gets, give or take a tenth; 0 sets no limit.
    #[serde(with = "crate::duration")]
    pub max_age: Duration,
    /// Whether a connection ends after each transaction whose request does not ask for more with
    /// `Connection: keep-alive`.
    pub only_when_asked: bool,
}

/// How long a peer may take (`timeouts`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeouts {
    /// From the start of a connection to the end of its TLS handshake, and of its PROXY header.
    #[serde(with = "crate::duration")]
    pub handshake: Duration,
    /// From the first byte of a request to the end of its last encapsulated head.
    #[serde(with = "crate::duration")]
    pub head: Duration,
    /// Between two pieces of a body.
    #[serde(with = "crate::duration")]
    pub body_idle: Duration,
    /// Bytes a second that a body has to make on average, once `bodyIdle` has passed since its start.
    pub minimum_rate: ByteSize,
    /// Until the peer takes another piece of an answer.
    #[serde(with = "crate::duration")]
    pub write: Duration,
}

/// The log on standard error, and the access log (`log`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct LogSettings {
    /// What is left out.
    pub level: LogFilter,
    /// How lines look.
    pub format: LogFormat,
    /// Where one line for each transaction goes: a file, or `-` for standard output. Default: nowhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<PathBuf>,
}

/// The least important messages that are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogLevel {
    /// Somebody has to act.
    Error,
    /// Something is not as it should be.
    Warn,
    /// What happened, one line for each decision that is not "clean".
    #[default]
    Info,
    /// Every transaction.
    Debug,
    /// Every step of every transaction.
    Trace,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum LogFormat {
    /// One JSON object on each line.
    Json,
    /// For people.
    #[default]
    Text,
}

// === impl Limits ===

impl Default for Limits {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            advertised_sessions: None,
            handshakes: 500,
            queue_length: None,
            memory: None,
            spool: ByteSize::gib(4),
            icap_head_size: ByteSize::kib(64),
            http_head_size: ByteSize::kib(256),
            refusals: RefusalStatuses::default(),
            per_client: PerClient::default(),
        }
    }
}

// === impl ScannerSettings ===

impl Default for ScannerSettings {
    fn default() -> Self {
        Self {
            workers: None,
            in_flight: None,
            temp_dir: None,
            memory: ByteSize::gib(1),
            nice: 5,
            clamd: None,
            poison: Poison::default(),
            crash_reports: CrashReports::default(),
            unpack_workers: 1,
            yara_rules: YaraSettings::default(),
        }
    }
}

// === impl KeepAlive ===

impl Default for KeepAlive {
    fn default() -> Self {
        Self {
            enabled: true,
            idle_timeout: Duration::from_secs(70),
            max_requests: 0,
            max_age: Duration::ZERO,
            only_when_asked: false,
        }
    }
}

// === impl Timeouts ===

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(20),
            body_idle: Duration::from_mins(1),
            minimum_rate: ByteSize::new(64),
            write: Duration::from_mins(1),
        }
    }
}

// === impl LogLevel ===

impl LogLevel {
    /// The word in the configuration, which log filters know too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}
