//! Ports and folders that nobody else has.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU32, Ordering};
use tempfile::TempDir;

/// Ports that the system gives to nobody by itself: neither to connections nor to who listens on port 0 (Linux:
/// `net.ipv4.ip_local_port_range` begins at 32768).
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// A loopback port that was free a moment ago, for programs that cannot bind port 0 themselves, or are to listen there
/// again. No other call in this process has given it away; another process may take it first.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    // Processes that run at a time begin far from each other.
    let first = std::process::id().wrapping_mul(7919);
    let is_free = |port: &u16| TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).is_ok();
    let ports = PORTS.map(|_| {
        let number =
            first.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)) % u32::from(PORTS.end - PORTS.start);
        PORTS.start + u16::try_from(number).expect("there are fewer")
    });
    ports.into_iter().find(is_free).expect("loopback has a free port")
}

/// A new folder that is removed when dropped.
pub fn tempdir() -> TempDir {
    tempfile::Builder::new()
        .prefix("icapstan-test-")
        .tempdir()
        .expect("the folder for temporary files is writable")
}
