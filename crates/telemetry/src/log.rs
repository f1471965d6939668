//! The log on standard error, written by a thread of its own.

mod lines;
mod writer;

use crate::access;
use crate::queue::Queue;
use lines::Lines;
use prometheus::{IntCounter, Registry};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;
use std::{fmt, io};
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

/// How long the end of the process waits for lines that are not written yet.
const LAST_FLUSH: Duration = Duration::from_secs(2);

/// There is one log in a process, so there is one count.
static DROPPED: LazyLock<IntCounter> = LazyLock::new(|| {
    IntCounter::new(
        "icapstan_log_lines_dropped_total",
        "Log lines that standard error took too slowly or not at all.",
    )
    .expect("the name is a valid one")
});

/// Puts another filter in the place of that in use.
static FILTER: OnceLock<Box<PutFilter>> = OnceLock::new();

type PutFilter = dyn Fn(EnvFilter) -> bool + Send + Sync;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object on each line.
    Json,
    /// For people.
    Text,
}

/// Why there is no log.
#[derive(Debug, Error)]
pub enum LogError {
    /// The level is none of `error`, `warn`, `info`, `debug` and `trace`, nor a filter directive of
    /// the crate tracing-subscriber such as `info,icapstan_scanner=debug`.
    #[error("\"{filter}\" is no log level")]
    Filter {
        /// What was given.
        filter: String,
        /// What is wrong with it.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The process has a log already.
    #[error("logging is already set up")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
    /// No thread could be had. The process is left without a log.
    #[error("cannot start the thread that writes the log")]
    Thread(#[source] io::Error),
}

/// To be kept until the process ends. When it is dropped it waits until all lines that were logged
/// before are written, but no longer than two seconds. Logging works after that as well; whether
/// later lines are written before the process is gone is chance.
#[must_use = "the last lines of the log are lost unless this is dropped at the very end"]
pub struct LogGuard {
    queue: Arc<Queue<Lines>>,
}

/// Sends all events of this process to standard error. `filter` is a level, or filter directives.
///
/// Nothing that happens to standard error disturbs or delays who logs. Each event is one line, put
/// into a queue of at most 8,192 lines and 4 MiB, from which the thread `icapstan-log` takes
/// everything at once and writes it; as much again may thus be on its way. While the queue is full
/// further lines are dropped. They are counted by [`register_log_metrics`], and where they are missing
/// there is a line which says how many, whatever the filter. Lines which standard error refuses, for
/// instance because it is closed, are lost and counted in the same way.
///
/// A process that crashes or is killed loses what its writer had no time to write. The message of a
/// panic is not part of this log: the panic hook writes it by itself.
pub fn init_logging(filter: &str, format: LogFormat) -> Result<LogGuard, LogError> {
    let filter = parse(filter)?;
    let queue = Arc::new(Queue::<Lines>::new(Duration::ZERO, DROPPED.clone()));
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(Arc::clone(&queue))
        .with_ansi(false)
        // Reports of a failed write would go to standard error, by a macro that blocks and panics.
        .log_internal_errors(false);
    match format {
        LogFormat::Json => {
            let subscriber =
                subscriber.json().flatten_event(true).with_span_list(false).with_filter_reloading();
            let filter = subscriber.reload_handle();
            subscriber.finish().try_init().map(|()| follow(move |next| filter.reload(next).is_ok()))
        }
        LogFormat::Text => {
            let subscriber = subscriber.with_filter_reloading();
            let filter = subscriber.reload_handle();
            subscriber.finish().try_init().map(|()| follow(move |next| filter.reload(next).is_ok()))
        }
    }
    .map_err(LogError::Twice)?;
    writer::start(Arc::clone(&queue), format).map_err(LogError::Thread)?;
    Ok(LogGuard { queue })
}

/// From now on `filter` says which events are written. Nothing changes if it is none. Without a log there is
/// nothing to change.
pub fn set_log_filter(filter: &str) -> Result<(), LogError> {
    let next = parse(filter)?;
    // It fails only when the log is gone.
    let _ = FILTER.get().is_some_and(|put| put(next));
    Ok(())
}

fn parse(filter: &str) -> Result<EnvFilter, LogError> {
    EnvFilter::builder()
        .parse(filter)
        .map_err(|source| LogError::Filter { filter: filter.to_owned(), source })
}

fn follow(put: impl Fn(EnvFilter) -> bool + Send + Sync + 'static) {
    // There was no other log before, so there is nothing here.
    let _ = FILTER.set(Box::new(put));
}

/// Registers `icapstan_log_lines_dropped_total` and `icapstan_access_log_lines_dropped_total`, which
/// count from the start of the process.
pub fn register_log_metrics(registry: &Registry) -> Result<(), prometheus::Error> {
    registry.register(Box::new(DROPPED.clone()))?;
    access::register(registry)
}

// === impl LogGuard ===

impl LogGuard {
    /// Waits until all lines that were logged before are written or lost. False if that takes longer
    /// than `timeout`.
    pub fn flush(&self, timeout: Duration) -> bool {
        self.queue.flush(timeout)
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.flush(LAST_FLUSH);
    }
}

impl fmt::Debug for LogGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogGuard").finish_non_exhaustive()
    }
}
