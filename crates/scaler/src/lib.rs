//! How much scanners have to do, summed up for autoscalers.
//!
//! ```text
//!  scanners ─▶ FleetStatus.Watch ─▶ Fleet: who is heard, what they said last ─▶ sums ─▶ gauges
//!                                                                                └▶ Wish (metadata) ─▶ KEDA
//! ```
//!
//! Refuses to do: Kubernetes, scaling, scans. [`Fleet`] and [`Wish`] know no sockets and no clocks.
//!
//! Invariants
//! 1. A scanner that falls silent takes nothing away from the sums for a bounded time.
//! 2. When fewer than half of the scanners are heard there is no answer, rather than one that is too small.
//! 3. What cannot be understood is refused with a sentence, never read as something else.
//! 4. Scanners, connections, calls and times are bounded.
//!
//! `docs/autoscaling.md` says what the figures mean.

mod door;
mod fleet;
mod metrics;
mod server;
mod service;
mod wish;

pub use fleet::{Figures, Fleet, Presence, Report, Sums, Unheard};
pub use metrics::ScalerMetrics;
pub use server::{Scaler, ScalerConfig};
pub use wish::{InvalidWish, Metric, Wish};
