//! Ports and folders that nobody else has.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use tempfile::TempDir;

/// A loopback port that was free a moment ago, for programs that cannot bind port 0 themselves.
/// Another process may take it first: whoever uses this must be able to try again.
pub fn free_port() -> u16 {
    TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))
        .and_then(|listener| listener.local_addr())
        .expect("loopback has a free port")
        .port()
}

/// A new folder that is removed when dropped.
pub fn tempdir() -> TempDir {
    tempfile::Builder::new()
        .prefix("icapstan-test-")
        .tempdir()
        .expect("the folder for temporary files is writable")
}
