//! Syslog over UDP (RFC 5426): one datagram for each record.

use super::dial::resolve;
use super::{Sink, WriteError};
use crate::Peer;
use rustix::io::Errno;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

#[derive(Debug)]
pub(super) struct UdpSink {
    peer: Peer,
    socket: Option<UdpSocket>,
}

// === impl UdpSink ===

impl UdpSink {
    pub(super) const fn new(peer: Peer) -> Self {
        Self { peer, socket: None }
    }
}

impl Sink for UdpSink {
    fn open(&mut self) -> io::Result<()> {
        if self.socket.is_none() {
            let mut last = io::Error::from(io::ErrorKind::NotFound);
            for address in resolve(&self.peer)? {
                match connected(address) {
                    Ok(socket) => {
                        self.socket = Some(socket);
                        return Ok(());
                    }
                    Err(error) => last = error,
                }
            }
            return Err(last);
        }
        Ok(())
    }

    /// What became of the last datagram is known when the server's machine says that nobody listens.
    fn check(&mut self) -> io::Result<()> {
        match self.socket.as_ref().map(UdpSocket::take_error) {
            Some(Ok(None)) => Ok(()),
            Some(Ok(Some(error)) | Err(error)) => {
                self.socket = None;
                Err(error)
            }
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn write(&mut self, record: &[u8]) -> Result<(), WriteError> {
        self.check()?;
        let socket = self.socket.as_ref().ok_or(io::ErrorKind::NotConnected).map_err(io::Error::from)?;
        match socket.send(record) {
            Ok(_) => Ok(()),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::MSGSIZE) => Err(WriteError::TooLarge),
            Err(error) => {
                self.socket = None;
                Err(error.into())
            }
        }
    }

    fn close(&mut self) {
        self.socket = None;
    }
}

fn connected(address: SocketAddr) -> io::Result<UdpSocket> {
    let any = match address {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(any)?;
    socket.connect(address)?;
    Ok(socket)
}
