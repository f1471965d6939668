//! Who is at the other end of a connection.

use icapstan_tls::Names;
use std::net::SocketAddr;
use std::sync::Arc;

/// An ICAP client, as far as it is known.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Where it is: the other end of the connection, or what a trusted load balancer says of it.
    pub address: SocketAddr,
    /// What its certificate says, which was verified.
    pub certificate: Option<Names>,
    /// The name by which it authenticated.
    pub user: Option<Arc<str>>,
}

// === impl Caller ===

impl Caller {
    /// Of whom only the address is known.
    pub fn at(address: SocketAddr) -> Self {
        Self { address, certificate: None, user: None }
    }
}
