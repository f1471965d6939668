//! `icapstan scanner`: scans for gateways.

use crate::certificates::{CertificateNotes, Certificates};
use crate::cli::Flags;
use crate::exit::{Exit, chain};
use crate::fleet::{Fleet, FleetNotes};
use crate::memory;
use crate::process::{Signals, run_to_end, signatures_document};
use crate::reload::{Followers, Notes, Reloader};
use crate::scanner_plan::{self, PlanNotes, Prepared, ScannerPlan};
use crate::scanning::Scanning;
use crate::settings::Settings;
use crate::siem;
use crate::standalone::{load_hashes, start_scanner};
use crate::tally::Tally;
use anyhow::Context;
use icapstan_cache::CacheMetrics;
use icapstan_events::Events;
use icapstan_scan_rpc::{ScanServer, ServerMetrics};
use icapstan_telemetry::{AdminServer, CertificateMetrics, Document, Ready, ReloadMetrics};
use icapstan_tls::Acceptor;
use parking_lot::Mutex;
use prometheus::Registry;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tracing::{error, info, warn};

/// How long scans that are under way may take after SIGTERM. With what follows shorter than the 30 s after which
/// Kubernetes kills.
const GRACE: Duration = Duration::from_secs(20);

/// What runs beside the server.
struct Parts<'p> {
    settings: &'p Settings,
    registry: &'p Arc<Registry>,
    scanning: &'p Scanning,
    fleet: FleetNotes,
    events: &'p Events,
    reloader: &'p Reloader,
    certificates: Option<&'p Certificates>,
    acceptor: Option<Acceptor>,
    listener: TcpListener,
    metrics: ServerMetrics,
    plan: Option<ScannerPlan>,
}

/// Runs until a signal ends it.
pub(crate) fn run(args: &Flags) -> Exit {
    let mut settings = match Settings::load(args) {
        Ok(settings) => settings,
        Err(error) => {
            eprintln!("icapstan: {}", chain(&error));
            return Exit::Usage;
        }
    };
    // Writes what is still queued when it is dropped.
    let log = icapstan_telemetry::init_logging(&settings.config.log.level.to_string(), settings.log_format());
    let _log = match log {
        Ok(log) => log,
        Err(error) => {
            eprintln!("icapstan: {}", chain(&error));
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
    let serving = serve(args, &settings, &registry, &events);
    let exit = run_to_end(&settings, &events, settings.config.scan_server.connections, serving);
    siem::stop(guard);
    exit
}

async fn serve(
    args: &Flags,
    settings: &Settings,
    registry: &Arc<Registry>,
    events: &Events,
) -> anyhow::Result<()> {
    icapstan_telemetry::register_build_info(registry, env!("CARGO_PKG_VERSION"))?;
    icapstan_telemetry::register_log_metrics(registry)?;
    icapstan_telemetry::register_trace_metrics(registry)?;
    let mut signals = Signals::listen().context("signals cannot be received")?;
    // Bound first: a port that is taken should be known before a database is loaded.
    let address = settings.config.scan_server.listen;
    let listener = TcpListener::bind(address).with_context(|| format!("{address} cannot be listened on"))?;
    let metrics = CertificateMetrics::register_tier(registry)?;
    let tls = settings.config.scan_server.tls.as_ref();
    let tls = tls.map(|tls| Certificates::for_gateways(tls, metrics, events)).transpose()?;
    let (certificates, acceptor) = tls.unzip();
    let hashes = load_hashes(settings, registry, events)?;
    let mut fleet = Fleet::default();
    fleet.share_poison(&settings.config, registry, &CacheMetrics::register(registry)?)?;
    let notes = fleet.notes();
    let plan = scanner_plan::prepare(settings, registry).await?;
    let planned = plan.as_ref().map(|_| Prepared::signatures(settings));
    let scanner = start_scanner(settings, &hashes, fleet.poison, planned, registry).await?;
    let plan = plan.map(|plan| plan.start(&scanner));
    let scanning = Scanning::Here(scanner);
    let tally = Tally::new(registry, events, &scanning);
    let metrics = ReloadMetrics::register(registry)?;
    let followers = Followers { serving: None, hashes: Some(hashes), events: events.clone(), metrics };
    let reloader =
        Reloader::start(args, settings, followers).context("no thread for the settings can be had")?;
    let parts = Parts {
        settings,
        registry,
        scanning: &scanning,
        fleet: notes,
        events,
        reloader: &reloader,
        certificates: certificates.as_ref(),
        acceptor,
        listener,
        metrics: ServerMetrics::register(registry)?,
        plan,
    };
    let result = tokio::select! {
        result = serve_with(parts, &mut signals) => result,
        never = tally.run() => never,
    };
    tally.tell_rest();
    if result.is_ok() {
        siem::tell_stop(events);
    }
    // Also after a failure: processes end and temporary files go.
    scanning.shutdown().await;
    result
}

async fn serve_with(parts: Parts<'_>, signals: &mut Signals) -> anyhow::Result<()> {
    let Parts {
        settings,
        registry,
        scanning,
        fleet,
        events,
        reloader,
        certificates,
        acceptor,
        listener,
        metrics,
        plan,
    } = parts;
    let reload = || {
        scanning.reload();
        reloader.reload();
        if let Some(certificates) = certificates {
            certificates.reload();
        }
    };
    let config = settings.scan_server(acceptor);
    let (port, epochs) = (scanning.port(), scanning.epochs());
    let server = match &plan {
        None => ScanServer::start(listener, &config, port, epochs, &metrics),
        Some(plan) => ScanServer::start_planned(listener, &config, port, epochs, plan.followed(), &metrics),
    };
    let server = server.context("gateways cannot be served")?;
    let unserved = Arc::new(Mutex::new(None));
    let own = certificates.map_or_else(CertificateNotes::none, Certificates::notes);
    let admin = start_admin(
        settings,
        registry,
        scanning,
        (reloader.notes(), own, fleet, ScannerPlan::notes(plan.as_ref())),
        server.local_addr(),
        &unserved,
    )?;
    info!(
        scan = %server.local_addr(),
        admin = %admin.local_addr(),
        name = config.name,
        secured = config.tls.is_some(),
        "listening"
    );
    let epochs = scanning.epochs();
    siem::tell_start(events, &format!("scans at {}", server.local_addr()), &epochs);
    tokio::spawn(siem::tell_changes(events.clone(), epochs));
    let busy = server.busy();
    tokio::select! {
        () = signals.end(reload) => {}
        never = memory::give_back(move || busy.bytes()) => never,
    }
    *unserved.lock() = Some("stopping");
    info!("Stopping: scans that are under way end. A second signal ends them at once.");
    tokio::select! {
        in_time = server.stop(GRACE) => if !in_time {
            warn!("Some scans did not end in time.");
        },
        () = signals.end(|| {}) => warn!("Scans that were under way are cut."),
    }
    info!("Stopped.");
    Ok(())
}

fn start_admin(
    settings: &Settings,
    registry: &Arc<Registry>,
    scanning: &Scanning,
    (notes, tls, fleet, plan): (Notes, CertificateNotes, FleetNotes, PlanNotes),
    scan: SocketAddr,
    unserved: &Arc<Mutex<Option<&'static str>>>,
) -> anyhow::Result<AdminServer> {
    let (scans, unserved) = (scanning.clone(), Arc::clone(unserved));
    let ready = move || {
        let server = unserved.lock().map_or(Ok(()), |cause: &str| Err(cause.to_owned()));
        let [workers, signatures] = scans.notes();
        Ready::new()
            .check("server", server)
            .check("scanner", scans.readiness())
            .check("plan", plan.readiness())
            .note("plan", plan.plan())
            .note("testSignatures", plan.test_only())
            .note(workers.0, workers.1)
            .note("config", notes.config())
            .note("tls", tls.text())
            .note("hashLists", notes.hash_lists())
            .note(signatures.0, signatures.1)
            .note("poison", fleet.poison())
    };
    let (epochs, port, name) = (scanning.epochs(), scanning.port(), settings.instance_name());
    // Known only once the endpoint that tells it listens.
    let listening = Arc::new(OnceLock::new());
    let admin = Arc::clone(&listening);
    let version = move || {
        let load = port.load();
        json!({
            "name": "icapstan",
            "version": env!("CARGO_PKG_VERSION"),
            "instance": name,
            "admin": admin.get().map(SocketAddr::to_string),
            "scan": scan.to_string(),
            "workers": load.workers,
            "signatures": signatures_document(epochs.borrow().as_ref()),
        })
    };
    let documents: Vec<Document> = vec![("/version", Arc::new(version))];
    let admin = settings.config.admin;
    let server = AdminServer::start_with(admin, Arc::clone(registry), Arc::new(ready), documents)
        .with_context(|| format!("{admin} cannot be listened on"))?;
    listening.get_or_init(|| server.local_addr());
    Ok(server)
}
