//! The ICAP services of one process.

use crate::client::Client;
use crate::identity::Identity;
use crate::metrics::GatewayMetrics;
use crate::options::Advertised;
use crate::record;
use crate::services::{Pins, Service as IcapService, Services, ServicesError, Shared};
use crate::store::StoreConfig;
use crate::trace;
use crate::transaction::Transaction;
use crate::url_lists::UrlLists;
use arc_swap::ArcSwap;
use icapstan_api as api;
use icapstan_cache::Replica;
use icapstan_events::Events;
use icapstan_hooks::Hooks;
use icapstan_icap_server::proto::{IcapUri, Method, RequestHead};
use icapstan_icap_server::{Budget, Exchange, ExchangeError, Io, Service};
use icapstan_model::{GenerationId, IsTag, ScanPort};
use icapstan_policy::{Policy, Templates};
use icapstan_quarantine::Quarantine;
use icapstan_reputation::Reputation;
use icapstan_telemetry::{AccessLog, Begun, Tracer};
use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};
use thiserror::Error;

/// What a gateway is made from.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// What it serves, and how, until it is told otherwise.
    pub settings: GatewaySettings,
    /// Where URLs are looked up.
    pub url_lists: UrlLists,
    /// Who is asked about URLs in no list.
    pub reputation: Option<Arc<Reputation>>,
    /// URLs whose download was cut.
    pub blocked_urls: Arc<Replica>,
    /// `Max-Connections`: what all replicas behind one address take together, if clients are told.
    pub max_connections: Option<u32>,
    /// What bodies that are held in memory take theirs from.
    pub memory: Arc<Budget>,
    /// Bytes of bodies held in spool files at once.
    pub spool: u64,
    /// The folder for spool files.
    pub temp_dir: PathBuf,
    /// What takes a line for each transaction.
    pub access_log: Option<AccessLog>,
    /// What takes an event for each message that is not found clean, or that a rule keeps back.
    pub events: Events,
    /// What rules call.
    pub hooks: Hooks,
    /// Where infected objects are kept.
    pub quarantine: Quarantine,
    /// What tells where transactions take their time.
    pub tracer: Tracer,
}

/// What may be changed while requests go on.
#[derive(Clone, Debug)]
pub struct GatewaySettings {
    /// Services and policies.
    pub services: Vec<api::IcapService>,
    /// What services refer to.
    pub policies: Vec<api::ScanPolicy>,
    /// Who users are.
    pub identity: api::IdentitySettings,
    /// What answers say of threats.
    pub detection_headers: api::DetectionHeaders,
    /// The pages that users see.
    pub templates: Arc<Templates>,
}

/// Settings that were found to be usable.
#[derive(Debug)]
pub struct Prepared(Services);

/// Settings that were found to be usable, for as many epochs as name them.
#[derive(Debug)]
pub struct Compiled {
    specs: Vec<api::IcapService>,
    policies: HashMap<String, Arc<Policy>>,
    shared: Arc<Shared>,
}

/// Why a gateway cannot be made, or its settings not be used.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// A service refers to a policy that is not there.
    #[error("there is no policy {0:?}")]
    NoPolicy(String),
    /// A plan says nothing of a service that its settings have.
    #[error("the plan has no ISTag for the service {0:?}")]
    NoTag(String),
    /// A policy contradicts itself.
    #[error("a policy cannot be used")]
    Policy(#[from] icapstan_policy::CompileError),
    /// Metrics of these names exist already.
    #[error("the gateway's metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

/// Serves REQMOD and RESPMOD by asking a [`ScanPort`] and a policy.
pub struct Gateway {
    services: ArcSwap<Services>,
    url_lists: UrlLists,
    pub(crate) port: Arc<dyn ScanPort>,
    pub(crate) store: StoreConfig,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) blocked: Arc<Replica>,
    pub(crate) reputation: Option<Arc<Reputation>>,
    pub(crate) events: Events,
    pub(crate) hooks: Hooks,
    pub(crate) quarantine: Quarantine,
    tracer: Tracer,
    access_log: Option<AccessLog>,
    max_connections: Option<u32>,
    /// Seconds.
    most_ttl: AtomicU32,
    /// Differs from process to process, so that transaction ids do.
    id_base: u64,
    transactions: AtomicU64,
}

/// One service of a gateway.
#[derive(Clone, Debug)]
pub struct Route(Arc<IcapService>);

// === impl Gateway ===

impl Gateway {
    /// A gateway that asks `port`.
    pub fn new(
        config: &GatewayConfig,
        port: Arc<dyn ScanPort>,
        metrics: GatewayMetrics,
    ) -> Result<Self, GatewayError> {
        let compiled = config.settings.compile(&config.url_lists, config.reputation.as_deref())?;
        let services = compiled.services(None)?;
        metrics.memory_limit.set(i64::try_from(config.memory.limit()).unwrap_or(i64::MAX));
        metrics.spool_limit.set(i64::try_from(config.spool).unwrap_or(i64::MAX));
        let store = StoreConfig {
            memory: Arc::clone(&config.memory),
            spool: Budget::new(config.spool, metrics.spool.clone()),
            dir: config.temp_dir.clone(),
        };
        Ok(Self {
            services: ArcSwap::from_pointee(services),
            url_lists: config.url_lists.clone(),
            port,
            store,
            metrics,
            blocked: Arc::clone(&config.blocked_urls),
            reputation: config.reputation.clone(),
            events: config.events.clone(),
            hooks: config.hooks.clone(),
            quarantine: config.quarantine.clone(),
            tracer: config.tracer.clone(),
            access_log: config.access_log.clone(),
            max_connections: config.max_connections,
            most_ttl: AtomicU32::new(u32::MAX),
            id_base: RandomState::new().hash_one(std::process::id()),
            transactions: AtomicU64::new(0),
        })
    }

    /// Makes these settings ready for [`Gateway::apply`], if all of them can be used.
    pub fn prepare(&self, settings: &GatewaySettings) -> Result<Prepared, GatewayError> {
        Ok(Prepared(self.compile(settings, &self.url_lists)?.services(None)?))
    }

    /// Makes these settings ready for epochs of a plan. `url_lists` are theirs alone.
    pub fn compile(
        &self,
        settings: &GatewaySettings,
        url_lists: &UrlLists,
    ) -> Result<Compiled, GatewayError> {
        settings.compile(url_lists, self.reputation.as_deref())
    }

    /// Serves by these settings from now on, and those of an epoch by its signatures and tags. What is under way ends
    /// by what it began with.
    ///
    /// All of it changes at once: each message is served by what was before, or by what is now. An epoch that comes
    /// before the one in use is not taken: false then.
    pub fn apply(&self, prepared: Prepared) -> bool {
        let services = Arc::new(prepared.0);
        let before = self.services.rcu(|now| {
            if services.number() < now.number() { Arc::clone(now) } else { Arc::clone(&services) }
        });
        before.number() <= services.number()
    }

    /// Of the epoch that transactions begin with; 0 without a plan.
    pub fn epoch(&self) -> u64 {
        self.services.load().number()
    }

    /// What answers are named after now, by the paths of services without slashes around them.
    pub fn istags(&self) -> BTreeMap<String, IsTag> {
        let services = self.services.load();
        services.all().map(|service| (service.id.to_string(), service.istag_now(&*self.port))).collect()
    }

    /// The paths of services, sorted.
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<_> = self.services.load().all().map(|service| service.path.to_string()).collect();
        paths.sort_unstable();
        paths
    }

    /// Has clients ask for options again after that time at the latest, whatever services say; `None` leaves it to
    /// these.
    pub fn shorten_options(&self, most: Option<Duration>) {
        let seconds = most.map_or(u32::MAX, |most| u32::try_from(most.as_secs()).unwrap_or(u32::MAX));
        self.most_ttl.store(seconds, Ordering::Relaxed);
    }

    /// A new id, to find a transaction in logs by.
    pub(crate) fn next_id(&self) -> u64 {
        // An odd factor spreads the count over all digits and never repeats.
        let count = self.transactions.fetch_add(1, Ordering::Relaxed);
        self.id_base.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}

// === impl GatewaySettings ===

impl GatewaySettings {
    fn compile(
        &self,
        url_lists: &UrlLists,
        reputation: Option<&Reputation>,
    ) -> Result<Compiled, GatewayError> {
        let mut policies = HashMap::new();
        for spec in &self.policies {
            policies.insert(spec.name.clone(), Arc::new(Policy::compile(spec)?));
        }
        let shared = Arc::new(Shared {
            identity: Identity::new(&self.identity),
            asked: reputation.map(Reputation::identity),
            detection: self.detection_headers.clone(),
            templates: Arc::clone(&self.templates),
            url_lists: url_lists.clone(),
        });
        Ok(Compiled { specs: self.services.clone(), policies, shared })
    }
}

// === impl Compiled ===

impl Compiled {
    /// The same with the signatures and tags of an epoch, for [`Gateway::apply`].
    pub fn pin(&self, pins: &Pins) -> Result<Prepared, GatewayError> {
        Ok(Prepared(self.services(Some(pins))?))
    }

    fn services(&self, pins: Option<&Pins>) -> Result<Services, GatewayError> {
        let policy = |name: &str| self.policies.get(name).map(Arc::clone);
        Ok(Services::new(&self.specs, &self.shared, policy, pins)?)
    }
}

// === impl GatewayError ===

impl From<ServicesError> for GatewayError {
    fn from(error: ServicesError) -> Self {
        match error {
            ServicesError::NoPolicy(name) => Self::NoPolicy(name),
            ServicesError::NoTag(service) => Self::NoTag(service),
        }
    }
}

// === impl Service for Gateway ===

impl Service for Gateway {
    type Route = Route;

    fn route(&self, uri: IcapUri<'_>) -> Option<Self::Route> {
        self.services.load().find(uri.service()).map(|service| Route(Arc::clone(service)))
    }

    fn methods<'a>(&'a self, route: &'a Route) -> &'a [Method] {
        &route.0.methods
    }

    fn istag(&self, route: Option<&Self::Route>) -> IsTag {
        if let Some(Route(service)) = route {
            return service.istag_now(&*self.port);
        }
        self.services.load().first().map_or_else(
            || IsTag::derive(&GenerationId([0; 32]), &[0; 32], ""),
            |service| service.istag_now(&*self.port),
        )
    }

    fn options(&self, route: &Self::Route, close: bool, out: &mut Vec<u8>) {
        let istag = self.istag(Some(route));
        let Route(service) = route;
        let most_ttl = self.most_ttl.load(Ordering::Relaxed);
        let advertised = Advertised { max_connections: self.max_connections, most_ttl };
        service.options.write(service, istag, advertised, close, out);
    }

    async fn serve<I: Io>(
        &self,
        route: &Self::Route,
        head: &RequestHead,
        exchange: &mut Exchange<'_, I>,
    ) -> Result<(), ExchangeError> {
        let mut transaction = Transaction::new(self, &route.0, head);
        transaction.client = Client::of(exchange.caller());
        Begun { span: transaction.span, trace: transaction.trace } =
            trace::begin(&self.tracer, head, transaction.mode);
        let started = self.access_log.as_ref().map(|_| Instant::now());
        let served = transaction.run(exchange).await;
        if let (Some(log), Some(started)) = (&self.access_log, started) {
            record::access(&transaction, log, exchange, served, started);
        }
        trace::end(&mut transaction, exchange, served);
        served
    }
}
