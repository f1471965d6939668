//! A gateway that follows the plan of its fleet.
//!
//! ```text
//!  plan ─▶ settings by digest: fetch ─▶ compile ─▶ ready ─┐
//!   └──▶ epoch: signatures, tags ────────────────────────┴▶ pinned ahead ─▶ at its instant: one store ─▶ transactions
//!  what scanners know of plans ─▶ behind for too long ─▶ fence
//! ```
//!
//! All of it on a thread of its own, so that no load delays the instant in which all gateways change at once.
//!
//! Invariants
//! 1. An epoch with a lower number never takes the place of another, whatever plans, clocks or files say.
//! 2. Settings that cannot be used change nothing, and say why.
//! 3. Nothing is compiled or fetched in the instant in which an epoch begins that was announced.
//! 4. A gateway that knows that its fleet has gone on without it serves nobody.

mod engine;
mod prepare;
mod schedule;
mod told;

pub(crate) use told::{Progress, Told};

use crate::settings::Settings;
use anyhow::Context;
use engine::{Engine, State};
use icapstan_api::FleetSettings;
use icapstan_artifacts::{FetchOptions, Fetcher, Store};
use icapstan_events::Events;
use icapstan_follow::{
    FileSource, FollowMetrics, FollowOptions, Follower, KubernetesSource, PlanName, PlanSource, StateFolder,
};
use icapstan_gateway::{EpochMetrics, Gateway, UrlListMetrics};
use icapstan_icap_server::Fence;
use icapstan_scan_rpc::{RemoteScanners, StatusMetrics};
use icapstan_telemetry::CertificateMetrics;
use prepare::Workshop;
use prometheus::Registry;
use rustls::ClientConfig;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};
use tracing::error;

/// What a plan is followed with.
pub(crate) struct Following {
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) scanners: Arc<RemoteScanners>,
    pub(crate) fence: Fence,
    pub(crate) lists: UrlListMetrics,
    pub(crate) events: Events,
    /// What connections to `https` begin with.
    pub(crate) tls: Option<Arc<ClientConfig>>,
}

/// What operators see of it, whether there is a plan or not.
#[derive(Clone)]
pub(crate) struct PlanMetrics {
    follow: FollowMetrics,
    epochs: EpochMetrics,
    /// Of who watches how the gateway stands.
    pub(crate) status: StatusMetrics,
    /// Of the certificate that they are shown.
    pub(crate) tls: CertificateMetrics,
}

/// A plan that is followed, until this is dropped.
pub(crate) struct Planned {
    told: Arc<Told>,
    /// What the process has for itself, for who changes it.
    base: watch::Sender<Arc<Settings>>,
    _ends: oneshot::Sender<()>,
}

// === impl PlanMetrics ===

impl PlanMetrics {
    pub(crate) fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        Ok(Self {
            follow: FollowMetrics::register(registry)?,
            epochs: EpochMetrics::register(registry)?,
            status: StatusMetrics::register(registry)?,
            tls: CertificateMetrics::register_fleet(registry)?,
        })
    }
}

// === impl Planned ===

impl Planned {
    /// Begins to follow, if the settings name a plan.
    pub(crate) async fn start(
        settings: &Settings,
        with: Following,
        metrics: PlanMetrics,
    ) -> anyhow::Result<Option<Self>> {
        let fleet = &settings.config.fleet;
        let Some(folder) = fleet.state.as_deref().filter(|_| fleet.is_planned()) else { return Ok(None) };
        let told = Arc::new(Told::new(metrics.epochs));
        let state = StateFolder::open(folder)?;
        let store = open_store(folder, fleet)?;
        let (base, base_now) = watch::channel(Arc::new(settings.clone()));
        let (ends, is_over) = oneshot::channel();
        let source = source(fleet).await?;
        let (stale_after, own) = (fleet.plan_stale_after, Arc::clone(&told));
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("the plan's runtime cannot be started")?;
        let run = async move {
            let options = FollowOptions { state: Some(state), ..FollowOptions::default() };
            let follower = Arc::new(Follower::start(source, options, metrics.follow));
            own.follows(Arc::clone(&follower));
            let Following { gateway, scanners, fence, lists, events, tls } = with;
            let fetcher = Fetcher::new(store, FetchOptions { tls, ..FetchOptions::default() });
            let workshop = Workshop { fetcher, gateway, lists, events };
            let engine = Engine {
                plans: follower.plans(),
                base: base_now,
                workshop,
                scanners,
                fence,
                told: own,
                stale_after,
                state: State::default(),
            };
            engine.run().await;
        };
        std::thread::Builder::new()
            .name("icapstan-plan".to_owned())
            .spawn(move || {
                runtime.block_on(async {
                    tokio::select! {
                        () = run => error!("The plan is not followed any more."),
                        // An error too: nobody has the other end any more.
                        _ = is_over => {}
                    }
                });
                // What still compiles has no one left to wait for it.
                runtime.shutdown_background();
            })
            .context("no thread for the plan can be had")?;
        Ok(Some(Self { told, base, _ends: ends }))
    }

    /// What there is to be said of it.
    pub(crate) fn told(&self) -> Arc<Told> {
        Arc::clone(&self.told)
    }

    /// What is to be told of other settings of the process.
    pub(crate) fn base(&self) -> watch::Sender<Arc<Settings>> {
        self.base.clone()
    }
}

/// Where the files of a plan are kept.
pub(crate) fn open_store(folder: &Path, fleet: &FleetSettings) -> anyhow::Result<Store> {
    let folder = folder.join("artifacts");
    let shown = folder.display().to_string();
    Store::open(folder, fleet.state_size.bytes()).with_context(|| format!("{shown} cannot be used"))
}

/// Where the plan comes from.
pub(crate) async fn source(fleet: &FleetSettings) -> anyhow::Result<Box<dyn PlanSource>> {
    if let Some(path) = &fleet.plan {
        return Ok(Box::new(FileSource::new(path)));
    }
    let name = fleet.plan_name.clone().context("no plan is named")?;
    let name = PlanName { namespace: fleet.plan_namespace.clone(), name };
    Ok(Box::new(KubernetesSource::infer(&name).await?))
}
