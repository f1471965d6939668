//! How the server's end of a connection stands, asked of the kernel (sock_diag(7)): behind a window of
//! nothing a client cannot see that it was closed, since the end waits behind bytes that never go.
//!
//! `/proc/net/tcp` tells the same, but takes a tenth of a second each time where tables are large.

use rustix::fd::OwnedFd;
use rustix::io;
use rustix::net::netlink::{self, SocketAddrNetlink};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, sendto, socket_with};
use std::net::{IpAddr, SocketAddr};

/// `SOCK_DIAG_BY_FAMILY`
const BY_FAMILY: u16 = 20;
/// `NLM_F_REQUEST`
const REQUEST: u16 = 1;
/// A header, and a request for one socket (`inet_diag_req_v2`).
const REQUEST_LEN: usize = 16 + 56;
const IPV4: u8 = 2;
const IPV6: u8 = 10;
const TCP: u8 = 6;
/// `TCP_FIN_WAIT1` and `TCP_FIN_WAIT2`
const FINISHING: [u8; 2] = [4, 5];

/// Asks for the state of connections whose other end is on this machine too.
#[derive(Debug)]
pub(super) struct PeerStates {
    socket: OwnedFd,
}

// === impl PeerStates ===

impl PeerStates {
    pub(super) fn new() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let family = AddressFamily::NETLINK;
        socket_with(family, SocketType::DGRAM, flags, Some(netlink::SOCK_DIAG)).map(|socket| Self { socket })
    }

    /// Whether the server has closed its end; `false` too where that cannot be told.
    pub(super) fn has_closed(&self, server: SocketAddr, client: SocketAddr) -> bool {
        let kernel = SocketAddrNetlink::new(0, 0);
        let request = request(server, client);
        let mut reply = [0; 512];
        let asked = sendto(&self.socket, &request, SendFlags::empty(), &kernel);
        // The kernel has answered by the time that it has taken the question.
        let len = asked.and_then(|_| recv(&self.socket, &mut reply, RecvFlags::DONTWAIT));
        len.is_ok_and(|(len, _)| state(&reply[..len]).is_some_and(|state| FINISHING.contains(&state)))
    }
}

/// Asks for the socket at `local` that is connected with `remote`.
fn request(local: SocketAddr, remote: SocketAddr) -> [u8; REQUEST_LEN] {
    let mut bytes = [0; REQUEST_LEN];
    bytes[..4].copy_from_slice(&u32::try_from(REQUEST_LEN).expect("it is small").to_ne_bytes());
    bytes[4..6].copy_from_slice(&BY_FAMILY.to_ne_bytes());
    bytes[6..8].copy_from_slice(&REQUEST.to_ne_bytes());
    bytes[16] = if local.is_ipv4() { IPV4 } else { IPV6 };
    bytes[17] = TCP;
    // In every state.
    bytes[20..24].fill(0xff);
    bytes[24..26].copy_from_slice(&local.port().to_be_bytes());
    bytes[26..28].copy_from_slice(&remote.port().to_be_bytes());
    put_address(&mut bytes[28..44], local.ip());
    put_address(&mut bytes[44..60], remote.ip());
    // No cookie: whichever socket it is.
    bytes[64..72].fill(0xff);
    bytes
}

fn put_address(place: &mut [u8], address: IpAddr) {
    match address {
        IpAddr::V4(address) => place[..4].copy_from_slice(&address.octets()),
        IpAddr::V6(address) => place.copy_from_slice(&address.octets()),
    }
}

/// The state in a reply (`inet_diag_msg`); none in one that tells of an error.
fn state(reply: &[u8]) -> Option<u8> {
    let kind = reply.get(4..6)?;
    if kind == BY_FAMILY.to_ne_bytes() { reply.get(17).copied() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn an_end_behind_a_closed_window_is_seen() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let listener = TcpListener::bind(address).unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (mut server, remote) = listener.accept().unwrap();
            let local = server.local_addr().unwrap();
            let peers = PeerStates::new().unwrap();
            // Until the client's buffer is full and nothing goes any more.
            server.set_nonblocking(true).unwrap();
            while server.write(&[0; 4096]).is_ok() {}
            assert!(!peers.has_closed(local, remote), "{address}");
            drop(server);
            assert!(peers.has_closed(local, remote), "{address}");
            drop(client);
        }
    }

    #[test]
    fn nothing_is_told_of_connections_that_are_not_there() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let local = listener.local_addr().unwrap();
        let remote = SocketAddr::from(([127, 0, 0, 1], 1));
        assert!(!PeerStates::new().unwrap().has_closed(local, remote));
    }
}
