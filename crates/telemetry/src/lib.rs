//! What the outside learns of a running process: its log, its metrics, and whether it is well.
//!
//! ```text
//!  tracing events ──▶ bounded queue ──▶ icapstan-log (own thread) ──▶ standard error, as text or JSON
//!  AccessRecord ──▶ bounded queue ──▶ icapstan-access (own thread) ──▶ standard output or a file
//!  Span ──▶ bounded queue ──▶ SpanSource ──▶ whoever exports them
//!  Registry, readiness, version ──▶ AdminServer (own thread): /livez /readyz /metrics /version ...
//! ```
//!
//! Refuses to do: knowing what the metrics of other parts mean.
//!
//! Invariants
//! 1. The endpoint answers while every other thread is busy or stuck: it shares no runtime with them,
//!    and waits for none of what it asks them longer than a second.
//! 2. Clients of the endpoint, however many and however slow, take a bounded number of connections
//!    for a bounded time; the newest is served.
//! 4. A transaction whose trace is not told costs one branch for each span that it would have; one that is
//!    told waits for nobody. What is lost is counted.
//! 3. A log that cannot be written is lost, and nothing else: who logs never waits for standard error
//!    nor for a disk. What is lost is counted.

mod access;
mod admin;
mod build;
mod certificate;
mod error;
mod inert;
mod log;
mod output;
mod process;
mod queue;
mod reload;
mod time;
mod trace;

pub use access::{AccessLog, AccessLogError, AccessLogGuard, AccessRecord, AccessTarget, AccessUrl};
pub use admin::{AdminError, AdminServer, Check, Document, Note, Readiness, Ready, Version};
pub use build::register_build_info;
pub use certificate::CertificateMetrics;
pub use error::chain;
pub use log::{LogError, LogFormat, LogGuard, init_logging, register_log_metrics, set_log_filter};
pub use process::register_process_metrics;
pub use prometheus::Registry;
pub use reload::ReloadMetrics;
pub use time::timestamp;
pub use trace::{
    Begun, FinishedSpan, Sampling, Span, SpanKind, SpanSource, SpanValue, Tracer, register_trace_metrics,
};
