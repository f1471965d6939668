//! The thread that calls.

use crate::call::Call;
use crate::exec::{self, ExecError};
use crate::http::{Client, HttpError};
use crate::metrics::{Cause, Ending, HookMetrics, Place};
use crate::throttle::Throttle;
use icapstan_api::{ExecHook, HookSettings, HookTarget};
use icapstan_events::{Source, json};
use icapstan_metrics::Gauge;
use std::error::Error;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::sleep_until;
use tracing::warn;

/// The most bytes of JSON. An event that has all that there can be is shortened to that.
const MAX_JSON: usize = 64 * 1024;

/// A call in the queue. Takes room there until it is dropped.
#[derive(Debug)]
pub(crate) struct Waiting {
    call: Call,
    weight: usize,
    all: Arc<AtomicUsize>,
    gauge: Gauge,
}

/// Calls what it is told to.
pub(crate) struct Runner {
    common: Arc<Common>,
    concurrency: usize,
}

/// What calls share.
struct Common {
    settings: HookSettings,
    client: Client,
    source: Arc<Source>,
    metrics: HookMetrics,
    throttle: Throttle,
}

/// What a call comes to.
enum Target<'a> {
    Exec(&'a ExecHook),
    Http(&'a icapstan_api::HookUrl),
}

/// How a call failed.
struct Failure {
    ending: Ending,
    cause: String,
}

// === impl Waiting ===

impl Waiting {
    pub(crate) fn new(call: Call, weight: usize, all: Arc<AtomicUsize>, gauge: Gauge) -> Self {
        Self { call, weight, all, gauge }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.all.fetch_sub(self.weight, Ordering::Relaxed);
        self.gauge.dec();
    }
}

// === impl Runner ===

impl Runner {
    pub(crate) fn new(settings: HookSettings, client: Client, source: Source, metrics: HookMetrics) -> Self {
        let concurrency = usize::try_from(settings.concurrency).unwrap_or(usize::MAX);
        let source = Arc::new(source);
        let common = Common { settings, client, source, metrics, throttle: Throttle::new() };
        Self { common: Arc::new(common), concurrency }
    }

    /// Calls until it is told to stop and all is done, or the time for that is over. Returns how many calls were
    /// lost; those under way are ended.
    pub(crate) async fn run(
        self,
        mut queue: mpsc::Receiver<Waiting>,
        mut stop: oneshot::Receiver<Instant>,
    ) -> usize {
        let mut running = JoinSet::new();
        let (mut by, mut is_open) = (None::<Instant>, true);
        while is_open || !running.is_empty() {
            let over = async {
                match by {
                    Some(by) => sleep_until(by.into()).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                biased;
                () = over => break,
                told = &mut stop, if by.is_none() => {
                    queue.close();
                    by = Some(told.unwrap_or_else(|_| Instant::now()));
                }
                Some(_) = running.join_next() => {}
                call = queue.recv(), if is_open && running.len() < self.concurrency => match call {
                    Some(waiting) => {
                        let (common, call) = (Arc::clone(&self.common), waiting.call.clone());
                        drop(waiting);
                        running.spawn(async move { common.call(&call).await });
                    }
                    None => is_open = false,
                },
            }
        }
        let mut left = running.len();
        while queue.try_recv().is_ok() {
            left += 1;
        }
        // What is dropped kills what it has started.
        running.shutdown().await;
        left
    }
}

// === impl Common ===

impl Common {
    async fn call(&self, call: &Call) {
        let Some((place, target)) = self.find(call) else {
            self.metrics.dropped.inc(Cause::Unknown);
            return;
        };
        let started = Instant::now();
        let running = Running::new(&self.metrics.running);
        let json = json(&self.source, &call.event, MAX_JSON);
        let called = match target {
            Target::Exec(hook) => match exec::run(hook, call, &json).await {
                Ok(status) if status.success() => Ok(()),
                Ok(status) => Err(Failure { ending: Ending::Failed, cause: exec::shown(status) }),
                Err(error) => Err(error.into()),
            },
            Target::Http(url) => match self.client.post(url, json).await {
                Ok(status) if status.is_success() => Ok(()),
                Ok(status) => Err(Failure { ending: Ending::Failed, cause: format!("it answered {status}") }),
                Err(error) => Err(error.into()),
            },
        };
        drop(running);
        self.metrics.took.observe(place.kind(), started.elapsed());
        self.metrics
            .runs
            .inc((place, called.as_ref().map_or_else(|failure| failure.ending, |()| Ending::Ok)));
        if let Err(Failure { ending, cause }) = called
            && let Some(unsaid) = self.throttle.say(place, Instant::now())
        {
            let hook = match target {
                Target::Exec(hook) => hook.name.as_str(),
                Target::Http(url) => url.host(),
            };
            warn!(hook, result = ending.as_str(), cause, unsaid, "A hook failed.");
        }
    }

    /// Nothing is called that these settings do not list, whatever the rules were checked against.
    fn find<'a>(&'a self, call: &'a Call) -> Option<(Place, Target<'a>)> {
        match call.hook.target()? {
            HookTarget::Exec(name) => {
                let place = self.settings.exec.iter().position(|hook| hook.name == name)?;
                Some((Place::exec(place), Target::Exec(&self.settings.exec[place])))
            }
            HookTarget::Http(url) => {
                self.settings.http.allows(url).then_some((Place::Http, Target::Http(url)))
            }
        }
    }
}

/// Counted as running until it is dropped.
struct Running<'a>(&'a Gauge);

impl<'a> Running<'a> {
    fn new(gauge: &'a Gauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

// === impl Failure ===

impl From<ExecError> for Failure {
    fn from(error: ExecError) -> Self {
        let ending = match error {
            ExecError::Timeout(_) => Ending::Timeout,
            ExecError::Start(_) | ExecError::Wait(_) => Ending::Error,
        };
        Self { ending, cause: chain(&error) }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        let ending = if matches!(error, HttpError::Timeout(_)) { Ending::Timeout } else { Ending::Error };
        Self { ending, cause: chain(&error) }
    }
}

/// An error and its causes.
fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
