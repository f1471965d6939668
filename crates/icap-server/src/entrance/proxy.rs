//! The PROXY header in front of a connection.

use super::Header;
use crate::network::is_in;
use crate::server::Shared;
use icapstan_icap_proto::{ProxyError, ProxyHeader, ProxyStep};
use ipnet::IpNet;
use std::io;
use std::net::SocketAddr;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

/// Why there is no header.
#[derive(Debug)]
enum Fault {
    Malformed(ProxyError),
    Gone,
}

/// Whose connection it is. `None`: it is to be closed.
pub(super) async fn client<S>(
    shared: &Shared<S>,
    stream: &mut TcpStream,
    peer: SocketAddr,
    trusted: &[IpNet],
    deadline: Instant,
) -> Option<SocketAddr> {
    let metrics = &shared.metrics.entrance;
    if !is_in(trusted, peer.ip()) {
        metrics.header_failed(Header::Untrusted, peer, "it is in no network of proxyProtocol.trustedPeers");
        return None;
    }
    match timeout_at(deadline, read(stream)).await {
        Ok(Ok(ProxyHeader::Client(client))) => {
            metrics.header(Header::Client);
            Some(client)
        }
        Ok(Ok(ProxyHeader::Local)) => {
            metrics.header(Header::Local);
            Some(peer)
        }
        Ok(Err(Fault::Malformed(error))) => {
            metrics.header_failed(Header::Malformed, peer, &error.to_string());
            None
        }
        // Health checks connect and leave.
        Ok(Err(Fault::Gone)) => {
            metrics.header(Header::Gone);
            None
        }
        Err(_) => {
            metrics.header_failed(Header::Timeout, peer, "it took too long");
            None
        }
    }
}

/// Reads a header, and no byte behind it.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<ProxyHeader, Fault> {
    let mut header = Vec::with_capacity(64);
    loop {
        match ProxyHeader::step(&header).map_err(Fault::Malformed)? {
            ProxyStep::Done(header) => return Ok(header),
            ProxyStep::Needs(count) => {
                // Bounded by the header's own limits.
                let end = header.len();
                header.resize(end + count, 0);
                let read = stream.read(&mut header[end..]).await?;
                if read == 0 {
                    return Err(Fault::Gone);
                }
                header.truncate(end + read);
            }
        }
    }
}

// === impl Fault ===

impl From<io::Error> for Fault {
    fn from(_: io::Error) -> Self {
        Self::Gone
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nothing_behind_the_header_is_read_however_it_comes() {
        for wire in [
            b"PROXY TCP4 192.0.2.7 10.0.0.1 50000 1344\r\nOPTIONS".to_vec(),
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x07\x0a\x00\x00\x01\xc3\x50\x05\x40OPTIONS"
                .to_vec(),
        ] {
            for piece in [1, 2, 7, wire.len()] {
                let mut mock = tokio_stream_of(&wire, piece);
                let Ok(ProxyHeader::Client(client)) = read(&mut mock).await else { panic!("{piece}") };
                assert_eq!(client, "192.0.2.7:50000".parse().unwrap());
                let mut rest = Vec::new();
                mock.read_to_end(&mut rest).await.unwrap();
                assert_eq!(rest, b"OPTIONS", "{piece}");
            }
        }
    }

    /// Gives so many bytes at once.
    fn tokio_stream_of(wire: &[u8], piece: usize) -> Pieces {
        Pieces { wire: wire.to_vec(), at: 0, piece }
    }

    struct Pieces {
        wire: Vec<u8>,
        at: usize,
        piece: usize,
    }

    impl AsyncRead for Pieces {
        fn poll_read(
            mut self: std::pin::Pin<&mut Self>,
            _: &mut std::task::Context<'_>,
            buffer: &mut tokio::io::ReadBuf<'_>,
        ) -> std::task::Poll<io::Result<()>> {
            let count = self.piece.min(buffer.remaining()).min(self.wire.len() - self.at);
            buffer.put_slice(&self.wire[self.at..self.at + count]);
            self.at += count;
            std::task::Poll::Ready(Ok(()))
        }
    }
}
