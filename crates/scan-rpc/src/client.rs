//! The side that asks.
//!
//! ```text
//!  addresses ─▶ names looked up ─▶ a task for each scanner: connect, watch its state ─▶ Balancer, signatures in use
//!  scan ─▶ pick ─▶ call ─▶ report
//!           ▲        └─ lost, refused, about to end: another one, if the budget and the deadline allow
//!           └────────────┘
//! ```

mod call;
mod chosen;
mod discover;
mod endpoint;
mod link;
mod remote;
mod watch;

pub use remote::RemoteScanners;
pub use watch::{FleetWatch, WatchConfiguration, Watcher};

use arc_swap::ArcSwap;
use rustls::ClientConfig;
use std::sync::Arc;
use std::time::Duration;

/// Whom to ask, and how.
#[derive(Clone, Debug)]
pub struct ClientConfiguration {
    /// Where scanners are: `HOST:PORT`, where all addresses of a host count.
    pub addresses: Vec<String>,
    /// With what connections are secured.
    pub tls: Option<ClientTls>,
    /// What this gateway is called.
    pub name: String,
    /// Where it runs; empty if nobody said.
    pub zone: String,
    /// A scanner from which nothing was heard for so long has its scans taken away.
    pub silence: Duration,
    /// How often the addresses of hosts are looked up.
    pub lookup: Duration,
}

/// With what connections are secured.
#[derive(Clone, Debug)]
pub struct ClientTls {
    /// Whom to believe, and who to be. Connections begin with what is in it then.
    pub config: Arc<ArcSwap<ClientConfig>>,
    /// What scanners are called in their certificates, if not as in their addresses.
    pub server_name: Option<String>,
}
