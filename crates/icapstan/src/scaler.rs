//! `icapstan scaler`: tells autoscalers how much scanners have to do.

use crate::certificates::Certificates;
use crate::cli::Flags;
use crate::exit::{Exit, chain};
use crate::process::{Signals, run_to_end};
use crate::reload::{Followers, Notes, Reloader};
use crate::settings::Settings;
use crate::siem;
use anyhow::{Context, bail};
use icapstan_events::Events;
use icapstan_scaler::{Figures, Presence, Scaler, ScalerMetrics};
use icapstan_telemetry::{AdminServer, CertificateMetrics, Document, Ready, ReloadMetrics};
use parking_lot::Mutex;
use prometheus::Registry;
use serde_json::json;
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tracing::{error, info, warn};

/// How long calls may take after SIGTERM: none of them waits for anything.
const GRACE: Duration = Duration::from_secs(5);
/// Connections, those to scanners among them, for which there should be descriptors.
const CONNECTIONS: u32 = 4096;

/// Runs until a signal ends it.
pub(crate) fn run(args: &Flags) -> Exit {
    let settings = match Settings::load(args) {
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
    let registry = Arc::new(Registry::new());
    let (events, guard) = match siem::start(&settings.config.events, &registry) {
        Ok(started) => started,
        Err(error) => {
            error!(error = format!("{error:#}"), "icapstan ends.");
            return Exit::Failure;
        }
    };
    let serving = serve(args, &settings, &registry, &events);
    let exit = run_to_end(&settings, &events, CONNECTIONS, serving);
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
    let mut signals = Signals::listen().context("signals cannot be received")?;
    let (scanners, own) = (&settings.config.scanners, &settings.config.scaler);
    if scanners.addresses.is_empty() {
        bail!("no scanner is named: give --scanner HOST:PORT, or set scanners.addresses");
    }
    let address = own.listen;
    let listener = TcpListener::bind(address).with_context(|| format!("{address} cannot be listened on"))?;
    let metrics = CertificateMetrics::register_tier(registry)?;
    let (to_scanners, scanner_tls) = scanners
        .tls
        .as_ref()
        .map(|tls| Certificates::for_scanners(tls, metrics, events))
        .transpose()?
        .unzip();
    let metrics = CertificateMetrics::register_scaler(registry)?;
    let (to_autoscalers, acceptor) =
        own.tls.as_ref().map(|tls| Certificates::for_autoscalers(tls, metrics, events)).transpose()?.unzip();
    let certificates: Vec<Certificates> = to_scanners.into_iter().chain(to_autoscalers).collect();
    let followers = Followers {
        serving: None,
        hashes: None,
        events: events.clone(),
        metrics: ReloadMetrics::register(registry)?,
    };
    let reloader =
        Reloader::start(args, settings, followers).context("no thread for the settings can be had")?;
    let is_secured = acceptor.is_some();
    let config = settings.scaler(scanner_tls, acceptor);
    let scaler = Scaler::start(listener, config, &ScalerMetrics::register(registry)?)
        .context("autoscalers cannot be served")?;
    let is_stopping = Arc::new(Mutex::new(false));
    let admin = start_admin(settings, registry, (&scaler, &is_stopping), reloader.notes(), &certificates)?;
    info!(
        scaler = %scaler.local_addr(),
        admin = %admin.local_addr(),
        name = settings.instance_name(),
        secured = is_secured,
        "listening"
    );
    siem::tell_start_without_signatures(events, &format!("autoscalers at {}", scaler.local_addr()));
    let reload = || {
        reloader.reload();
        certificates.iter().for_each(Certificates::reload);
    };
    signals.end(reload).await;
    *is_stopping.lock() = true;
    info!("Stopping: calls that are under way end. A second signal ends them at once.");
    tokio::select! {
        in_time = scaler.stop(GRACE) => if !in_time {
            warn!("Some calls did not end in time.");
        },
        () = signals.end(|| {}) => warn!("Calls that were under way are cut."),
    }
    siem::tell_stop(events);
    info!("Stopped.");
    Ok(())
}

fn start_admin(
    settings: &Settings,
    registry: &Arc<Registry>,
    (scaler, is_stopping): (&Scaler, &Arc<Mutex<bool>>),
    notes: Notes,
    certificates: &[Certificates],
) -> anyhow::Result<AdminServer> {
    let (figures, is_stopping) = (scaler.figures(), Arc::clone(is_stopping));
    let certificates: Vec<_> = certificates.iter().map(Certificates::notes).collect();
    let ready = move || {
        let server = if *is_stopping.lock() { Err("stopping".to_owned()) } else { Ok(()) };
        let figures = figures();
        let scanners = figures.trouble.map_or(Ok(()), |trouble| Err(trouble.to_string()));
        let ready = Ready::new()
            .check("server", server)
            .check("scanners", scanners)
            .note("scanners", unheard(&figures))
            .note("config", notes.config());
        certificates.iter().fold(ready, |ready, notes| ready.note("tls", notes.text()))
    };
    // Known only once the endpoint that tells it listens.
    let listening = Arc::new(OnceLock::new());
    let (admin, own, name) = (Arc::clone(&listening), scaler.local_addr(), settings.instance_name());
    let version = move || {
        json!({
            "name": "icapstan",
            "version": env!("CARGO_PKG_VERSION"),
            "instance": name,
            "admin": admin.get().map(SocketAddr::to_string),
            "scaler": own.to_string(),
        })
    };
    let documents: Vec<Document> = vec![("/version", Arc::new(version))];
    let address = settings.config.admin;
    let server = AdminServer::start_with(address, Arc::clone(registry), Arc::new(ready), documents)
        .with_context(|| format!("{address} cannot be listened on"))?;
    listening.get_or_init(|| server.local_addr());
    Ok(server)
}

/// What is missing though there are figures.
fn unheard(figures: &Figures) -> Option<String> {
    let count = |presence: Presence| figures.scanners[presence as usize];
    let (silent, unheard) = (count(Presence::Silent), count(Presence::Unheard));
    let known: usize = figures.scanners.iter().sum();
    (silent + unheard > 0).then(|| format!("{} of {known} scanners are not heard", silent + unheard))
}
