//! Metric families with closed label sets, cheap to count on many threads.
//!
//! ```text
//!  register: Families::of(&Registry) ──▶ Counter, Counters<Label>, Histogram, ... (kept by who counts)
//!  count:    thread ──▶ its own shard ──▶ cell of the series: one relaxed addition
//!  scrape:   Registry::gather ──▶ sums over the shards ──▶ text, as of the crate prometheus
//!  document: describe(&Registry) ──▶ name, kind, help, labels and all their values
//! ```
//!
//! Refuses to do: labels whose values are not known when the program is built.
//!
//! Invariants
//! 1. Counting takes no lock, looks nothing up by hash and allocates nothing.
//! 2. No count is lost: a scrape sees each one that happened before it.
//! 3. The number of series is fixed at registration; no peer can add one.
//!
//! What is counted often is sharded: counters, histograms, and gauges by labels, which go up and down by
//! amounts. Gauges without labels are one cell for all threads.
//!
//! Series that were never counted are shown as 0, because a series that begins at its first event
//! hides that event from `rate()`. The exception are the families made by
//! [`Families::sparse_counters`], for two labels of which few combinations ever occur: they show what
//! was counted.
//!
//! ```
//! use icapstan_metrics::{Counters, Families, label};
//! use prometheus::Registry;
//!
//! label! {
//!     /// How it ended.
//!     pub enum End as "end" {
//!         /// Well.
//!         Well = "well",
//!         /// Not well.
//!         Badly = "badly",
//!     }
//! }
//!
//! let registry = Registry::new();
//! let ends: Counters<End> = Families::of(&registry).counters("icapstan_ends_total", "Ends, by how.")?;
//! ends.inc(End::Well);
//! assert_eq!(ends.get(End::Well), 1);
//! # Ok::<(), prometheus::Error>(())
//! ```

mod cells;
mod counter;
mod describe;
mod families;
mod gauge;
mod histogram;
mod label;
mod named;

pub use counter::{Counter, Counters};
pub use describe::{Description, Kind, LabelDescription, describe};
pub use families::Families;
pub use gauge::Gauges;
pub use histogram::{Histogram, Histograms};
pub use label::{Label, Labels};
pub use named::NamedCounters;
/// Gauges without labels are those of the crate prometheus: of whole numbers, and of any.
pub use prometheus::{Gauge as FloatGauge, IntGauge as Gauge};
