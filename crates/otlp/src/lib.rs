//! Sends spans to an OpenTelemetry collector, by OTLP over gRPC.
//!
//! ```text
//!  Span ──▶ SpanSource ──▶ icapstan-traces (own thread and runtime) ──▶ batch ──▶ TraceService/Export
//!                                       │ not taken: again, up to three times, with pauses that grow
//!                                       └ lost: counted, and one line of the log until it works again
//! ```
//!
//! Refuses to do: deciding what is told (`icapstan-telemetry`).
//!
//! Invariants
//! 1. Whether there is a collector, and how slow it is, changes nothing for who makes spans: they go into a
//!    bounded queue, or are dropped and counted.
//! 2. Nothing is kept for a collector beyond that queue and one batch.
//! 3. The end of the process waits for a collector two seconds at most.

mod connect;
mod encode;
mod error;
mod exporter;
mod headers;
#[cfg(test)]
mod tests;

pub use error::OtlpError;
pub use exporter::{ExportGuard, start};
