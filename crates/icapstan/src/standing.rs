//! What a gateway has of a plan, and how it stands with it, for who plans.

use crate::certificates::Certificates;
use crate::planned::{Following, PlanMetrics, Planned, Progress, Told};
use crate::scanning::Scanning;
use crate::settings::Settings;
use crate::standalone::Tier;
use anyhow::Context;
use arc_swap::ArcSwap;
use icapstan_events::Events;
use icapstan_gateway::{Gateway, LoadedUrlLists, UrlListMetrics, UrlListWatcher, UrlLists, WatchedUrlLists};
use icapstan_icap_server::{Budget, Fence, ServerMetrics};
use icapstan_proto::fleet;
use icapstan_scan_rpc::{GatewayStanding, StatusConfig, StatusServer};
use prometheus::Registry;
use rustls::ClientConfig;
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tracing::info;

/// How long those who watch may take to hear that the gateway ends.
const GRACE: Duration = Duration::from_secs(1);

/// What a gateway has of a plan before there is one: nothing, if it is to follow none.
pub(crate) struct Prospect {
    metrics: Option<PlanMetrics>,
    door: Option<Door>,
}

/// Where nobody is listened to yet: a port that is taken should be known early.
struct Door {
    listener: TcpListener,
    config: StatusConfig,
    certificates: Option<Certificates>,
}

/// What a plan is followed with, and what is told of.
pub(crate) struct Subject {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) scanning: Scanning,
    pub(crate) fence: Fence,
    pub(crate) lists: UrlListMetrics,
    pub(crate) events: Events,
    /// What connections to `https` begin with.
    pub(crate) tls: Option<Arc<ArcSwap<ClientConfig>>>,
    pub(crate) memory: Arc<Budget>,
    pub(crate) requests: ServerMetrics,
}

/// The plan that is followed, and who is told how that stands; nothing, if none is followed.
#[derive(Default)]
pub(crate) struct Plan {
    planned: Option<Planned>,
    standing: Option<Standing>,
}

/// Tells how this gateway is.
struct Standing {
    server: StatusServer,
    certificates: Option<Certificates>,
}

// === impl Prospect ===

impl Prospect {
    /// Binds the address, if the settings name a plan that this `tier` follows.
    pub(crate) fn new(
        settings: &Settings,
        tier: Tier,
        registry: &Registry,
        events: &Events,
    ) -> anyhow::Result<Self> {
        if tier == Tier::Standalone {
            return Ok(Self { metrics: None, door: None });
        }
        let metrics = PlanMetrics::register(registry)?;
        let fleet = &settings.config.fleet;
        if !fleet.is_planned() {
            return Ok(Self { metrics: Some(metrics), door: None });
        }
        info!("Services, policies, identity, detectionHeaders and urlLists are those of the plan.");
        let address = fleet.listen;
        let listener =
            TcpListener::bind(address).with_context(|| format!("{address} cannot be listened on"))?;
        let tls = fleet.tls.as_ref();
        let tls = tls.map(|tls| Certificates::for_operators(tls, metrics.tls.clone(), events)).transpose()?;
        let (certificates, acceptor) = tls.unzip();
        let config = settings.status_server(acceptor);
        Ok(Self { metrics: Some(metrics), door: Some(Door { listener, config, certificates }) })
    }

    /// The URL lists of the process, and what watches them. A plan has its own.
    pub(crate) fn url_lists(
        &self,
        settings: &Settings,
        lists: &UrlLists,
        metrics: &UrlListMetrics,
        events: &Events,
    ) -> anyhow::Result<UrlListWatcher> {
        if self.door.is_some() {
            return Ok(UrlListWatcher::none());
        }
        let loaded = settings.url_lists(lists, metrics, events).and_then(LoadedUrlLists::watch);
        loaded.map(WatchedUrlLists::put).context("the URL lists cannot be used")
    }

    /// Begins to follow the plan, and to tell how that stands.
    pub(crate) async fn follow(self, settings: &Settings, subject: Subject) -> anyhow::Result<Plan> {
        let (Some(metrics), Some(door), Scanning::Elsewhere(scanners)) =
            (self.metrics, self.door, &subject.scanning)
        else {
            return Ok(Plan::default());
        };
        let with = Following {
            gateway: Arc::clone(&subject.gateway),
            scanners: Arc::clone(scanners),
            fence: subject.fence.clone(),
            lists: subject.lists.clone(),
            events: subject.events.clone(),
            tls: subject.tls.as_ref().map(|tls| tls.load_full()),
        };
        let status = metrics.status.clone();
        let planned = Planned::start(settings, with, metrics).await.context("no plan can be followed")?;
        let Some(planned) = planned else { return Ok(Plan::default()) };
        let Door { listener, config, certificates } = door;
        let told = planned.told();
        let changes = told.changes();
        let tell = Arc::new(move || subject.standing(&told));
        let server = StatusServer::start(listener, config, tell, changes, &status)
            .context("it cannot be told how this gateway is")?;
        Ok(Plan { planned: Some(planned), standing: Some(Standing { server, certificates }) })
    }
}

// === impl Subject ===

impl Subject {
    fn standing(&self, told: &Told) -> GatewayStanding {
        let Self { gateway, scanning, memory, requests, .. } = self;
        let Progress { generation, active, prepared, unprepared, fenced } = told.progress();
        let ready = told.readiness().and_then(|()| scanning.readiness());
        let istags = if active > 0 { gateway.istags() } else { BTreeMap::new() };
        let signatures = scanning.port().generation();
        GatewayStanding {
            gateway: fleet::Gateway {
                in_flight: requests.requests_under_way(),
                bytes: memory.taken(),
                generation: signatures.map(|id| id.0.to_vec()).unwrap_or_default(),
                active_epoch: active,
                prepared_epoch: prepared,
                unprepared,
                istags: istags.into_iter().map(|(service, tag)| (service, tag.to_string())).collect(),
                fenced: fenced.is_some(),
            },
            plan_generation: generation,
            not_ready: ready.err().unwrap_or_default(),
        }
    }
}

// === impl Plan ===

impl Plan {
    /// What there is to be said of it.
    pub(crate) fn told(&self) -> Option<Arc<Told>> {
        self.planned.as_ref().map(Planned::told)
    }

    /// Who is told what the process has for itself.
    pub(crate) fn base(&self) -> Option<watch::Sender<Arc<Settings>>> {
        self.planned.as_ref().map(Planned::base)
    }

    /// Where it is told how that stands.
    pub(crate) fn address(&self) -> Option<SocketAddr> {
        self.standing.as_ref().map(|standing| standing.server.local_addr())
    }

    /// What is shown there.
    pub(crate) fn certificates(&self) -> Option<&Certificates> {
        self.standing.as_ref()?.certificates.as_ref()
    }

    /// Tells everybody that this gateway is about to end.
    pub(crate) fn drain(&self) {
        if let Some(standing) = &self.standing {
            standing.server.drain();
        }
    }

    /// The same, and waits until they know.
    pub(crate) async fn stop(&self) {
        if let Some(standing) = &self.standing {
            standing.server.stop(GRACE).await;
        }
    }
}
