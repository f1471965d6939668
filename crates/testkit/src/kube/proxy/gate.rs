//! A connection that can fall silent.

use super::faults::Faults;
use std::io::Result;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The client's connection. In silence nothing is read from it and nothing written; what comes meanwhile stays in
/// the kernel, and is read when the silence is over, as after a partition.
#[derive(Debug)]
pub(super) struct Gate {
    stream: TcpStream,
    faults: Arc<Faults>,
    cuts: u64,
}

// === impl Gate ===

impl Gate {
    /// One that was made after so many cuts.
    pub(super) fn new(stream: TcpStream, faults: Arc<Faults>, cuts: u64) -> Self {
        // Fails only where the connection is gone.
        let _ = stream.set_nodelay(true);
        Self { stream, faults, cuts }
    }
}

impl AsyncRead for Gate {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        ready!(self.faults.poll_heard(context));
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Gate {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        ready!(self.faults.poll_heard(context));
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.faults.poll_heard(context));
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if self.faults.line().borrow().cuts != self.cuts {
            // A cut is a reset, and no polite end. Fails only where there is nothing left to cut.
            let _ = self.stream.set_zero_linger();
        }
    }
}
