//! How a gateway stands with its plan, for who plans.

use crate::certificates::{CertificateNotes, Certificates};
use crate::planned::{PlanMetrics, Progress, Told};
use crate::scanning::Scanning;
use crate::settings::Settings;
use anyhow::Context;
use icapstan_events::Events;
use icapstan_gateway::Gateway;
use icapstan_icap_server::{Budget, ServerMetrics};
use icapstan_proto::fleet;
use icapstan_scan_rpc::{GatewayStanding, StatusConfig, StatusMetrics, StatusServer};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

/// How long those who watch may take to hear that the gateway ends.
const GRACE: Duration = Duration::from_secs(1);

/// Where nobody is listened to yet: a port that is taken should be known early.
pub(crate) struct Door {
    listener: TcpListener,
    config: StatusConfig,
    certificates: Option<Certificates>,
    metrics: StatusMetrics,
}

/// What is told of.
pub(crate) struct Subject {
    pub(crate) told: Arc<Told>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) scanning: Scanning,
    pub(crate) memory: Arc<Budget>,
    pub(crate) requests: ServerMetrics,
}

/// Tells how this gateway is.
pub(crate) struct Standing {
    server: StatusServer,
    certificates: Option<Certificates>,
}

/// Binds the address.
pub(crate) fn bind(settings: &Settings, metrics: &PlanMetrics, events: &Events) -> anyhow::Result<Door> {
    let fleet = &settings.config.fleet;
    let address = fleet.listen;
    let listener = TcpListener::bind(address).with_context(|| format!("{address} cannot be listened on"))?;
    let tls = fleet.tls.as_ref();
    let tls = tls.map(|tls| Certificates::for_operators(tls, metrics.tls.clone(), events)).transpose()?;
    let (certificates, acceptor) = tls.unzip();
    let config = settings.status_server(acceptor);
    Ok(Door { listener, config, certificates, metrics: metrics.status.clone() })
}

// === impl Door ===

impl Door {
    /// Begins to tell.
    pub(crate) fn open(self, subject: Subject) -> anyhow::Result<Standing> {
        let Self { listener, config, certificates, metrics } = self;
        let changes = subject.told.changes();
        let tell = Arc::new(move || subject.standing());
        let server = StatusServer::start(listener, config, tell, changes, &metrics)
            .context("it cannot be told how this gateway is")?;
        Ok(Standing { server, certificates })
    }
}

// === impl Subject ===

impl Subject {
    fn standing(&self) -> GatewayStanding {
        let Self { told, gateway, scanning, memory, requests } = self;
        let Progress { generation, active, prepared, unprepared, fenced } = told.progress();
        let ready = told.readiness().and_then(|()| scanning.readiness());
        let istags = if active > 0 { gateway.istags() } else { Default::default() };
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

// === impl Standing ===

impl Standing {
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.server.local_addr()
    }

    pub(crate) fn certificates(&self) -> Option<&Certificates> {
        self.certificates.as_ref()
    }

    pub(crate) fn notes(&self) -> CertificateNotes {
        self.certificates().map_or_else(CertificateNotes::none, Certificates::notes)
    }

    /// Tells everybody that this gateway is about to end.
    pub(crate) fn drain(&self) {
        self.server.drain();
    }

    /// The same, and waits until they know.
    pub(crate) async fn stop(&self) {
        self.server.stop(GRACE).await;
    }
}
