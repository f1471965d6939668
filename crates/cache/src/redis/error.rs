//! What can go wrong with Redis.

use icapstan_metrics::label;
use icapstan_telemetry::chain;
use redis::{ErrorKind, ServerErrorKind};
use std::error::Error;
use std::sync::Arc;
use thiserror::Error;

/// Something went wrong with Redis. Its text is short and inert, whatever the server said.
#[derive(Clone, Debug, Error)]
#[error("{text}")]
pub struct RedisError {
    /// What it was.
    pub failure: Failure,
    text: Arc<str>,
    /// Where to ask instead, if the server said so.
    pub(super) elsewhere: Option<String>,
}

label! {
    /// What went wrong.
    pub enum Failure as "kind" {
        /// There is no connection, or it broke.
        Connect = "connect",
        /// The other side is not who it should be, or does not speak TLS.
        Tls = "tls",
        /// No answer came in time.
        Timeout = "timeout",
        /// User or password are wrong or missing.
        Auth = "auth",
        /// The user may not do what has to be done.
        Permission = "permission",
        /// The file with the password cannot be read.
        Password = "password-file",
        /// The server takes no writes: it is a replica, or has lost its disk or its replicas.
        ReadOnly = "read-only",
        /// The server's memory is full.
        Full = "full",
        /// The server is reading its data.
        Loading = "loading",
        /// The cluster cannot tell who has the keys, or does not have all of its slots.
        Cluster = "cluster",
        /// No Sentinel knows the master.
        Sentinel = "sentinel",
        /// An answer is larger than any can be.
        Oversized = "oversized",
        /// Anything else that the server says.
        Other = "other",
    }
}

/// Longer texts are cut, in characters.
const MOST: usize = 300;

// === impl RedisError ===

impl RedisError {
    pub(crate) fn new(failure: Failure, text: &str) -> Self {
        let inert = |c: char| if c == ' ' || c.is_ascii_graphic() { c } else { '_' };
        let text: String = text.chars().take(MOST).map(inert).collect();
        Self { failure, text: text.into(), elsewhere: None }
    }

    pub(super) fn of(failure: Failure, what: &str, error: &(dyn Error + 'static)) -> Self {
        Self::new(failure, &format!("{what}: {}", chain(error)))
    }

    pub(crate) fn unexpected() -> Self {
        Self::new(Failure::Other, "the server gave an answer of another kind than it should")
    }
}

impl From<redis::RedisError> for RedisError {
    fn from(error: redis::RedisError) -> Self {
        let failure = match error.kind() {
            ErrorKind::AuthenticationFailed => Failure::Auth,
            ErrorKind::Io => Failure::Connect,
            ErrorKind::Server(
                ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::CrossSlot,
            ) => Failure::Cluster,
            ErrorKind::Server(ServerErrorKind::BusyLoading) => Failure::Loading,
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => Failure::ReadOnly,
            ErrorKind::Server(ServerErrorKind::NoPerm) => Failure::Permission,
            _ => match error.code() {
                Some("OOM") => Failure::Full,
                Some("NOAUTH" | "WRONGPASS") => Failure::Auth,
                Some("MISCONF" | "NOREPLICAS") => Failure::ReadOnly,
                // Of the commands that a script makes.
                _ if error.detail().is_some_and(|detail| detail.contains("OOM command not allowed")) => {
                    Failure::Full
                }
                _ => Failure::Other,
            },
        };
        let elsewhere = error.redirect_node().map(|(node, _)| node.to_owned());
        Self { elsewhere, ..Self::new(failure, &format!("Redis: {error}")) }
    }
}
