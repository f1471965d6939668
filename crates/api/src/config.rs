//! The whole of `icapstan.yaml`.

use crate::{
    BlockedUrls, DetectionHeaders, EventSettings, FleetSettings, HashLists, HookSettings, IcapClients,
    IcapService, IdentitySettings, InstanceSettings, KeepAlive, Limits, LogSettings, Preset, ProxyListener,
    QuarantineSettings, RedisSettings, ReputationSettings, ScalerSettings, ScanPolicy, ScanServerSettings,
    ScannerSettings, ScannersSettings, TemplateSettings, Timeouts, TlsListener, TracingSettings, UrlLists,
    VerdictCache,
};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The configuration of one process. `Config::default()` is what an empty file means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Config {
    /// Where ICAP clients connect to without TLS.
    #[serde(with = "crate::address::optional")]
    pub listen: Option<SocketAddr>,
    /// Where they connect to with TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsListener>,
    /// Where load balancers connect to that tell whom they act for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proxy_protocol: Option<ProxyListener>,
    /// Which of them are served.
    pub clients: IcapClients,
    /// Where probes and metrics are answered over HTTP.
    #[serde(with = "crate::address")]
    pub admin: SocketAddr,
    /// The folder with the signature databases. Without it, the system's if it holds any, else a few
    /// test signatures.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signatures: Option<PathBuf>,
    /// What is meant by settings that are not written.
    pub preset: Preset,
    /// What clients find under which path.
    pub services: Vec<IcapService>,
    /// What services may do. One called `default` is there even when none is written.
    pub policies: Vec<ScanPolicy>,
    /// How much is taken on at the same time.
    pub limits: Limits,
    /// The pool of workers.
    pub scanner: ScannerSettings,
    /// How verdicts are remembered.
    pub verdict_cache: VerdictCache,
    /// Connections between transactions.
    pub keep_alive: KeepAlive,
    /// How long a peer may take.
    pub timeouts: Timeouts,
    /// What URLs are looked up in.
    pub url_lists: UrlLists,
    /// What the digests of objects are looked up in.
    pub hash_lists: HashLists,
    /// Who is asked about URLs in no list.
    pub reputation: ReputationSettings,
    /// How URLs are remembered whose download was cut.
    pub blocked_urls: BlockedUrls,
    /// Where that is shared.
    pub redis: RedisSettings,
    /// Who users are.
    pub identity: IdentitySettings,
    /// What ICAP answers say of a threat.
    pub detection_headers: DetectionHeaders,
    /// The pages that users see.
    pub templates: TemplateSettings,
    /// The log on standard error.
    pub log: LogSettings,
    /// Where spans of transactions go.
    pub tracing: TracingSettings,
    /// Where security events go.
    pub events: Vec<EventSettings>,
    /// Programs and servers that rules may call.
    pub hooks: HookSettings,
    /// Where infected objects are kept.
    pub quarantine: QuarantineSettings,
    /// What this process is called among others.
    #[serde(skip_serializing_if = "InstanceSettings::is_empty")]
    pub instance: InstanceSettings,
    /// The scanners that a gateway asks.
    pub scanners: ScannersSettings,
    /// Where a scanner is asked.
    pub scan_server: ScanServerSettings,
    /// Where autoscalers ask what scanners have to do.
    pub scaler: ScalerSettings,
    /// How the plan of a fleet is followed.
    pub fleet: FleetSettings,
}

// === impl Config ===

impl Config {
    /// The policy of that name.
    pub fn policy(&self, name: &str) -> Option<&ScanPolicy> {
        self.policies.iter().find(|policy| policy.name == name)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: Some((Ipv4Addr::LOCALHOST, 1344).into()),
            tls: None,
            proxy_protocol: None,
            clients: IcapClients::default(),
            admin: (Ipv4Addr::LOCALHOST, 9344).into(),
            signatures: None,
            preset: Preset::default(),
            services: Preset::default().services(),
            policies: vec![ScanPolicy::new(ScanPolicy::DEFAULT_NAME)],
            limits: Limits::default(),
            scanner: ScannerSettings::default(),
            verdict_cache: VerdictCache::default(),
            keep_alive: KeepAlive::default(),
            timeouts: Timeouts::default(),
            url_lists: UrlLists::default(),
            hash_lists: HashLists::default(),
            reputation: ReputationSettings::default(),
            blocked_urls: BlockedUrls::default(),
            redis: RedisSettings::default(),
            identity: IdentitySettings::default(),
            detection_headers: DetectionHeaders::default(),
            templates: TemplateSettings::default(),
            log: LogSettings::default(),
            tracing: TracingSettings::default(),
            events: Vec::new(),
            hooks: HookSettings::default(),
            quarantine: QuarantineSettings::default(),
            instance: InstanceSettings::default(),
            scanners: ScannersSettings::default(),
            scan_server: ScanServerSettings::default(),
            scaler: ScalerSettings::default(),
            fleet: FleetSettings::default(),
        }
    }
}
