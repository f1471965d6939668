//! A clamd that scans.

use serde::{Deserialize, Serialize};

/// A clamd that scans, in place of worker processes (`scanner.clamd`). What is opened and how much a scan
/// may cost is then set in `clamd.conf`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClamdSettings {
    /// Where it listens: the absolute path of a Unix socket, or a name or IP address with a port. Over TCP
    /// neither side knows who the other is, and objects are sent in clear.
    pub address: String,
    /// Whether objects are written into the connection, which is so over TCP in any case, instead of
    /// handing over a file descriptor.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
}

// === impl ClamdSettings ===

impl ClamdSettings {
    /// Whether it is a Unix socket.
    pub fn is_local(&self) -> bool {
        self.address.starts_with('/')
    }
}
