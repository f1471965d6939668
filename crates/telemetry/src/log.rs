//! The log on standard error.

use std::io;
use thiserror::Error;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::SubscriberInitExt;

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
}

/// Sends all events of this process to standard error. `filter` is a level, or filter directives.
///
/// Nothing that happens to standard error disturbs who logs: what cannot be written is dropped.
pub fn init_logging(filter: &str, format: LogFormat) -> Result<(), LogError> {
    let filter = EnvFilter::builder()
        .parse(filter)
        .map_err(|source| LogError::Filter { filter: filter.to_owned(), source })?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        // Reports of a failed write would go to the same closed place, by a macro that panics then.
        .log_internal_errors(false);
    match format {
        LogFormat::Json => subscriber.json().flatten_event(true).with_span_list(false).finish().try_init(),
        LogFormat::Text => subscriber.finish().try_init(),
    }
    .map_err(LogError::Twice)
}
