//! `icapstan standalone` and `icapstan gateway`: what serves ICAP, with a scanner in this process or with others.

use crate::certificates::{CertificateNotes, Certificates};
use crate::cli::Flags;
use crate::exit::{Exit, chain};
use crate::fleet::{Fleet, FleetNotes};
use crate::hooks;
use crate::listeners::{self, Bound};
use crate::memory;
use crate::process::{Signals, run_to_end, signatures_document};
use crate::quarantine;
use crate::reload::{Followers, Hashes, Reloader, Serving};
use crate::scanning::Scanning;
use crate::settings::{Lookups, Settings};
use crate::siem;
use crate::standing::{Plan, Prospect, Subject};
use crate::statistics;
use crate::tally::Tally;
use anyhow::{Context, bail};
use arc_swap::ArcSwap;
use icapstan_api::Config;
use icapstan_cache::{CacheMetrics, FleetPoison, Share, Standing, VerdictMetrics};
use icapstan_events::Events;
use icapstan_gateway::{Gateway, GatewayMetrics, UrlListMetrics, UrlLists};
use icapstan_hooks::Hooks;
use icapstan_icap_server::{AccessControl, Budget, Server, ServerMetrics};
use icapstan_quarantine::Quarantine;
use icapstan_reputation::ReputationMetrics;
use icapstan_scan_rpc::{ClientMetrics, RemoteScanners};
use icapstan_scanner::{
    HashListMetrics, HashLists, LoadedHashLists, PlannedSignatures, Scanner, SignatureSource,
    WatchedHashLists, find_worker,
};
use icapstan_telemetry::{
    AccessLog, AccessLogError, AccessLogGuard, AdminServer, CertificateMetrics, Document, Ready,
    ReloadMetrics,
};
use parking_lot::Mutex;
use prometheus::Registry;
use rustls::ClientConfig;
use serde_json::json;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tracing::{error, field, info, warn};

/// How long requests that are under way may take after SIGTERM. Longer than the scan timeout,
/// and with what follows shorter than the 30 s after which Kubernetes kills.
const GRACE: Duration = Duration::from_secs(20);

/// Where objects are scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tier {
    /// Here.
    Standalone,
    /// In other processes.
    Gateway,
}

/// What this process shows to others of its fleet, as it is renewed.
type OwnTls = Arc<ArcSwap<ClientConfig>>;

/// Runs until a signal ends it.
pub(crate) fn run(args: &Flags, tier: Tier) -> Exit {
    let mut settings = match Settings::load(args) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("icapstan: {}", chain(&error));
            return Exit::Usage;
        }
    };
    // Writes what is still queued when it is dropped.
    let _log =
        match icapstan_telemetry::init_logging(&settings.config.log.level.to_string(), settings.log_format())
        {
            Ok(log) => log,
            Err(error) => {
                eprintln!("icapstan: {}", chain(&error));
                return Exit::Failure;
            }
        };
    // The same for the lines of the access log.
    let (access_log, _access_log) = match open_access_log(&settings) {
        Ok(opened) => opened.unzip(),
        Err(error) => {
            error!(error = chain(&error), "icapstan ends.");
            return Exit::Failure;
        }
    };
    // The same for traces.
    let (tracer, _traces) = match icapstan_otlp::start(&settings.config.tracing, env!("CARGO_PKG_VERSION")) {
        Ok(started) => started,
        Err(error) => {
            error!(error = chain(&error), "icapstan ends.");
            return Exit::Failure;
        }
    };
    settings.tracer = tracer;
    let registry = Arc::new(Registry::new());
    let (events, guard) = match siem::start(&settings.config.events, &registry) {
        Ok(started) => started,
        Err(error) => {
            error!(error = format!("{error:#}"), "icapstan ends.");
            return Exit::Failure;
        }
    };
    let (hooks, hooks_guard) = match hooks::start(&settings.config.hooks, &registry) {
        Ok(started) => started,
        Err(error) => {
            error!(error = format!("{error:#}"), "icapstan ends.");
            return Exit::Failure;
        }
    };
    let Config { quarantine, limits, .. } = &settings.config;
    let started = quarantine::start(quarantine, settings.memory(), limits.spool.bytes(), &registry);
    let (quarantine, quarantine_guard) = match started {
        Ok(started) => started,
        Err(error) => {
            error!(error = format!("{error:#}"), "icapstan ends.");
            return Exit::Failure;
        }
    };
    let exit = run_with((args, tier), &settings, &registry, access_log, &events, &hooks, &quarantine);
    // All at once: together they take no longer than one.
    let last = [hooks::stop(hooks_guard), quarantine::stop(quarantine_guard)];
    siem::stop(guard);
    for thread in last.into_iter().flatten() {
        // Without the thread the guard has done it.
        let _ = thread.join();
    }
    exit
}

/// Runs with all that takes lines and events.
fn run_with(
    args: (&Flags, Tier),
    settings: &Settings,
    registry: &Arc<Registry>,
    access_log: Option<AccessLog>,
    events: &Events,
    hooks: &Hooks,
    quarantine: &Quarantine,
) -> Exit {
    let serving = serve(args, settings, registry, access_log, events, hooks, quarantine);
    run_to_end(settings, events, settings.config.limits.sessions, serving)
}

fn open_access_log(settings: &Settings) -> Result<Option<(AccessLog, AccessLogGuard)>, AccessLogError> {
    settings.access_target().map(|target| AccessLog::start(&target, settings.log_format())).transpose()
}

/// What runs beside the server.
#[derive(Clone, Copy)]
struct Parts<'p> {
    settings: &'p Settings,
    registry: &'p Arc<Registry>,
    scanning: &'p Scanning,
    events: &'p Events,
    reloader: &'p Reloader,
    /// Of what blocked URLs are shared through, if they are.
    standing: Option<&'p Standing>,
    fleet: &'p FleetNotes,
    certificates: Option<&'p Certificates>,
    /// Those that scanners are shown.
    own: Option<&'p Certificates>,
    plan: &'p Plan,
    bound: Bound,
}

async fn serve(
    (args, tier): (&Flags, Tier),
    settings: &Settings,
    registry: &Arc<Registry>,
    access_log: Option<AccessLog>,
    events: &Events,
    hooks: &Hooks,
    quarantine: &Quarantine,
) -> anyhow::Result<()> {
    icapstan_telemetry::register_build_info(registry, env!("CARGO_PKG_VERSION"))?;
    icapstan_telemetry::register_log_metrics(registry)?;
    icapstan_telemetry::register_trace_metrics(registry)?;
    let mut signals = Signals::listen().context("signals cannot be received")?;
    // Bound first: a port that is taken should be known before a database is loaded.
    let metrics = GatewayMetrics::register(registry)?;
    let memory = Budget::new(settings.memory(), metrics.memory.clone());
    let access = AccessControl::new(listeners::access(&settings.config.clients)?);
    let certificate_metrics = CertificateMetrics::register(registry)?;
    let certificates = settings.config.tls.as_ref();
    let certificates =
        certificates.map(|tls| Certificates::for_clients(tls, certificate_metrics, events)).transpose()?;
    let (certificates, acceptor) = certificates.unzip();
    let server_metrics = ServerMetrics::register(registry)?;
    let mut server = Server::new(settings.server(&memory, access.clone()), server_metrics.clone());
    let bound = Bound::bind(settings, &mut server, acceptor.as_ref())?;
    let url_lists = UrlLists::default();
    // Before the scanner: what cannot be used should be known before a database is loaded.
    let list_metrics = UrlListMetrics::register(registry)?;
    let prospect = Prospect::new(settings, tier, registry, events)?;
    let watcher = prospect.url_lists(settings, &url_lists, &list_metrics, events)?;
    let hashes = match tier {
        Tier::Standalone => Some(load_hashes(settings, registry, events)?),
        Tier::Gateway => None,
    };
    let reputation = settings
        .reputation(ReputationMetrics::register(registry)?)
        .context("the reputation service cannot be asked")?;
    let cache_metrics = CacheMetrics::register(registry)?;
    let (blocked_urls, share) =
        settings.blocked_urls(&cache_metrics).context("blocked URLs cannot be shared")?;
    let fleet = share_through_redis(settings, tier, registry, &cache_metrics)?;
    let fleet_notes = fleet.notes();
    let standing = share.as_ref().map(Share::standing);
    let (scanning, own, tls) = match &hashes {
        Some(hashes) => {
            (Scanning::Here(start_scanner(settings, hashes, fleet.poison, None, registry).await?), None, None)
        }
        None => ask_scanners(settings, registry, events)?,
    };
    let tally = Tally::new(registry, events, &scanning);
    let port = settings.cached(scanning.port(), VerdictMetrics::register(registry)?, fleet.verdicts)?;
    let lookups = Lookups { url_lists: url_lists.clone(), reputation, blocked_urls };
    let gateway = Arc::new(Gateway::new(
        &settings.gateway(&memory, access_log, lookups, events, hooks, quarantine),
        port,
        metrics,
    )?);
    let subject = Subject {
        gateway: Arc::clone(&gateway),
        scanning: scanning.clone(),
        fence: server.fence(),
        lists: list_metrics.clone(),
        events: events.clone(),
        tls,
        memory: Arc::clone(&memory),
        requests: server_metrics,
    };
    let plan = prospect.follow(settings, subject).await?;
    let metrics = ReloadMetrics::register(registry)?;
    let serving = Serving {
        gateway: Arc::clone(&gateway),
        access,
        url_lists,
        metrics: list_metrics,
        watcher,
        base: plan.base(),
    };
    let followers = Followers { serving: Some(serving), hashes, events: events.clone(), metrics };
    let reloader =
        Reloader::start(args, settings, followers).context("no thread for the settings can be had")?;
    let certificates = certificates.as_ref();
    let parts = Parts {
        settings,
        registry,
        scanning: &scanning,
        events,
        reloader: &reloader,
        standing: standing.as_ref(),
        fleet: &fleet_notes,
        certificates,
        own: own.as_ref(),
        plan: &plan,
        bound,
    };
    let serving = serve_with(&parts, server, gateway, &mut signals);
    let result = tokio::select! {
        result = serving => result,
        never = memory::give_back(|| memory.taken()) => never,
        never = tally.run() => never,
    };
    tally.tell_rest();
    let result = result.map(|has_served| {
        if has_served {
            siem::tell_stop(events);
        }
    });
    plan.stop().await;
    // Also after a failure: processes end and temporary files go.
    scanning.shutdown().await;
    result
}

/// What is shared through Redis.
fn share_through_redis(
    settings: &Settings,
    tier: Tier,
    registry: &Registry,
    metrics: &CacheMetrics,
) -> anyhow::Result<Fleet> {
    let mut fleet = Fleet::default();
    fleet.share_verdicts(&settings.config, registry, metrics)?;
    if tier == Tier::Standalone {
        fleet.share_poison(&settings.config, registry, metrics)?;
    }
    Ok(fleet)
}

/// Hash lists as the settings have them, and what they are followed with.
pub(crate) fn load_hashes(
    settings: &Settings,
    registry: &Registry,
    events: &Events,
) -> anyhow::Result<Hashes> {
    let lists = HashLists::default();
    let metrics = HashListMetrics::register(registry)?;
    let watcher = settings
        .hash_lists(&lists, &metrics, events)
        .and_then(LoadedHashLists::watch)
        .map(WatchedHashLists::put)
        .context("the hash lists cannot be used")?;
    Ok(Hashes { lists, metrics, watcher })
}

/// A scanner in this process.
pub(crate) async fn start_scanner(
    settings: &Settings,
    hashes: &Hashes,
    poison: Option<Arc<FleetPoison>>,
    planned: Option<PlannedSignatures>,
    registry: &Registry,
) -> anyhow::Result<Arc<Scanner>> {
    let worker = match find_worker() {
        Some(worker) => worker,
        // Nobody will start it.
        None if settings.uses_clamd() => PathBuf::new(),
        None => bail!(
            "icapstan-clamav-worker is neither beside this program nor in PATH; build it with `make build`"
        ),
    };
    let mut config = settings.scanner(worker, hashes.lists.clone(), poison);
    if let Some(planned) = planned {
        config.signatures = SignatureSource::Planned(planned);
        // Those of the plan.
        config.rules = None;
    }
    Scanner::start(config, registry).await.context("the scanner cannot be started")
}

/// Scanners in other processes, and the certificate that they are shown.
fn ask_scanners(
    settings: &Settings,
    registry: &Registry,
    events: &Events,
) -> anyhow::Result<(Scanning, Option<Certificates>, Option<OwnTls>)> {
    let scanners = &settings.config.scanners;
    if scanners.addresses.is_empty() {
        bail!("no scanner is named: give --scanner HOST:PORT, or set scanners.addresses");
    }
    let metrics = CertificateMetrics::register_tier(registry)?;
    let tls =
        scanners.tls.as_ref().map(|tls| Certificates::for_scanners(tls, metrics, events)).transpose()?;
    let (own, config) = tls.unzip();
    let (metrics, tls) = (ClientMetrics::register(registry)?, config.clone());
    let is_planned = settings.config.fleet.is_planned();
    let start = if is_planned { RemoteScanners::start_planned } else { RemoteScanners::start };
    let remote = start(settings.scanners(config), metrics);
    Ok((Scanning::Elsewhere(Arc::new(remote)), own, tls))
}

/// Serves until a signal ends it. False if that came before anything was served.
async fn serve_with(
    parts: &Parts<'_>,
    server: Server,
    gateway: Arc<Gateway>,
    signals: &mut Signals,
) -> anyhow::Result<bool> {
    let Parts { scanning, events, bound, .. } = *parts;
    let unserved = Arc::new(Mutex::new(Some("starting")));
    let admin = start_admin(parts, &unserved)?;
    info!(admin = %admin.local_addr(), "Probes and metrics are answered.");
    let mut epochs = scanning.epochs();
    let loaded = tokio::select! {
        loaded = epochs.wait_for(Option::is_some) => loaded.is_ok(),
        () = signals.end(|| parts.reload()) => false,
    };
    if loaded {
        let gateway_paths = gateway.paths();
        let shutdown =
            server.start(gateway).with_context(|| format!("{} cannot be listened on", bound.shown()))?;
        *unserved.lock() = None;
        info!(
            icap = bound.icap.map(field::display),
            icaps = bound.icaps.map(field::display),
            icap_proxy_protocol = bound.proxied.map(field::display),
            fleet = parts.plan.address().map(field::display),
            admin = %admin.local_addr(),
            services = gateway_paths.join(" "),
            "listening"
        );
        siem::tell_start(events, &format!("ICAP at {}", bound.shown()), &epochs);
        tokio::spawn(siem::tell_changes(events.clone(), epochs));
        signals.end(|| parts.reload()).await;
        *unserved.lock() = Some("stopping");
        parts.plan.drain();
        info!("Stopping: requests that are under way are answered. A second signal ends them.");
        tokio::select! {
            in_time = shutdown.stop(GRACE) => if !in_time {
                warn!("Some connections did not end in time.");
            },
            () = signals.end(|| parts.reload()) => warn!("Connections that were under way are cut."),
        }
    }
    info!("Stopped.");
    Ok(loaded)
}

fn start_admin(
    parts: &Parts<'_>,
    unserved: &Arc<Mutex<Option<&'static str>>>,
) -> anyhow::Result<AdminServer> {
    let Parts { settings, registry, scanning, reloader, standing, fleet, certificates, own, bound, .. } =
        *parts;
    let (notes, standing, fleet) = (reloader.notes(), standing.cloned(), fleet.clone());
    let (planned, own_plan) = (parts.plan.told(), parts.plan.told());
    let watched = parts.plan.certificates().map_or_else(CertificateNotes::none, Certificates::notes);
    let tls = certificates.map_or_else(CertificateNotes::none, Certificates::notes);
    let own = own.map_or_else(CertificateNotes::none, Certificates::notes);
    let (scans, unserved) = (scanning.clone(), Arc::clone(unserved));

    let ready = move || {
        let server = unserved.lock().map_or(Ok(()), |cause| Err(cause.to_owned()));
        let [scanners, signatures] = scans.notes();
        let plan = planned.as_ref().map_or(Ok(()), |told| told.readiness());
        let ready = Ready::new().check("server", server);
        let ready = if planned.is_some() { ready.check("plan", plan) } else { ready };
        ready
            .check("scanner", scans.readiness())
            .note(scanners.0, scanners.1)
            .note("config", notes.config())
            .note("plan", planned.as_ref().and_then(|told| told.note()))
            .note("fleetTls", watched.text())
            .note("tls", tls.text())
            .note("urlLists", notes.url_lists())
            .note("hashLists", notes.hash_lists())
            .note(signatures.0, signatures.1)
            .note("scannersTls", own.text())
            .note("redis", standing.as_ref().and_then(Standing::note))
            .note("verdictCache", fleet.verdicts())
            .note("poison", fleet.poison())
    };
    let epochs = scanning.epochs();
    // Known only once the endpoint that tells it listens.
    let listening = Arc::new(OnceLock::new());
    let admin = Arc::clone(&listening);
    let version = move || {
        let signatures = signatures_document(epochs.borrow().as_ref());
        let mut document = json!({
            "name": "icapstan",
            "version": env!("CARGO_PKG_VERSION"),
            "admin": admin.get().map(SocketAddr::to_string),
            "signatures": signatures,
        });
        if let Some(told) = &own_plan {
            document["plan"] = told.document();
        }
        bound.put(&mut document);
        document
    };
    let documents: Vec<Document> = vec![
        ("/version", Arc::new(version)),
        ("/statistics", statistics::document(registry, scanning.epochs())),
    ];
    let server =
        AdminServer::start_with(settings.config.admin, Arc::clone(registry), Arc::new(ready), documents)
            .with_context(|| format!("{} cannot be listened on", settings.config.admin))?;
    listening.get_or_init(|| server.local_addr());
    Ok(server)
}

// === impl Parts ===

impl Parts<'_> {
    /// Reads settings, signatures and certificates again.
    fn reload(&self) {
        self.scanning.reload();
        self.reloader.reload();
        let watched = self.plan.certificates();
        for certificates in [self.certificates, self.own, watched].into_iter().flatten() {
            certificates.reload();
        }
    }
}
