//! A connection whose session tickets wait for the first answer.
//!
//! TLS 1.3 servers send tickets right behind the handshake. Squid 5.7 is woken by them, and then reads the
//! answer to OPTIONS before it has noted that its request is written, which it takes for a failure of the
//! service (`Must(done())` in `OptXact::handleCommRead`, src/adaptation/icap/OptXact.cc). So they go out with
//! the first answer, which also saves a packet.

use crate::Io;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// While it holds, what is written goes out before the next read. After that, what is still held goes out
/// before the next write.
#[derive(Debug)]
pub(crate) struct Held {
    io: TcpStream,
    waiting: Vec<u8>,
    sent: usize,
    holds: bool,
}

// === impl Held ===

impl Held {
    pub(super) fn new(io: TcpStream) -> Self {
        Self { io, waiting: Vec::new(), sent: 0, holds: true }
    }

    /// From now on, what is held waits for the next write and no longer for the next read.
    pub(super) fn keep_for_write(&mut self) {
        self.holds = false;
        // Nothing carries the acknowledgement of the client's last message now, and a client that waits for
        // that before it sends more (RFC 896) would wait for 40 ms.
        let _ = rustix::net::sockopt::set_tcp_quickack(&self.io, true);
    }

    /// The connection, and what did not go out.
    pub(super) fn into_parts(self) -> (TcpStream, Vec<u8>) {
        let Self { io, mut waiting, sent, .. } = self;
        waiting.drain(..sent);
        (io, waiting)
    }

    fn poll_release(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.sent < self.waiting.len() {
            let count = ready!(Pin::new(&mut self.io).poll_write(cx, &self.waiting[self.sent..]))?;
            if count == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += count;
        }
        if !self.waiting.is_empty() {
            (self.waiting, self.sent) = (Vec::new(), 0);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Held {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.holds {
            ready!(self.poll_release(cx))?;
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Held {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.holds {
            // A handshake's messages are a few KiB, and each flight ends with a read.
            self.waiting.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        ready!(self.poll_release(cx))?;
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if self.holds {
            for slice in slices {
                self.waiting.extend_from_slice(slice);
            }
            return Poll::Ready(Ok(slices.iter().map(|slice| slice.len()).sum()));
        }
        ready!(self.poll_release(cx))?;
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl Io for Held {
    const SAYS_GOODBYE: bool = TcpStream::SAYS_GOODBYE;

    fn unconfirmed(&self) -> Option<u64> {
        self.io.unconfirmed()
    }

    fn forget_on_drop(&mut self) {
        self.io.forget_on_drop();
    }
}
