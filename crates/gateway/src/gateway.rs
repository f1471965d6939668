//! The ICAP services of one process.

use crate::blocked::BlockedUrls;
use crate::identity::Identity;
use crate::metrics::GatewayMetrics;
use crate::record;
use crate::services::{Service as IcapService, Services};
use crate::store::StoreConfig;
use crate::transaction::Transaction;
use crate::url_lists::UrlLists;
use arc_swap::ArcSwap;
use icapstan_api as api;
use icapstan_events::Events;
use icapstan_icap_server::proto::{IcapUri, Method, RequestHead};
use icapstan_icap_server::{Budget, Exchange, ExchangeError, Io, Service};
use icapstan_model::{GenerationId, IsTag, ScanPort};
use icapstan_policy::{Policy, Templates};
use icapstan_telemetry::AccessLog;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use thiserror::Error;

/// What a gateway is made from.
#[derive(Clone, Debug)]
pub struct GatewayConfig {
    /// Services and policies.
    pub services: Vec<api::IcapService>,
    /// What services refer to.
    pub policies: Vec<api::ScanPolicy>,
    /// Who users are.
    pub identity: api::IdentitySettings,
    /// Where URLs are looked up.
    pub url_lists: UrlLists,
    /// The pages that users see.
    pub templates: Arc<Templates>,
    /// `Max-Connections`: what all replicas behind one address take together.
    pub max_connections: u32,
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
}

/// Why a gateway cannot be made.
#[derive(Debug, Error)]
pub enum GatewayError {
    /// A service refers to a policy that is not there.
    #[error("there is no policy {0:?}")]
    NoPolicy(String),
    /// A policy contradicts itself.
    #[error("a policy cannot be used")]
    Policy(#[from] icapstan_policy::CompileError),
    /// Metrics of these names exist already.
    #[error("the gateway's metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

/// Serves REQMOD and RESPMOD by asking a [`ScanPort`] and a policy.
pub struct Gateway {
    pub(crate) services: Services,
    pub(crate) port: Arc<dyn ScanPort>,
    pub(crate) store: StoreConfig,
    pub(crate) metrics: GatewayMetrics,
    pub(crate) blocked: BlockedUrls,
    pub(crate) identity: Identity,
    /// Looked at only when something is blocked.
    pub(crate) templates: ArcSwap<Templates>,
    pub(crate) events: Events,
    access_log: Option<AccessLog>,
    max_connections: u32,
    /// Differs from process to process, so that transaction ids do.
    id_base: u64,
    transactions: AtomicU64,
}

/// One service of a gateway.
#[derive(Clone, Copy, Debug)]
pub struct Route(usize);

// === impl Gateway ===

impl Gateway {
    /// A gateway that asks `port`.
    pub fn new(
        config: &GatewayConfig,
        port: Arc<dyn ScanPort>,
        metrics: GatewayMetrics,
    ) -> Result<Self, GatewayError> {
        let mut policies = HashMap::new();
        for spec in &config.policies {
            policies.insert(spec.name.as_str(), Arc::new(Policy::compile(spec)?));
        }
        let services =
            Services::new(&config.services, &config.url_lists, |name| policies.get(name).map(Arc::clone))
                .map_err(GatewayError::NoPolicy)?;
        metrics.memory_limit.set(i64::try_from(config.memory.limit()).unwrap_or(i64::MAX));
        metrics.spool_limit.set(i64::try_from(config.spool).unwrap_or(i64::MAX));
        let store = StoreConfig {
            memory: Arc::clone(&config.memory),
            spool: Budget::new(config.spool, metrics.spool.clone()),
            dir: config.temp_dir.clone(),
        };
        Ok(Self {
            services,
            port,
            store,
            metrics,
            blocked: BlockedUrls::default(),
            identity: Identity::new(&config.identity),
            templates: ArcSwap::new(Arc::clone(&config.templates)),
            events: config.events.clone(),
            access_log: config.access_log.clone(),
            max_connections: config.max_connections,
            id_base: RandomState::new().hash_one(std::process::id()),
            transactions: AtomicU64::new(0),
        })
    }

    /// Shows these pages from now on.
    pub fn set_templates(&self, templates: Arc<Templates>) {
        self.templates.store(templates);
    }

    /// A new id, to find a transaction in logs by.
    pub(crate) fn next_id(&self) -> u64 {
        // An odd factor spreads the count over all digits and never repeats.
        let count = self.transactions.fetch_add(1, Ordering::Relaxed);
        self.id_base.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }

    fn service(&self, route: Route) -> Option<&IcapService> {
        self.services.get(route.0)
    }
}

impl Service for Gateway {
    type Route = Route;

    fn route(&self, uri: IcapUri<'_>) -> Option<Self::Route> {
        self.services.find(uri.service()).map(Route)
    }

    fn methods<'a>(&'a self, route: &'a Route) -> &'a [Method] {
        self.service(*route).map_or(&[], |service| &service.methods)
    }

    fn istag(&self, route: Option<&Self::Route>) -> IsTag {
        let service = route.and_then(|route| self.service(*route)).or_else(|| self.services.first());
        let generation = self.port.generation();
        service.map_or_else(
            || IsTag::derive(&GenerationId([0; 32]), &[0; 32], ""),
            |service| service.istag(generation.as_ref()),
        )
    }

    fn options(&self, route: &Self::Route, close: bool, out: &mut Vec<u8>) {
        let istag = self.istag(Some(route));
        let Some(route) = self.service(*route) else { return };
        route.options.write(route, istag, self.max_connections, close, out);
    }

    async fn serve<I: Io>(
        &self,
        route: &Self::Route,
        head: &RequestHead,
        exchange: &mut Exchange<'_, I>,
    ) -> Result<(), ExchangeError> {
        let service = self.service(*route).ok_or(ExchangeError::Aborted)?;
        let mut transaction = Transaction::new(self, service, head);
        let Some(log) = &self.access_log else { return transaction.run(exchange).await };
        let started = Instant::now();
        let served = transaction.run(exchange).await;
        record::access(&transaction, log, exchange, served, started);
        served
    }
}
