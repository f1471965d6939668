//! Keeps the certificate that ICAP clients are shown, and the authorities that theirs are believed for, as
//! their files are.
//!
//! ```text
//!  SIGHUP, or files that changed and came to rest ──▶ read all ──▶ handshakes begin with them
//!                any failure: those before stay, and log, metric, event, /readyz say so
//! ```

use crate::exit::chain;
use crate::file_state::{State, state};
use crate::reload::EndIsTold;
use anyhow::Context;
use icapstan_api::{ClientCertificateMode, TlsListener, TlsVersion};
use icapstan_events::{Event, EventKind, Events, Text};
use icapstan_telemetry::CertificateMetrics;
use icapstan_tls::{Acceptor, ClientCertificates, Loaded, ServerFiles, TlsError};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime};
use thiserror::Error;
use tracing::{error, info, warn};

/// How often files are looked at.
const INTERVAL: Duration = Duration::from_secs(2);
/// How soon files that cannot be used are read again, changed or not.
const AGAIN: Duration = Duration::from_secs(30);
/// A certificate that ends sooner than this is spoken of.
const SOON: Duration = Duration::from_hours(7 * 24);

/// Reads the files again when told so, and when they change. Ends when dropped.
pub(crate) struct Certificates {
    acceptor: Acceptor,
    wishes: Sender<()>,
    notes: CertificateNotes,
}

/// What there is to be said of the certificate, as it changes.
#[derive(Clone)]
pub(crate) struct CertificateNotes {
    acceptor: Option<Acceptor>,
    problem: Arc<Mutex<Option<String>>>,
}

/// The thread's own.
struct Keeper {
    files: ServerFiles,
    acceptor: Acceptor,
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
    /// Reads the files, which have to be usable, and follows them.
    pub(crate) fn start(
        settings: &TlsListener,
        metrics: CertificateMetrics,
        events: &Events,
    ) -> anyhow::Result<Self> {
        let files = files(settings);
        let states = look(&files);
        let loaded = files.load().context("ICAP over TLS cannot be served")?;
        metrics.begin(loaded.validity().not_after);
        if !loaded.validity().holds_at(SystemTime::now()) {
            warn!("The certificate for ICAP clients does not hold now: most of them will refuse it.");
        }
        tell(&loaded, "ICAP clients are shown this certificate.");
        let acceptor = Acceptor::new(loaded);
        let problem = Arc::new(Mutex::new(None));
        let keeper = Keeper {
            files,
            acceptor: acceptor.clone(),
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
        let notes = CertificateNotes { acceptor: Some(acceptor.clone()), problem };
        Ok(Self { acceptor, wishes, notes })
    }

    pub(crate) fn acceptor(&self) -> &Acceptor {
        &self.acceptor
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
        Self { acceptor: None, problem: Arc::default() }
    }

    /// What is wrong.
    pub(crate) fn text(&self) -> Option<String> {
        if let Some(problem) = &*self.problem.lock() {
            return Some(problem.clone());
        }
        let now = SystemTime::now();
        let validity = self.acceptor.as_ref()?.now().validity();
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
                    let now = look(&self.files);
                    // What still changes is being written.
                    let is_stable = std::mem::replace(&mut seen, now.clone()) == now;
                    if !is_stable || (now == self.states && !self.is_to_be_tried_again()) {
                        continue;
                    }
                }
            }
            self.states = look(&self.files);
            self.renew();
        }
    }

    /// The cause may be over: a clock that was behind, a lack of descriptors.
    fn is_to_be_tried_again(&self) -> bool {
        self.problem.lock().is_some() && self.tried.elapsed() >= AGAIN
    }

    fn renew(&mut self) {
        self.tried = Instant::now();
        match self.load() {
            Ok(loaded) => {
                self.metrics.succeeded(loaded.validity().not_after);
                tell(&loaded, "The certificate was read again: ICAP clients are shown this one.");
                self.acceptor.put(loaded);
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

    fn load(&self) -> Result<Loaded, RenewError> {
        let loaded = self.files.load()?;
        if loaded.validity().holds_at(SystemTime::now()) { Ok(loaded) } else { Err(RenewError::OutOfTime) }
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
    }
}

fn look(files: &ServerFiles) -> Vec<Option<State>> {
    files.paths().map(|path| state(path)).collect()
}

fn tell(loaded: &Loaded, text: &str) {
    let not_after = u64::try_from(loaded.validity().not_after).unwrap_or(0);
    let not_after = SystemTime::UNIX_EPOCH + Duration::from_secs(not_after.min(u64::from(u32::MAX) * 64));
    let names = loaded.names().all().iter().take(8).map(AsRef::as_ref).collect::<Vec<&str>>().join(" ");
    info!(names, not_after = icapstan_telemetry::timestamp(not_after), "{text}");
}
