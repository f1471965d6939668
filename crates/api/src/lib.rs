//! The types of `icapstan.yaml`, and of the custom resources (feature `kube`).
//!
//! ```text
//!  text ──parse──▶ Config ──check──▶ Config ──sizing(Machine)──▶ Sizing (what was left to default)
//!            │                 │
//!       ConfigError       Vec<Problem>: every one of them, each with the path of its field
//! ```
//!
//! Refuses to do: command lines, environment variables, anything with a network.
//!
//! Invariants
//! 1. A field that is not listed in `docs/configuration.md` is an error; nothing is ignored.
//! 2. No text makes [`Config::parse`] panic, and no text larger than [`MAX_CONFIG_LEN`] is read.
//! 3. An empty file is a complete configuration.
//!
//! ```
//! let config = icapstan_api::Config::parse("limits: {sessions: 100}", "icapstan.yaml")?;
//! assert_eq!(config.limits.sessions, 100);
//! assert_eq!(config.services[0].path, "/reqmod");
//! # Ok::<(), icapstan_api::ConfigError>(())
//! ```

mod address;
mod blocked_urls;
mod case;
mod check;
mod clamd;
mod config;
mod crash;
mod detection_headers;
mod duration;
mod error;
mod event_kind;
mod events;
mod field_name;
pub mod fleet;
mod following;
mod hash_lists;
mod hooks;
mod identity;
#[cfg(feature = "kube")]
pub mod kube;
mod listeners;
mod load;
mod log_filter;
mod machine;
mod media_range;
mod overload;
mod partial;
mod pattern;
mod policy;
mod policy_test;
mod preset;
mod process;
mod quarantine;
mod ranges;
mod redirect;
mod redis;
mod reputation;
mod rule;
mod rule_header;
mod rule_text;
#[cfg(feature = "kube")]
mod schema;
mod service;
mod size;
mod skip;
mod templates;
mod tiers;
mod tracing;
mod url_lists;
mod verdict_cache;
mod when;
mod yara;

pub use blocked_urls::BlockedUrls;
pub use clamd::ClamdSettings;
pub use config::Config;
pub use crash::{CrashReports, Poison};
pub use detection_headers::DetectionHeaders;
pub use duration::{DurationError, format_duration, parse_duration};
pub use error::{ConfigError, Problem};
pub use event_kind::{EventKind, Severity};
pub use events::{
    EventFormat, EventSettings, EventTarget, SinkSettings, StdoutSettings, SyslogFacility, SyslogFraming,
    SyslogPeer, SyslogSettings, SyslogTls, SyslogTransport,
};
pub use field_name::is_field_name;
pub use following::FleetSettings;
pub use hash_lists::{HashListFormat, HashListKind, HashLists, HashSource};
pub use hooks::{
    ExecHook, HookHost, HookHostError, HookSettings, HookTarget, HookUrl, HookUrlError, HttpHook, HttpHooks,
    RuleHook,
};
pub use identity::{IdentitySettings, UserEncoding};
pub use listeners::{
    ClientAuthentication, ClientCertificateMode, IcapClients, ProxyListener, TlsListener, TlsVersion,
};
pub use load::MAX_CONFIG_LEN;
pub use log_filter::{LogFilter, LogFilterError};
pub use machine::{Machine, Sizing};
pub use media_range::{MediaRange, MediaRangeError};
pub use overload::{AdvertisedSessions, PerClient, RefusalStatuses};
pub use partial::PartialSettings;
pub use pattern::{Glob, HostPattern, PatternError};
pub use policy::{Heuristics, ScanPolicy, ScanSettings, UnpackKind};
pub use policy_test::{ActionWord, Expectation, Given, PolicyTest};
pub use preset::Preset;
pub use process::{KeepAlive, Limits, LogFormat, LogLevel, LogSettings, ScannerSettings, Timeouts};
pub use quarantine::{QuarantineFolder, QuarantineS3, QuarantineSettings};
pub use ranges::Ranges;
pub use redirect::{RedirectError, RedirectUrl, Variable};
pub use redis::{RedisEndpoint, RedisMode, RedisSettings};
pub use reputation::{ReputationEndpoint, ReputationSettings};
pub use rule::{ReasonWord, Rule, RuleAction, RuleMode, RuleVerdict, Template};
pub use rule_header::{HeaderTarget, RuleHeader};
pub use rule_text::{RuleText, RuleTextError, RuleVariable};
pub use service::{IcapService, Preview, ScanScope, ServiceMode};
pub use size::{ByteSize, ByteSizeError};
pub use skip::SkipRule;
pub use templates::{LanguageTag, LanguageTagError, TemplateName, TemplateNameError, TemplateSettings};
pub use tiers::{
    InstanceSettings, ScalerSettings, ScalerTls, ScanServerSettings, ScanServerTls, ScannersSettings,
    ScannersTls,
};
pub use tracing::{Share, TracingSettings};
pub use url_lists::{UrlListFormat, UrlListKind, UrlLists, UrlSource};
pub use verdict_cache::VerdictCache;
pub use when::{BodySize, Condition, Facts, SizeRange, When};
pub use yara::YaraSettings;
