//! Flags over file over defaults.

use crate::cli::Flags;
use arc_swap::ArcSwap;
use icapstan_api::{
    AdvertisedSessions, ClamdSettings, Config, ConfigError, LogLevel, LogSettings, Machine, Problem,
    ScannersSettings, Sizing,
};
use icapstan_cache::{
    CacheMetrics, CachedPort, CachedPortError, FleetPoison, FleetVerdicts, Replica, Share, ShareError,
    VerdictMetrics,
};
use icapstan_events::Events;
use icapstan_gateway::{
    GatewayConfig, GatewaySettings, LoadedUrlLists, UrlListError, UrlListMetrics, UrlListWatcher, UrlLists,
};
use icapstan_hooks::Hooks;
use icapstan_icap_server::proto::{Limits, Status};
use icapstan_icap_server::{AccessControl, Budget, ClientLimits, Refusals, ServerConfig, Timeouts};
use icapstan_model::ScanPort;
use icapstan_policy::{Templates, TemplatesError, check_policies};
use icapstan_quarantine::Quarantine;
use icapstan_reputation::{Reputation, ReputationMetrics, SetupError};
use icapstan_scaler::ScalerConfig;
use icapstan_scan_rpc::{
    ClientConfiguration, ClientTls, Secured, ServerConfig as ServerScanConfig, StatusConfig,
};
use icapstan_scanner::{
    ClamdAddress, ClamdConfig, HashListError, HashListMetrics, HashListWatcher, HashLists, LoadedHashLists,
    ScannerConfig, SignatureSource, UnpackWorkers, YaraRules,
};
use icapstan_telemetry::{AccessLog, AccessTarget, LogFormat, Tracer};
use icapstan_tls::Acceptor;
use rustls::ClientConfig;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;

/// The settings at the top of the file that are followed without a restart.
const FOLLOWED: &[&str] = &[
    "clients",
    "preset",
    "services",
    "policies",
    "identity",
    "detectionHeaders",
    "templates",
    "urlLists",
    "hashLists",
];

/// All that a process is started with, decided and checked.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) config: Config,
    sizing: Sizing,
    templates: Arc<Templates>,
    /// What tells where transactions take their time; off until it is started.
    pub(crate) tracer: Tracer,
}

/// What URLs are looked up in.
pub(crate) struct Lookups {
    pub(crate) url_lists: UrlLists,
    pub(crate) reputation: Option<Arc<Reputation>>,
    pub(crate) blocked_urls: Arc<Replica>,
}

/// Why the settings cannot be used.
#[derive(Debug, Error)]
pub(crate) enum SettingsError {
    /// The file.
    #[error(transparent)]
    File(#[from] ConfigError),
    /// What the file, the flags and the machine come to.
    #[error("{}", lines(file.as_deref(), problems))]
    Together {
        /// The file, if there is one.
        file: Option<PathBuf>,
        /// What is wrong; never empty.
        problems: Vec<Problem>,
    },
    /// The pages that users see.
    #[error(transparent)]
    Templates(#[from] TemplatesError),
}

fn lines(file: Option<&Path>, problems: &[Problem]) -> String {
    let file = file.map(|file| format!("{}: ", file.display())).unwrap_or_default();
    problems.iter().map(|problem| format!("{file}{problem}")).collect::<Vec<_>>().join("\n")
}

// === impl Settings ===

impl Settings {
    /// Reads the file and lays the flags over it.
    pub(crate) fn load(args: &Flags) -> Result<Self, SettingsError> {
        Self::new(Self::read(args)?, args.common.config.as_deref())
    }

    /// The file with the flags over it, for [`Settings::new`].
    pub(crate) fn read(args: &Flags) -> Result<Config, ConfigError> {
        let common = &args.common;
        let mut config = match &common.config {
            Some(path) => Config::load(path)?,
            None => Config::default(),
        };
        config.listen = args.listen.or(config.listen);
        config.admin = common.admin.unwrap_or(config.admin);
        config.scan_server.listen = args.scan_listen.unwrap_or(config.scan_server.listen);
        config.scaler.listen = args.scaler_listen.unwrap_or(config.scaler.listen);
        if !args.scanners.is_empty() {
            config.scanners.addresses.clone_from(&args.scanners);
        }
        config.fleet.listen = args.fleet_listen.unwrap_or(config.fleet.listen);
        args.plan.lay_over(&mut config.fleet);
        if args.plaintext {
            config.fleet.plaintext = true;
            config.scanners.plaintext = true;
            config.scan_server.plaintext = true;
            config.scaler.plaintext = true;
        }
        if args.signatures.is_some() {
            config.signatures.clone_from(&args.signatures);
        }
        args.redis.lay_over(&mut config.redis);
        if let Some(level) = common.log_level {
            config.log.level = LogLevel::from(level).into();
        }
        if let Some(format) = common.log_format {
            config.log.format = format.into();
        }
        Ok(config)
    }

    /// Checks it all together, on this machine. `file` is what errors call it.
    pub(crate) fn new(config: Config, file: Option<&Path>) -> Result<Self, SettingsError> {
        let together = |problems| SettingsError::Together { file: file.map(Path::to_path_buf), problems };
        config.check().map_err(together)?;
        let sizing = config.sizing(&Machine::detect()).map_err(together)?;
        check_policies(&config.policies).map_err(together)?;
        let templates = Arc::new(Templates::load(&config.templates, &config.policies)?);
        Ok(Self { config, sizing, templates, tracer: Tracer::off() })
    }

    /// What works but may surprise.
    pub(crate) fn advice(&self) -> Vec<Problem> {
        self.config.advice(&self.sizing)
    }

    /// `memory` is what heads, read buffers and bodies share.
    pub(crate) fn server(&self, memory: &Arc<Budget>, access: AccessControl) -> ServerConfig {
        let Config { limits, keep_alive, timeouts, .. } = &self.config;
        ServerConfig {
            sessions: limits.sessions as usize,
            handshakes: limits.handshakes as usize,
            access,
            memory: Arc::clone(memory),
            max_requests: keep_alive.max_requests.into(),
            max_age: keep_alive.max_age,
            keep_alive: keep_alive.enabled,
            only_when_asked: keep_alive.only_when_asked,
            per_client: self.per_client(),
            refusals: Refusals {
                sessions: Status(limits.refusals.sessions),
                queue: Status(limits.refusals.queue),
                memory: Status(limits.refusals.memory),
            },
            limits: Limits {
                icap_head: bytes(limits.icap_head_size.bytes()),
                http_head: bytes(limits.http_head_size.bytes()),
                ..Limits::default()
            },
            timeouts: Timeouts {
                handshake: timeouts.handshake,
                idle: keep_alive.idle_timeout,
                head: timeouts.head,
                body_idle: timeouts.body_idle,
                body_rate: timeouts.minimum_rate.bytes(),
                write: timeouts.write,
                ..Timeouts::default()
            },
        }
    }

    fn per_client(&self) -> ClientLimits {
        let limits = &self.config.limits.per_client;
        ClientLimits {
            sessions: limits.sessions,
            requests_per_second: limits.requests_per_second,
            burst: limits.burst(),
            exempt: limits.exempt.clone(),
        }
    }

    /// What clients are told of how many connections they may have.
    fn advertised_sessions(&self) -> Option<u32> {
        match self.config.limits.advertised_sessions {
            None => Some(self.config.limits.sessions),
            Some(AdvertisedSessions::Count(count)) => Some(count.get()),
            Some(AdvertisedSessions::Nothing) => None,
        }
    }

    pub(crate) fn memory(&self) -> u64 {
        self.sizing.memory.bytes()
    }

    pub(crate) fn log_format(&self) -> LogFormat {
        match self.config.log.format {
            icapstan_api::LogFormat::Json => LogFormat::Json,
            icapstan_api::LogFormat::Text => LogFormat::Text,
        }
    }

    /// Where the access log goes, if anywhere.
    pub(crate) fn access_target(&self) -> Option<AccessTarget> {
        let path = self.config.log.access.as_ref()?;
        let standard = path.as_os_str() == "-";
        Some(if standard { AccessTarget::StandardOutput } else { AccessTarget::File(path.clone()) })
    }

    /// Loads the URL lists, which are then to be put into `lists`.
    pub(crate) fn url_lists(
        &self,
        lists: &UrlLists,
        metrics: &UrlListMetrics,
        events: &Events,
    ) -> Result<LoadedUrlLists, UrlListError> {
        UrlListWatcher::load(&self.config.url_lists, &self.sizing.spool_dir, lists, metrics, events)
    }

    /// Loads the hash lists, which are then to be put into `lists`.
    pub(crate) fn hash_lists(
        &self,
        lists: &HashLists,
        metrics: &HashListMetrics,
        events: &Events,
    ) -> Result<LoadedHashLists, HashListError> {
        HashListWatcher::load(&self.config.hash_lists, &self.sizing.spool_dir, lists, metrics, events)
    }

    /// What may change while requests go on.
    pub(crate) fn served(&self) -> GatewaySettings {
        GatewaySettings {
            services: self.config.services.clone(),
            policies: self.config.policies.clone(),
            identity: self.config.identity.clone(),
            detection_headers: self.config.detection_headers.clone(),
            templates: Arc::clone(&self.templates),
        }
    }

    /// The settings that differ from those of `changed`, by their names at the top of the file.
    pub(crate) fn differences(&self, changed: &Self) -> Vec<String> {
        let [before, after] = [self, changed].map(|settings| serde_json::to_value(&settings.config));
        let (Ok(Value::Object(before)), Ok(Value::Object(after))) = (before, after) else {
            return Vec::new();
        };
        let mut names: Vec<_> = before.keys().chain(after.keys()).collect();
        names.sort_unstable();
        names.dedup();
        names.retain(|name| before.get(*name) != after.get(*name));
        let mut names: Vec<String> = names.into_iter().cloned().collect();
        if self.templates != changed.templates && !names.iter().any(|name| name == "templates") {
            names.push("templates".to_owned());
        }
        names
    }

    /// Those of the differences that only a restart brings into use.
    pub(crate) fn fixed_until_restart(&self, changed: &Self) -> Vec<String> {
        let mut names = self.differences(changed);
        let LogSettings { level: _, format, access } = &self.config.log;
        let log_is_fixed = (format, access) != (&changed.config.log.format, &changed.config.log.access);
        names.retain(|name| !FOLLOWED.contains(&name.as_str()) && (name != "log" || log_is_fixed));
        names
    }

    /// Whether what these settings take over from `changed` fits what stays.
    pub(crate) fn fit(&self, changed: &Self) -> Result<(), Vec<Problem>> {
        let mut together = self.clone();
        together.follow(changed.clone());
        together.config.check()?;
        let problems = together.config.check_sizing(&together.sizing);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    /// Takes over from `changed` what may change while requests go on.
    pub(crate) fn follow(&mut self, changed: Self) {
        let Self { config, templates, .. } = changed;
        self.config.log.level = config.log.level;
        self.config.clients = config.clients;
        self.config.preset = config.preset;
        self.config.services = config.services;
        self.config.policies = config.policies;
        self.config.identity = config.identity;
        self.config.detection_headers = config.detection_headers;
        self.config.templates = config.templates;
        self.config.url_lists = config.url_lists;
        self.config.hash_lists = config.hash_lists;
        self.templates = templates;
    }

    /// Who is asked about URLs in no list, if anybody is.
    pub(crate) fn reputation(
        &self,
        metrics: ReputationMetrics,
    ) -> Result<Option<Arc<Reputation>>, SetupError> {
        Reputation::over_http(&self.config.reputation, metrics)
    }

    /// URLs whose download was cut, and what shares them, if anything does.
    pub(crate) fn blocked_urls(
        &self,
        metrics: &CacheMetrics,
    ) -> Result<(Arc<Replica>, Option<Share>), ShareError> {
        let Config { blocked_urls, redis, .. } = &self.config;
        let replica = Replica::new(blocked_urls, metrics.clone());
        let share = Share::start(blocked_urls, redis, &replica, metrics)?;
        Ok((replica, share))
    }

    /// What scans, behind what remembers its verdicts.
    pub(crate) fn cached(
        &self,
        port: Arc<dyn ScanPort>,
        metrics: VerdictMetrics,
        fleet: Option<FleetVerdicts>,
    ) -> Result<Arc<dyn ScanPort>, CachedPortError> {
        CachedPort::before(port, &self.config.verdict_cache, metrics, fleet)
    }

    /// What this process is called among others.
    pub(crate) fn instance_name(&self) -> String {
        self.config.instance.name.clone().unwrap_or_else(|| {
            let host = rustix::system::uname();
            format!("{}-{}", host.nodename().to_string_lossy(), std::process::id())
        })
    }

    /// Where it runs; empty if nobody said.
    pub(crate) fn zone(&self) -> String {
        self.config.instance.zone.clone().unwrap_or_default()
    }

    /// The scanners that are asked.
    pub(crate) fn scanners(&self, tls: Option<Arc<ArcSwap<ClientConfig>>>) -> ClientConfiguration {
        let ScannersSettings { addresses, silence, lookup_interval, .. } = &self.config.scanners;
        ClientConfiguration {
            addresses: addresses.clone(),
            tls: self.scanner_tls(tls),
            name: self.instance_name(),
            zone: self.zone(),
            silence: *silence,
            lookup: *lookup_interval,
        }
    }

    /// With what connections to scanners are secured.
    fn scanner_tls(&self, tls: Option<Arc<ArcSwap<ClientConfig>>>) -> Option<ClientTls> {
        let settings = self.config.scanners.tls.as_ref();
        let server_name = settings.and_then(|tls| tls.server_name.clone());
        tls.map(|config| ClientTls { config, server_name })
    }

    /// The scanners that are heard, and how autoscalers are answered.
    pub(crate) fn scaler(
        &self,
        scanner_tls: Option<Arc<ArcSwap<ClientConfig>>>,
        acceptor: Option<Acceptor>,
    ) -> ScalerConfig {
        let ScannersSettings { addresses, lookup_interval, .. } = &self.config.scanners;
        let names = self.config.scaler.tls.as_ref().map(|tls| tls.client_names.clone()).unwrap_or_default();
        ScalerConfig {
            scanners: addresses.clone(),
            scanner_tls: self.scanner_tls(scanner_tls),
            lookup: *lookup_interval,
            tls: acceptor.map(|acceptor| Secured { acceptor, names }),
        }
    }

    /// How it is told how this gateway is.
    pub(crate) fn status_server(&self, acceptor: Option<Acceptor>) -> StatusConfig {
        let names = self.config.fleet.tls.as_ref().map(|tls| tls.client_names.clone()).unwrap_or_default();
        StatusConfig {
            name: self.instance_name(),
            version: env!("CARGO_PKG_VERSION"),
            tls: acceptor.map(|acceptor| Secured { acceptor, names }),
        }
    }

    /// How scans are served.
    pub(crate) fn scan_server(&self, acceptor: Option<Acceptor>) -> ServerScanConfig {
        let settings = &self.config.scan_server;
        let names = settings.tls.as_ref().map(|tls| tls.client_names.clone()).unwrap_or_default();
        ServerScanConfig {
            name: self.instance_name(),
            zone: self.zone(),
            version: env!("CARGO_PKG_VERSION"),
            tls: acceptor.map(|acceptor| Secured { acceptor, names }),
            memory: self.memory(),
            jobs: (self.sizing.queue_length as usize).saturating_add(self.sizing.in_flight as usize),
            connections: settings.connections as usize,
            temp_dir: self.sizing.spool_dir.clone(),
        }
    }

    pub(crate) fn gateway(
        &self,
        memory: &Arc<Budget>,
        access_log: Option<AccessLog>,
        lookups: Lookups,
        events: &Events,
        hooks: &Hooks,
        quarantine: &Quarantine,
    ) -> GatewayConfig {
        GatewayConfig {
            settings: self.served(),
            url_lists: lookups.url_lists,
            reputation: lookups.reputation,
            blocked_urls: lookups.blocked_urls,
            max_connections: self.advertised_sessions(),
            memory: Arc::clone(memory),
            spool: self.config.limits.spool.bytes(),
            temp_dir: self.sizing.spool_dir.clone(),
            access_log,
            events: events.clone(),
            hooks: hooks.clone(),
            quarantine: quarantine.clone(),
            tracer: self.tracer.clone(),
        }
    }

    /// Whether a clamd scans instead of worker processes.
    pub(crate) fn uses_clamd(&self) -> bool {
        self.config.scanner.clamd.is_some()
    }

    pub(crate) fn scanner(
        &self,
        worker: PathBuf,
        hash_lists: HashLists,
        poison: Option<Arc<FleetPoison>>,
    ) -> ScannerConfig {
        let scanner = &self.config.scanner;
        ScannerConfig {
            workers: self.sizing.workers as usize,
            in_flight: self.sizing.in_flight as usize,
            queue_length: self.sizing.queue_length as usize,
            temp_dir: scanner.temp_dir.clone(),
            worker_memory: scanner.memory.bytes(),
            nice: scanner.nice.into(),
            clamd: scanner.clamd.as_ref().map(clamd),
            poison: scanner.poison.clone(),
            poison_share: poison.map(|poison| poison as _),
            crash_reports: scanner.crash_reports.clone(),
            unpack: (scanner.unpack_workers > 0)
                .then(|| UnpackWorkers::of_this_program(scanner.unpack_workers as usize)),
            rules: yara_rules(&self.config),
            hash_lists,
            tracer: self.tracer.clone(),
            ..ScannerConfig::new(worker, SignatureSource::discover(self.config.signatures.clone()))
        }
    }
}

fn clamd(settings: &ClamdSettings) -> ClamdConfig {
    let address = settings.address.clone();
    let address =
        if settings.is_local() { ClamdAddress::Unix(address.into()) } else { ClamdAddress::Tcp(address) };
    ClamdConfig { address, stream: settings.stream }
}

/// The YARA rules that the scanner is to try.
pub(crate) fn yara_rules(config: &Config) -> Option<YaraRules> {
    let settings = &config.scanner.yara_rules;
    let folder = settings.path.clone()?;
    Some(YaraRules { folder, timeout: settings.timeout })
}

/// Threads that serve connections: the CPUs that this process may use.
pub(crate) fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

fn bytes(size: u64) -> usize {
    usize::try_from(size).unwrap_or(usize::MAX)
}
