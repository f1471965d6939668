//! How many connections there may be, and how long each state of one may last.

use crate::{AccessControl, Budget, ClientLimits, Refusals};
use icapstan_icap_proto::Limits;
use std::sync::Arc;
use std::time::Duration;

/// Settings of a [`Server`](crate::Server).
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Connections served at once. Idle ones give way to further ones; when there is none, requests other
    /// than OPTIONS are refused.
    pub sessions: usize,
    /// TLS handshakes under way at once. Further connections wait for their turn.
    pub handshakes: usize,
    /// Which clients are served.
    pub access: AccessControl,
    /// Requests after which a connection ends, give or take a tenth; 0 for no limit.
    pub max_requests: u64,
    /// How old a connection gets, give or take a tenth; zero for no limit.
    pub max_age: Duration,
    /// Whether connections persist at all (RFC 3507 section 4.1).
    pub keep_alive: bool,
    /// Whether they do only after requests that ask for it.
    pub only_when_asked: bool,
    /// What one client may take.
    pub per_client: ClientLimits,
    /// What is answered where there is no room.
    pub refusals: Refusals,
    /// How large the parts of a request may be.
    pub limits: Limits,
    /// How long each state may last.
    pub timeouts: Timeouts,
    /// What unusually large heads and busy read buffers take their memory from.
    pub memory: Arc<Budget>,
}

/// How long each state of a connection may last.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// From the start of a connection to the end of its PROXY header and its TLS handshake.
    pub handshake: Duration,
    /// Without a request. Longer than clients keep idle connections (Squid: one minute), so that
    /// the client is the one who closes.
    pub idle: Duration,
    /// From the first byte of a request to the last of its encapsulated heads.
    pub head: Duration,
    /// Between two pieces of a body.
    pub body_idle: Duration,
    /// Bytes a second that a body must make on average, once `body_idle` has passed since its start;
    /// and that a client must take of an answer, once it was waited for longer than `write`.
    pub body_rate: u64,
    /// Without any progress while an answer is written.
    pub write: Duration,
    /// How long what a client still sends is read after the last answer of a connection.
    pub linger: Duration,
    /// How long a scan goes on for a client that has closed its sending side: it may be waiting for
    /// the answer (a pipe into a socket does that), or it may be gone.
    pub half_closed: Duration,
    /// How long idle connections are kept after the server was told to stop, for requests that are
    /// already on their way.
    pub stop_idle: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            sessions: 10_000,
            handshakes: 500,
            access: AccessControl::default(),
            max_requests: 0,
            max_age: Duration::ZERO,
            keep_alive: true,
            only_when_asked: false,
            per_client: ClientLimits::default(),
            refusals: Refusals::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            memory: Budget::unwatched(1 << 30),
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            handshake: Duration::from_secs(10),
            idle: Duration::from_secs(70),
            head: Duration::from_secs(20),
            body_idle: Duration::from_mins(1),
            body_rate: 64,
            write: Duration::from_mins(1),
            linger: Duration::from_secs(5),
            half_closed: Duration::from_secs(1),
            stop_idle: Duration::from_millis(500),
        }
    }
}
