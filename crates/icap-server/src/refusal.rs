//! What is answered where there is no room.

use icapstan_icap_proto::Status;

/// The statuses of refusals.
///
/// RFC 3507 knows only 503 for overload; what clients make of each is in docs/overload.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusals {
    /// Of requests on connections that there is no session for, and of clients beyond their own limits.
    pub sessions: Status,
    /// Of requests that would not be worked on in time.
    pub queue: Status,
    /// Of requests that there is no memory for.
    pub memory: Status,
}

/// What a request has no share of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// Sessions of the server.
    Sessions,
    /// Sessions of this client.
    ClientSessions,
    /// Requests a second of this client.
    ClientRate,
}

// === impl Refusals ===

impl Default for Refusals {
    fn default() -> Self {
        Self { sessions: Status::TOO_MANY_REQUESTS, queue: Status::SERVER_ERROR, memory: Status::UNAVAILABLE }
    }
}

// === impl Shortage ===

impl Shortage {
    /// The word in `X-Icapstan-Reason`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sessions => "sessions",
            Self::ClientSessions => "client-sessions",
            Self::ClientRate => "client-rate",
        }
    }

    /// Whether the connection is of no use for a while.
    pub(crate) const fn ends_connection(self) -> bool {
        !matches!(self, Self::ClientRate)
    }
}
