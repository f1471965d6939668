//! The ICAP transaction pipeline.
//!
//! ```text
//!  heads ─▶ service, epoch, policy
//!    │        scan: none/url ──────────────────────────▶ pass (204, or streamed back)
//!    ▼
//!  body ─▶ memory ─▶ spool file ─▶ over the size limit ▶ NON_SCANNED(size), streamed through
//!    │       (each under a byte budget; spent: 503)
//!    ▼
//!    │  a client that falls silent until it gets something back gets the heads and a few bytes
//!    ▼
//!  ScanPort::scan, raced against the client's leaving
//!    ▼
//!  Policy::decide ─▶ pass: 204 if legal, else the same bytes back
//!                 └▶ block: ICAP 200 with an HTTP 403 page; an aborted connection if part is out
//! ```
//!
//! Refuses to do: parsing ICAP, engines, rules.
//!
//! Invariants
//! 1. A transaction is judged by the signatures and the policy that it found at its start, and its
//!    answer carries their ISTag.
//! 2. Every answer but that to a wholly clean object carries `X-Icapstan-Reason`.
//! 3. Bytes are stored only against a budget; the budget is given back when the transaction ends,
//!    however it ends.
//! 4. What goes back unchanged goes back byte for byte, but for header fields that a rule adds.

mod added;
mod ahead;
mod answer;
mod bases;
mod client;
mod context;
mod detection;
mod epoch_metrics;
mod event;
mod facts;
mod gateway;
mod identity;
mod metrics;
mod options;
mod partial;
mod quarantine;
mod ranges;
mod record;
mod reputation;
mod sample;
mod services;
mod skip;
mod spool;
mod stall;
mod store;
mod trace;
mod transaction;
mod url;
mod url_lists;

pub use bases::settings_bases;
pub use epoch_metrics::EpochMetrics;
pub use gateway::{Compiled, Gateway, GatewayConfig, GatewayError, GatewaySettings, Prepared, Route};
pub use metrics::GatewayMetrics;
pub use services::Pins;
pub use url_lists::{
    Built, FixedUrlLists, LoadedUrlLists, UrlListError, UrlListMetrics, UrlListWatcher, UrlLists,
    WatchedUrlLists, build_url_lists,
};
