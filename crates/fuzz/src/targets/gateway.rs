//! Whole sessions with the gateway, its services and policies, and a scanner that finds what the body
//! says.

use crate::expect::{self, Stop, Talk, Told};
use crate::input::Input;
use crate::strict;
use crate::wire::{Line, MOST_BYTES};
use icapstan_api::{
    BlockedUrls, ByteSize, DetectionHeaders, IcapService, IdentitySettings, Rule, RuleAction, RuleMode,
    RuleVerdict, ScanPolicy, ScanScope, ServiceMode,
};
use icapstan_cache::{CacheMetrics, Replica};
use icapstan_events::Events;
use icapstan_gateway::{Gateway, GatewayConfig, GatewayMetrics, GatewaySettings, UrlLists};
use icapstan_hooks::Hooks;
use icapstan_icap_server::proto::{Method, RequestHead};
use icapstan_model::{
    Content, Epoch, Findings, GenerationId, IsTag, Object, Readiness, Refusal, ScanContext, ScanFuture,
    ScanPort, ScanReport, SignatureSet,
};
use icapstan_policy::Policy;
use icapstan_quarantine::Quarantine;
use icapstan_telemetry::Tracer;
use prometheus::Registry;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

mod answers;

/// Talks to a gateway over a socket: flags, a seed for the cuts, then all that the client sends.
///
/// - Each request has one answer, which a reader that forgives nothing can read, with the tag of its
///   service, signatures and policy.
/// - What was found is what policy is asked about, and what it blocks never comes back; the page that
///   comes instead is inert and names its reason.
/// - What passes comes back byte by byte without the fields of one connection, or as 204 or 206 where
///   the client can take that; 100 comes where it must, and every answer to what is not wholly clean
///   says so.
/// - All that holds for sessions.
pub fn gateway(data: &[u8]) {
    let mut input = Input::new(data);
    let (flags, seed) = (input.byte(), input.byte());
    converse(flags & 1 == 0, seed, input.take(MOST_BYTES));
}

/// Sends `wire` to the gateway of this thread, and looks at all answers.
pub(crate) fn converse(loaded: bool, seed: u8, wire: &[u8]) {
    thread_local!(static GATE: Gate = Gate::new());
    GATE.with(|gate| {
        gate.port.loaded.store(loaded, Ordering::Relaxed);
        let received = gate.line.talk(wire, seed);
        expect::compare(expect::expected(wire, gate), &strict::read(&received));
    });
}

/// The gateway of one thread, and what is known of it.
pub(crate) struct Gate {
    line: &'static Line,
    port: Arc<Port>,
    services: Vec<(IcapService, Vec<Method>, Policy)>,
}

/// Finds what the first bytes of an object say.
struct Port {
    epoch: Arc<Epoch>,
    /// Whether there are signatures.
    loaded: AtomicBool,
}

const GENERATION: GenerationId = GenerationId([7; 32]);

/// Behind `!` stand findings, behind `?` a refusal; all else is clean.
fn found(content: &[u8]) -> Result<Findings, Refusal> {
    match content {
        [b'!', rest @ ..] => {
            let mut input = Input::new(rest);
            let mut findings = Findings::clean();
            for _ in 0..4 {
                findings.add(super::policy::verdict(&mut input));
            }
            Ok(findings)
        }
        [b'?', b'q', ..] => Err(Refusal::QueueFull),
        [b'?', b'h', ..] => Err(Refusal::Hopeless),
        _ => Ok(Findings::clean()),
    }
}

/// Three policies: as shipped, of small objects that fail open, and of everything the other way round.
fn policies() -> Vec<ScanPolicy> {
    let mut small = ScanPolicy::new("small");
    small.scan.max_object_size = ByteSize::new(40);
    small.fail_open = true;
    let mut odd = ScanPolicy::new("odd");
    let rule = |mode, verdict, action| Rule { mode, ..Rule::new(verdict, action) };
    odd.rules = vec![
        rule(RuleMode::Any, RuleVerdict::Macro, RuleAction::Block(icapstan_api::Template::Refused)),
        rule(RuleMode::Req, RuleVerdict::Detect, RuleAction::Log),
        rule(RuleMode::Any, RuleVerdict::NonScanned, RuleAction::Block(icapstan_api::Template::NotScanned)),
        rule(RuleMode::Resp, RuleVerdict::Failed, RuleAction::None),
    ];
    vec![ScanPolicy::new("default"), small, odd]
}

fn services() -> Vec<IcapService> {
    let both = [ServiceMode::Reqmod, ServiceMode::Respmod];
    let of =
        |path: &str, policy: &str| IcapService { policy: policy.to_owned(), ..IcapService::new(path, &both) };
    let mut services = IcapService::shipped();
    services.extend([
        IcapService { scan: ScanScope::None, ..of("/none", "default") },
        IcapService { scan: ScanScope::None, allow204: false, ..of("/through", "default") },
        IcapService { scan: ScanScope::Url, allow206: true, ..of("/url", "default") },
        IcapService { allow204: false, ..of("/echo", "default") },
        IcapService { allow204: false, allow206: true, ..of("/part", "small") },
        of("/small", "small"),
        IcapService { allow204: false, ..of("/smallecho", "small") },
        of("/odd", "odd"),
    ]);
    services
}

fn blocked_urls() -> Arc<Replica> {
    let metrics = CacheMetrics::register(&Registry::new()).expect("names are unique");
    Replica::new(&BlockedUrls::default(), metrics)
}

impl Gate {
    fn new() -> Self {
        let signatures = SignatureSet {
            id: GENERATION,
            count: 1,
            test_only: false,
            engine: "none".to_owned(),
            released: None,
        };
        let port =
            Arc::new(Port { epoch: Arc::new(Epoch::new(signatures, None)), loaded: AtomicBool::new(true) });
        let asked = Arc::clone(&port);
        let line = Line::start(|memory| {
            let metrics = GatewayMetrics::register(&Registry::new()).expect("names are unique");
            let config = GatewayConfig {
                settings: GatewaySettings {
                    services: services(),
                    policies: policies(),
                    identity: IdentitySettings::default(),
                    detection_headers: DetectionHeaders::default(),
                    templates: Arc::default(),
                },
                url_lists: UrlLists::default(),
                reputation: None,
                blocked_urls: blocked_urls(),
                max_connections: Some(100),
                memory: Arc::clone(memory),
                spool: 0,
                temp_dir: "/nonexistent".into(),
                access_log: None,
                events: Events::default(),
                hooks: Hooks::default(),
                quarantine: Quarantine::default(),
                tracer: Tracer::off(),
            };
            Gateway::new(&config, asked, metrics).expect("policies and services fit")
        });
        let compiled = |service: IcapService| {
            let methods = service.modes.iter().map(|mode| match mode {
                ServiceMode::Reqmod => Method::Reqmod,
                ServiceMode::Respmod => Method::Respmod,
            });
            let methods = methods.collect();
            let policy = policies().into_iter().find(|policy| policy.name == service.policy);
            let policy = Policy::compile(&policy.expect("is there")).expect("can be used");
            (service, methods, policy)
        };
        Self { line, port, services: services().into_iter().map(compiled).collect() }
    }

    fn find(&self, path: &str) -> Option<&(IcapService, Vec<Method>, Policy)> {
        self.services
            .iter()
            .find(|(service, ..)| service.paths().any(|known| known.trim_matches('/') == path))
    }

    fn is_loaded(&self) -> bool {
        self.port.loaded.load(Ordering::Relaxed)
    }
}

impl Told for Gate {
    fn methods(&self, service: &str) -> Option<&[Method]> {
        self.find(service).map(|(_, methods, _)| methods.as_slice())
    }

    fn tag(&self, service: Option<&str>) -> String {
        let found = service.and_then(|service| self.find(service)).or_else(|| self.services.first());
        let (service, _, policy) = found.expect("there are services");
        let generation = if self.is_loaded() { GENERATION } else { GenerationId([0; 32]) };
        let mut basis = blake3::Hasher::new_derive_key("icapstan settings of a service v1");
        basis.update(policy.hash());
        basis.update(&[service.scan.url().into(), service.scan.content().into()]);
        let identity = serde_json::to_vec(&IdentitySettings::default()).expect("settings can be written");
        basis.update(blake3::hash(&identity).as_bytes());
        IsTag::derive(&generation, basis.finalize().as_bytes(), service.path.trim_matches('/')).to_string()
    }

    fn serve(&self, head: &RequestHead, talk: &mut Talk<'_>) -> Result<(), Stop> {
        let path = head.uri().service();
        let (service, _, policy) = self.find(path).expect("was found before");
        let asked =
            answers::Asked { service, policy, head, tag: self.tag(Some(path)), loaded: self.is_loaded() };
        asked.serve(talk)
    }
}

impl ScanPort for Port {
    fn epoch(&self) -> Option<Arc<Epoch>> {
        self.loaded.load(Ordering::Relaxed).then(|| Arc::clone(&self.epoch))
    }

    fn scan<'a>(&'a self, object: Object, _: ScanContext, _: &'a Arc<Epoch>, _: Instant) -> ScanFuture<'a> {
        Box::pin(async move {
            let Content::Memory(bytes) = object.content else { panic!("too small for a file") };
            assert_eq!(bytes.len() as u64, object.len);
            found(&bytes).map(ScanReport::unscanned)
        })
    }

    fn readiness(&self) -> Readiness {
        Readiness::Ready
    }
}
