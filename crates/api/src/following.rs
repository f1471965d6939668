//! How a gateway or a scanner follows the plan of its fleet.

use crate::{ByteSize, ScanServerTls};
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// How a process follows the plan of its fleet (`fleet`). Without a plan it goes by its own settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct FleetSettings {
    /// The file that has the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan: Option<PathBuf>,
    /// The `FleetPlan` of Kubernetes that has it instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_name: Option<String>,
    /// Its namespace. Default: that of this process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_namespace: Option<String>,
    /// The folder that has the last plan, and what it needs, for a start without anybody to ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<PathBuf>,
    /// The most bytes of files that are kept there.
    pub state_size: ByteSize,
    /// So much memory a scanner leaves free when it loads signatures beside others.
    pub memory_reserve: ByteSize,
    /// Where a gateway tells how it is.
    #[serde(with = "crate::address")]
    pub listen: SocketAddr,
    /// With what these connections are secured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<ScanServerTls>,
    /// Whether that may go over the network as it is. On this machine it always may.
    pub plaintext: bool,
    /// A gateway that has known for so long that there is a newer plan, and does not have it, serves nobody.
    #[serde(with = "crate::duration")]
    pub plan_stale_after: Duration,
}

// === impl FleetSettings ===

impl FleetSettings {
    /// Whether there is a plan to be followed.
    pub fn is_planned(&self) -> bool {
        self.plan.is_some() || self.plan_name.is_some()
    }
}

impl Default for FleetSettings {
    fn default() -> Self {
        Self {
            plan: None,
            plan_name: None,
            plan_namespace: None,
            state: None,
            state_size: ByteSize::gib(4),
            memory_reserve: ByteSize::mib(128),
            listen: (Ipv4Addr::LOCALHOST, 7345).into(),
            tls: None,
            plaintext: false,
            plan_stale_after: Duration::from_secs(5),
        }
    }
}
