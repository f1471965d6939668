//! What the program sends its calls to.

use crate::call::Call;
use crate::exec::{self, CommandError};
use crate::http::Client;
use crate::metrics::{Cause, HookMetrics};
use crate::runner::{Runner, Waiting};
use icapstan_api::{HookSettings, Problem};
use icapstan_events::Source;
use icapstan_tls::TlsError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc as threads;
use std::time::{Duration, Instant};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// The most memory of calls that wait, in bytes.
const MAX_WEIGHT: usize = 16 << 20;

/// How long the end of the process waits for hooks.
const LAST_FLUSH: Duration = Duration::from_secs(2);

/// Takes calls. Clones send to the same hooks. By default there are none, and calls are dropped.
#[derive(Clone, Debug, Default)]
pub struct Hooks(Option<Arc<Inner>>);

/// To be kept until the process ends. When it is dropped, further calls are refused, and those that came before
/// have two seconds; what runs then is killed.
#[must_use = "calls that still wait are lost unless this is dropped at the very end"]
#[derive(Debug)]
pub struct HooksGuard {
    stop: Option<(oneshot::Sender<Instant>, threads::Receiver<usize>)>,
    metrics: HookMetrics,
}

#[derive(Debug)]
struct Inner {
    queue: mpsc::Sender<Waiting>,
    /// Bytes of calls that wait.
    weight: Arc<AtomicUsize>,
    metrics: HookMetrics,
}

/// Why there are no hooks.
#[derive(Debug, Error)]
pub enum HooksError {
    /// The settings do not fit; never empty.
    #[error("{}", lines(.0))]
    Settings(Vec<Problem>),
    /// A program cannot be called.
    #[error("hooks.exec[{place}].command {command} cannot be used")]
    Command {
        /// Which one.
        place: usize,
        /// Its path.
        command: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The certificates cannot be used.
    #[error("hooks.http.caFile cannot be used")]
    Authorities(#[source] TlsError),
    /// No thread could be had.
    #[error("the thread of the hooks cannot be started")]
    Thread(#[source] io::Error),
}

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n")
}

// === impl Hooks ===

impl Hooks {
    /// Looks at all programs and certificates, and starts the thread. Without any hook there is none.
    pub fn start(
        settings: &HookSettings,
        source: &Source,
        metrics: &HookMetrics,
    ) -> Result<(Self, HooksGuard), HooksError> {
        if settings.is_empty() {
            return Ok((Self::default(), HooksGuard { stop: None, metrics: metrics.clone() }));
        }
        let client = look(settings)?;
        let (queue, waiting) = mpsc::channel(usize::try_from(settings.queue).unwrap_or(usize::MAX));
        let (stop, stopped) = oneshot::channel();
        let (told, left) = threads::channel();
        let runner = Runner::new(settings.clone(), client, source.clone(), metrics.clone());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            // These look names up.
            .max_blocking_threads(4)
            .thread_name("icapstan-lookup")
            .build()
            .map_err(HooksError::Thread)?;
        std::thread::Builder::new()
            .name("icapstan-hooks".to_owned())
            .spawn(move || {
                let left = runtime.block_on(runner.run(waiting, stopped));
                // What still blocks has no one left to wait for it.
                runtime.shutdown_background();
                // Nobody may be there to be told.
                let _ = told.send(left);
            })
            .map_err(HooksError::Thread)?;
        let inner = Inner { queue, weight: Arc::default(), metrics: metrics.clone() };
        let guard = HooksGuard { stop: Some((stop, left)), metrics: metrics.clone() };
        Ok((Self(Some(Arc::new(inner))), guard))
    }

    /// Whether all programs and certificates are there and can be used.
    pub fn check(settings: &HookSettings) -> Result<(), HooksError> {
        look(settings).map(drop)
    }

    /// Hands over a call, or drops and counts it. Waits for nothing.
    pub fn send(&self, call: Call) {
        let Some(inner) = &self.0 else { return };
        if let Err(cause) = inner.push(call) {
            inner.metrics.dropped.inc(cause);
        }
    }
}

/// Looks at all that can be called.
fn look(settings: &HookSettings) -> Result<Client, HooksError> {
    settings.check().map_err(HooksError::Settings)?;
    for (place, hook) in settings.exec.iter().enumerate() {
        let fault = |source: CommandError| HooksError::Command {
            place,
            command: hook.command.display().to_string(),
            source: source.into(),
        };
        exec::check(hook).map_err(fault)?;
    }
    Client::new(&settings.http).map_err(HooksError::Authorities)
}

// === impl Inner ===

impl Inner {
    fn push(&self, call: Call) -> Result<(), Cause> {
        let weight = call.weight();
        let room = |taken: usize| taken.checked_add(weight).filter(|taken| *taken <= MAX_WEIGHT);
        self.weight.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).map_err(|_| Cause::QueueFull)?;
        // Gives its bytes back, and counts down, when it is dropped.
        self.metrics.waiting.inc();
        let waiting = Waiting::new(call, weight, Arc::clone(&self.weight), self.metrics.waiting.clone());
        self.queue.try_send(waiting).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => Cause::QueueFull,
            mpsc::error::TrySendError::Closed(_) => Cause::Stopped,
        })
    }
}

// === impl HooksGuard ===

impl HooksGuard {
    /// Refuses further calls, and gives those that came before `timeout`. What is not done then is killed, and
    /// counted as dropped. False if anything was.
    pub fn stop(mut self, timeout: Duration) -> bool {
        self.stop_within(timeout)
    }

    fn stop_within(&mut self, timeout: Duration) -> bool {
        /// For what was killed to go.
        const SLACK: Duration = Duration::from_millis(500);
        let Some((stop, left)) = self.stop.take() else { return true };
        // Without the thread there is nobody to be told, and the wait ends at once.
        let _ = stop.send(Instant::now() + timeout);
        let left = left.recv_timeout(timeout + SLACK).unwrap_or(1);
        self.metrics.dropped.inc_by(Cause::Stopped, left as u64);
        left == 0
    }
}

impl Drop for HooksGuard {
    fn drop(&mut self) {
        self.stop_within(LAST_FLUSH);
    }
}
