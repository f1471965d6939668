//! Scans over gRPC: from any number of gateways to any number of scanners.
//!
//! ```text
//!  gateway: ScanPort::scan ─▶ RemoteScanners ─▶ pick ─▶ h2 ─▶ [HTTP/2, TLS] ─▶ ScanServer ─▶ ScanPort::scan: scanner
//!                                  ▲ watches: signatures, load, draining ◀─── FleetStatus.Watch │
//!  scaler:  Watcher ◀─ FleetWatch ◀─ the same states of all scanners ◀─── FleetStatus.Watch ─────┘
//! ```
//!
//! Refuses to do: engines, ICAP, remembering of verdicts, choosing (that is `icapstan-balance`).
//!
//! Invariants
//! 1. What a gateway gets is what a scanner in its own process would have said, or a reason why not. Whatever an
//!    answer leaves out or nobody here knows is never taken for a clean scan.
//! 2. An object is with two scanners at most that may have begun with it: where two were lost there is no third.
//! 3. A scan ends by its deadline, and whoever ends the call ends the scan.
//! 4. Scanners that say nothing lose what they have to others after a bounded time.
//! 5. The bytes of an object are copied once on each side, besides what the kernel and TLS do.
//! 6. Messages, headers, jobs, bytes, connections and names of peers are bounded.
//!
//! `proto/` describes the messages, `docs/tiers.md` how processes are run.

mod client;
mod convert;
mod framing;
mod metrics;
mod request;
mod server;
mod wire;

pub use client::{ClientConfiguration, ClientTls, FleetWatch, RemoteScanners, WatchConfiguration, Watcher};
pub use framing::Malformed;
pub use metrics::{ClientMetrics, ServerMetrics, StatusMetrics};
pub use request::{Item, MAX_DATA, RequestReader};
pub use server::{
    Begun, Busy, FollowedPlan, GatewayStanding, ScanServer, ScannerStanding, Secured, ServerConfig,
    StatusConfig, StatusServer, Tell,
};
