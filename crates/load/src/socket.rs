//! Client sockets that never block.

use rustix::event::epoll::EventFlags;
use rustix::fd::OwnedFd;
use rustix::io::{self, Errno};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto, socket_with, sockopt};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::net::SocketAddr;

/// What a connection waits for at most times.
pub(crate) const READ: EventFlags = EventFlags::IN;

/// What it waits for while its request does not fit into the socket.
pub(crate) const READ_WRITE: EventFlags = EventFlags::IN.union(EventFlags::OUT);

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    Bytes(usize),
    Nothing,
    End,
    Failed(Errno),
}

/// Begins a connection; with a tiny receive buffer if `narrow`.
pub(crate) fn connect(address: SocketAddr, narrow: bool) -> io::Result<OwnedFd> {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(family, SocketType::STREAM, flags, Some(ipproto::TCP))?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if narrow {
        sockopt::set_socket_recv_buffer_size(&socket, 2048)?;
    }
    match rustix::net::connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error),
    }
}

/// Whether a connection that was begun is there.
pub(crate) fn is_connected(socket: &OwnedFd) -> bool {
    matches!(sockopt::socket_error(socket), Ok(Ok(())))
}

pub(crate) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> Received {
    match io::read(socket, buffer) {
        Ok(0) => Received::End,
        Ok(len) => Received::Bytes(len),
        Err(Errno::AGAIN | Errno::INTR) => Received::Nothing,
        Err(error) => Received::Failed(error),
    }
}

/// Lets this process have so many descriptors, or says how many it can have.
pub(crate) fn raise_descriptor_limit(needed: u64) -> Result<(), u64> {
    let limit = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if enough(limit.current) {
        return Ok(());
    }
    // Beyond the hard limit only the superuser gets.
    let maximum = if enough(limit.maximum) { limit.maximum } else { Some(needed) };
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum })
        .map_err(|_| limit.maximum.unwrap_or(u64::MAX))
}

/// The address of this end.
pub(crate) fn local_address(socket: &OwnedFd) -> Option<SocketAddr> {
    rustix::net::getsockname(socket).ok().and_then(|address| SocketAddr::try_from(address).ok())
}
