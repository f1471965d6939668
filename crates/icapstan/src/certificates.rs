//! Keeps certificates that this process shows, and the authorities that those of others are believed for, as their
//! files are.
//!
//! ```text
//!  SIGHUP, or files that changed and came to rest ──▶ read all ──▶ handshakes begin with them
//!                any failure: those before stay, and log, metric, event, /readyz say so
//! ```

use crate::exit::chain;
use crate::file_state::{State, state};
use crate::reload::EndIsTold;
use anyhow::Context;
use arc_swap::ArcSwap;
use icapstan_api::{ClientCertificateMode, ScalerTls, ScanServerTls, ScannersTls, TlsListener, TlsVersion};
use icapstan_events::{Event, EventKind, Events, Text};
use icapstan_telemetry::CertificateMetrics;
use icapstan_tls::{Acceptor, ClientCertificates, MutualFiles, Names, ServerFiles, TlsError, Validity};
use parking_lot::Mutex;
use rustls::ClientConfig;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};
use thiserror::Error;
use tracing::{error, info, warn};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// How soon files that cannot be used are read again, changed or not.
const AGAIN: Duration = Duration::from_secs(30);
/// What gateways and scanners speak, as ALPN has it.
const HTTP2: &[&[u8]] = &[b"h2"];
/// A certificate that ends sooner than this is spoken of.
const SOON: Duration = Duration::from_hours(7 * 24);

/// Reads the files again when told so, and when they change. Ends when dropped.
pub(crate) struct Certificates {
    wishes: Sender<()>,
    notes: CertificateNotes,
}

/// What there is to be said of the certificate, as it changes.
#[derive(Clone)]
pub(crate) struct CertificateNotes {
    validity: Option<Arc<Mutex<Validity>>>,
    problem: Arc<Mutex<Option<String>>>,
}

/// What is read, and who has it then.
#[derive(Clone)]
pub(crate) enum Shown {
    /// Who connects is shown it.
    Accepting(ServerFiles, Acceptor),
    /// Who is connected to is shown it.
    Connecting(MutualFiles, Arc<ArcSwap<ClientConfig>>),
}

/// To whom, for logs.
#[derive(Clone, Copy)]
pub(crate) enum Audience {
    IcapClients,
    Gateways,
    Scanners,
    Autoscalers,
    Operators,
}

/// The thread's own.
struct Keeper {
    shown: Shown,
    audience: Audience,
    validity: Arc<Mutex<Validity>>,
    problem: Arc<Mutex<Option<String>>>,
    metrics: CertificateMetrics,
    events: Events,
    states: Vec<Option<State>>,
    /// When the files were read last.
    tried: Instant,
}

/// Why other files are not used.
#[derive(Debug, Error)]
enum RenewError {
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("the certificate does not hold now")]
    OutOfTime,
}

// === impl Certificates ===

impl Certificates {
    /// Follows the files of `shown`, which has what was read of them.
    pub(crate) fn start(
        shown: Shown,
        audience: Audience,
        (names, validity): (&Names, Validity),
        metrics: CertificateMetrics,
        events: &Events,
    ) -> anyhow::Result<Self> {
        let states = shown.look();
        metrics.begin(validity.not_after);
        let whom = audience.as_str();
        if !validity.holds_at(SystemTime::now()) {
            warn!("The certificate for {whom} does not hold now: most of them will refuse it.");
        }
        tell(names, validity, &format!("{whom} are shown this certificate."));
        let problem = Arc::new(Mutex::new(None));
        let validity = Arc::new(Mutex::new(validity));
        let keeper = Keeper {
            shown,
            audience,
            validity: Arc::clone(&validity),
            problem: Arc::clone(&problem),
            metrics,
            events: events.clone(),
            states,
            tried: Instant::now(),
        };
        let (wishes, wanted) = mpsc::channel();
        std::thread::Builder::new()
            .name("icapstan-certs".to_owned())
            .spawn(move || keeper.keep(&wanted))
            .context("no thread for the certificate can be had")?;
        Ok(Self { wishes, notes: CertificateNotes { validity: Some(validity), problem } })
    }

    /// That for ICAP clients.
    pub(crate) fn for_clients(
        settings: &TlsListener,
        metrics: CertificateMetrics,
        events: &Events,
    ) -> anyhow::Result<(Self, Acceptor)> {
        Self::accepting(files(settings), Audience::IcapClients, metrics, events)
            .context("ICAP over TLS cannot be served")
    }

    /// That for gateways.
    pub(crate) fn for_gateways(
        settings: &ScanServerTls,
        metrics: CertificateMetrics,
        events: &Events,
    ) -> anyhow::Result<(Self, Acceptor)> {
        Self::accepting(inner_files(settings), Audience::Gateways, metrics, events)
            .context("gateways cannot be served over TLS")
    }

    /// That for who watches a gateway.
    pub(crate) fn for_operators(
        settings: &ScanServerTls,
        metrics: CertificateMetrics,
        events: &Events,
    ) -> anyhow::Result<(Self, Acceptor)> {
        Self::accepting(inner_files(settings), Audience::Operators, metrics, events)
            .context("operators cannot be served over TLS")
    }

    /// That for autoscalers.
    pub(crate) fn for_autoscalers(
        settings: &ScalerTls,
        metrics: CertificateMetrics,
        events: &Events,
    ) -> anyhow::Result<(Self, Acceptor)> {
        let clients = settings.client_ca_file.clone();
        let files = ServerFiles {
            cert: settings.cert_file.clone(),
            key: settings.key_file.clone(),
            clients: clients.map_or(ClientCertificates::None, ClientCertificates::Required),
            only_tls13: true,
            protocols: HTTP2,
        };
        Self::accepting(files, Audience::Autoscalers, metrics, events)
            .context("autoscalers cannot be served over TLS")
    }

    /// That for scanners.
    pub(crate) fn for_scanners(
        settings: &ScannersTls,
        metrics: CertificateMetrics,
        events: &Events,
    ) -> anyhow::Result<(Self, Arc<ArcSwap<ClientConfig>>)> {
        let files = MutualFiles {
            ca: settings.ca_file.clone(),
            cert: settings.cert_file.clone(),
            key: settings.key_file.clone(),
            protocols: HTTP2,
        };
        let loaded = files.load().context("scanners cannot be asked over TLS")?;
        let config = Arc::new(ArcSwap::new(loaded.config));
        let shown = Shown::Connecting(files, Arc::clone(&config));
        let own = (&loaded.names, loaded.validity);
        Ok((Self::start(shown, Audience::Scanners, own, metrics, events)?, config))
    }

    fn accepting(
        files: ServerFiles,
        audience: Audience,
        metrics: CertificateMetrics,
        events: &Events,
    ) -> anyhow::Result<(Self, Acceptor)> {
        let loaded = files.load()?;
        let acceptor = Acceptor::new(loaded.clone());
        let shown = Shown::Accepting(files, acceptor.clone());
        let own = (loaded.names(), loaded.validity());
        Ok((Self::start(shown, audience, own, metrics, events)?, acceptor))
    }

    /// Has the files read now.
    pub(crate) fn reload(&self) {
        // Without the thread there is nobody to be told.
        let _ = self.wishes.send(());
    }

    pub(crate) fn notes(&self) -> CertificateNotes {
        self.notes.clone()
    }
}

// === impl CertificateNotes ===

impl CertificateNotes {
    /// Without TLS there is nothing to be said.
    pub(crate) fn none() -> Self {
        Self { validity: None, problem: Arc::default() }
    }

    /// What is wrong.
    pub(crate) fn text(&self) -> Option<String> {
        if let Some(problem) = &*self.problem.lock() {
            return Some(problem.clone());
        }
        let now = SystemTime::now();
        let validity = *self.validity.as_ref()?.lock();
        if !validity.holds_at(now) {
            return Some("the certificate does not hold now".to_owned());
        }
        let left = validity.left_at(now);
        (left < SOON).then(|| format!("the certificate ends in {} hours", left.as_secs() / 3600))
    }
}

// === impl Keeper ===

impl Keeper {
    fn keep(mut self, wanted: &mpsc::Receiver<()>) {
        let _told = EndIsTold(Arc::clone(&self.problem), "the reading of changed certificates");
        let mut seen = self.states.clone();
        loop {
            match wanted.recv_timeout(INTERVAL) {
                Err(RecvTimeoutError::Disconnected) => return,
                // Many wishes at once are one.
                Ok(()) => while wanted.try_recv().is_ok() {},
                Err(RecvTimeoutError::Timeout) => {
                    let now = self.shown.look();
                    // What still changes is being written.
                    let is_stable = std::mem::replace(&mut seen, now.clone()) == now;
                    if !is_stable || (now == self.states && !self.is_to_be_tried_again()) {
                        continue;
                    }
                }
            }
            self.states = self.shown.look();
            self.renew();
        }
    }

    /// The cause may be over: a clock that was behind, a lack of descriptors.
    fn is_to_be_tried_again(&self) -> bool {
        self.problem.lock().is_some() && self.tried.elapsed() >= AGAIN
    }

    fn renew(&mut self) {
        self.tried = Instant::now();
        match self.shown.renew() {
            Ok((names, validity)) => {
                self.metrics.succeeded(validity.not_after);
                *self.validity.lock() = validity;
                let whom = self.audience.as_str();
                tell(
                    &names,
                    validity,
                    &format!("The certificate was read again: {whom} are shown this one."),
                );
                *self.problem.lock() = None;
            }
            Err(fault) => {
                self.metrics.failed();
                let cause = chain(&fault);
                let message =
                    format!("A changed certificate cannot be used; the one before stays in use: {cause}");
                if self.problem.lock().as_ref() == Some(&message) {
                    return;
                }
                error!(error = cause, "A changed certificate cannot be used; the one before stays in use.");
                self.events.send(Event::new(EventKind::Failure, Text::message(message.clone())));
                *self.problem.lock() = Some(message);
            }
        }
    }
}

// === impl Shown ===

impl Shown {
    /// Reads the files, and has what they hold used, unless it cannot be.
    fn renew(&self) -> Result<(Names, Validity), RenewError> {
        let in_time = |validity: Validity| {
            if validity.holds_at(SystemTime::now()) { Ok(validity) } else { Err(RenewError::OutOfTime) }
        };
        match self {
            Self::Accepting(files, acceptor) => {
                let loaded = files.load()?;
                let validity = in_time(loaded.validity())?;
                let names = loaded.names().clone();
                acceptor.put(loaded);
                Ok((names, validity))
            }
            Self::Connecting(files, config) => {
                let loaded = files.load()?;
                let validity = in_time(loaded.validity)?;
                config.store(loaded.config);
                Ok((loaded.names, validity))
            }
        }
    }

    fn look(&self) -> Vec<Option<State>> {
        match self {
            Self::Accepting(files, _) => files.paths().map(|path| state(path)).collect(),
            Self::Connecting(files, _) => files.paths().map(|path| state(path)).collect(),
        }
    }
}

// === impl Audience ===

impl Audience {
    const fn as_str(self) -> &'static str {
        match self {
            Self::IcapClients => "ICAP clients",
            Self::Gateways => "gateways",
            Self::Scanners => "scanners",
            Self::Autoscalers => "autoscalers",
            Self::Operators => "operators",
        }
    }
}

/// What settings of connections within a fleet come to.
fn inner_files(settings: &ScanServerTls) -> ServerFiles {
    ServerFiles {
        cert: settings.cert_file.clone(),
        key: settings.key_file.clone(),
        clients: ClientCertificates::Required(settings.client_ca_file.clone()),
        only_tls13: true,
        protocols: HTTP2,
    }
}

/// What the settings come to.
pub(crate) fn files(settings: &TlsListener) -> ServerFiles {
    let ca = settings.client_ca_file.clone().unwrap_or_default();
    ServerFiles {
        cert: settings.cert_file.clone(),
        key: settings.key_file.clone(),
        clients: match settings.client_certificates {
            ClientCertificateMode::None => ClientCertificates::None,
            ClientCertificateMode::Optional => ClientCertificates::Optional(ca),
            ClientCertificateMode::Required => ClientCertificates::Required(ca),
        },
        only_tls13: settings.min_version == TlsVersion::V13,
        protocols: &[],
    }
}

fn tell(names: &Names, validity: Validity, text: &str) {
    let not_after = u64::try_from(validity.not_after).unwrap_or(0);
    let not_after = SystemTime::UNIX_EPOCH + Duration::from_secs(not_after.min(u64::from(u32::MAX) * 64));
    let names = names.all().iter().take(8).map(AsRef::as_ref).collect::<Vec<&str>>().join(" ");
    info!(names, not_after = icapstan_telemetry::timestamp(not_after), "{text}");
}
